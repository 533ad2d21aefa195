/** The page's state that stands in its address, and the few things a browser remembers between visits. */

import { Keys } from './keys';
import type { Range, Zone } from './time';
import { formatPlace, parsePlace, type Place, type View } from './url';

type Theme = 'light' | 'dark' | '';

/** Storage may be forbidden; then nothing is remembered and nothing else changes. */
function remembered(key: string): string {
  try {
    return localStorage.getItem(key) ?? '';
  } catch {
    return '';
  }
}

function remember(key: string, value: string): void {
  try {
    if (value) localStorage.setItem(key, value);
    else localStorage.removeItem(key);
  } catch {
    // See above.
  }
}

class Page {
  place: Place = $state.raw(parsePlace(location.pathname, location.search));
  /** A second that moves on, for ages and moving windows on screen. */
  now: number = $state(Date.now());
  theme: Theme = $state('');
  /** Goes up when colours change, so that canvases draw again. */
  paint: number = $state(0);
  phone: boolean = $state(false);
  help: boolean = $state(false);
  timePicker: boolean = $state(false);
  /** Read out by screen readers and shown in the foot for a moment. */
  notice: string = $state('');
  /** Goes up when the same query is asked for again. */
  asked: number = $state(0);
  readonly keys = new Keys();
  /** Set by the view: where the focus goes when the query bar is left. */
  focusRows: () => void = () => {};
  /** Set by the frame. */
  focusQuery: () => void = () => {};
  private noticeTimer = 0;
  private lastZone: Zone = remembered('carbontrail.tz') === 'browser' ? 'browser' : 'utc';

  get zone(): Zone {
    return this.place.tz || this.lastZone;
  }

  get range(): Range {
    return { from: this.place.from, to: this.place.to };
  }

  start(): void {
    const theme = remembered('carbontrail.theme');
    this.applyTheme(theme === 'light' || theme === 'dark' ? theme : '');
    addEventListener('popstate', () => {
      this.place = parsePlace(location.pathname, location.search);
    });
    setInterval(() => {
      if (!document.hidden) this.now = Date.now();
    }, 1000);
    const narrow = matchMedia('(max-width: 600px)');
    this.phone = narrow.matches;
    narrow.addEventListener('change', () => {
      this.phone = narrow.matches;
    });
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.paint++);
  }

  /** Changes the address and adds it to the history: Back undoes it. */
  go(change: Partial<Place>): void {
    const next = { ...this.place, ...change };
    const address = formatPlace(next);
    if (address !== location.pathname + location.search) history.pushState(null, '', address);
    this.place = next;
    this.asked++;
  }

  /** Changes the address in place: selection and opened rows are not worth a step back. */
  note(change: Partial<Place>): void {
    this.place = { ...this.place, ...change };
    history.replaceState(null, '', formatPlace(this.place));
  }

  /** Another view of the same query and time; Now is what an empty query shows. */
  show(view: View): void {
    this.go({ view, q: view === 'now' ? '' : this.place.q, sel: '', open: [], ctx: '' });
  }

  /** Runs a query: in the tail it filters the tail, anywhere else it searches. */
  search(q: string, range: Partial<Range> = {}): void {
    this.go({ view: this.place.view === 'tail' ? 'tail' : 'search', q, ...range, sel: '', open: [], ctx: '' });
  }

  /** Another time. Now is always the last hour, so a range leads on to a search. */
  setRange(range: Range): void {
    this.go({ ...range, view: this.place.view === 'now' ? 'search' : this.place.view, sel: '', open: [], ctx: '' });
  }

  setZone(zone: Zone): void {
    remember('carbontrail.tz', zone === 'utc' ? '' : zone);
    this.lastZone = zone;
    this.note({ tz: zone });
  }

  toggleZone(): void {
    this.setZone(this.zone === 'utc' ? 'browser' : 'utc');
  }

  toggleTheme(): void {
    const dark = getComputedStyle(document.documentElement).colorScheme.includes('dark');
    this.applyTheme(dark ? 'light' : 'dark');
    remember('carbontrail.theme', this.theme);
  }

  say(words: string): void {
    this.notice = words;
    clearTimeout(this.noticeTimer);
    this.noticeTimer = window.setTimeout(() => {
      this.notice = '';
    }, 4000);
  }

  async copy(value: string, what: string): Promise<void> {
    try {
      await navigator.clipboard.writeText(value);
      this.say(`Copied ${what}`);
    } catch {
      this.say('The browser does not allow copying here');
    }
  }

  private applyTheme(theme: Theme): void {
    this.theme = theme;
    if (theme) document.documentElement.dataset.theme = theme;
    else delete document.documentElement.dataset.theme;
    this.paint++;
  }
}

export const page = new Page();
