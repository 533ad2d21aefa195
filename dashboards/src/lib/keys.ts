/** Keys of the page: what the help lists, and who hears them. */

export const HELP: readonly { title: string; rows: readonly (readonly [string, string])[] }[] = [
  { title: 'Go', rows: [['g n', 'Now: errors of the last hour'], ['g s', 'Search'], ['g l', 'Tail']] },
  {
    title: 'Query and time',
    rows: [['Ctrl K', 'Query bar'], ['Enter', 'Run the query'], ['t', 'Time range'], ['[ ]', 'Window earlier / later'], ['-', 'Zoom out'], ['l', 'Live / pause']],
  },
  {
    title: 'Rows',
    rows: [['j k', 'Next / previous row'], ['e E', 'Next / previous error'], ['w W', 'Next / previous warning'], ['o O', 'Same correlation id'], ['s S', 'Next / previous time gap'], ['g g', 'First row'], ['G', 'Last loaded row'], ['/', 'Find in loaded rows'], ['n N', 'Next / previous find']],
  },
  {
    title: 'Event',
    rows: [['Enter', 'Open / close'], ['Esc', 'Close the innermost thing'], ['x', 'Unfold the stack trace'], ['c', 'Context: lines around it'], ['J K', 'Later / earlier lines of the context'], ['f F', 'Filter for / out its logger'], ['r', 'Raw bytes']],
  },
  { title: 'Take with you', rows: [['y', 'Copy as text'], ['Y', 'Copy as Markdown with link'], ['p', 'Copy link to the event']] },
  { title: 'View', rows: [['z', 'Wrap lines'], ['u', 'UTC / browser time'], ['T', 'Light / dark'], ['?', 'This page']] },
];

export type Handler = (event: KeyboardEvent) => boolean | void;
export type Keymap = Readonly<Record<string, Handler>>;

/** Where typing goes into text, keys mean letters. */
export function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || /^(?:INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
}

/** A key that a focused control takes for itself. */
export function isControlKey(event: KeyboardEvent): boolean {
  const target = event.target;
  if (event.key !== 'Enter' && event.key !== ' ') return false;
  return target instanceof HTMLElement && target.closest('button, a[href], summary, [role=option]') !== null;
}

const CHORD_MS = 1200;

/** Reads single keys and two-key chords (`g n`) and hands them to the first map that knows them. */
export class Keys {
  private maps: Keymap[] = [];
  private first = '';
  private firstAt = 0;

  /** Adds a map over the others; the answer takes it away again. */
  use(map: Keymap): () => void {
    this.maps = [map, ...this.maps];
    return () => {
      this.maps = this.maps.filter((one) => one !== map);
    };
  }

  /** True when the key was taken. */
  press(event: KeyboardEvent, at: number): boolean {
    if (event.metaKey || event.ctrlKey || event.altKey) return false;
    const chord = this.first && at - this.firstAt < CHORD_MS ? `${this.first} ${event.key}` : '';
    this.first = '';
    if (chord && this.run(chord, event)) return true;
    if (this.run(event.key, event)) return true;
    if (this.maps.some((map) => Object.keys(map).some((key) => key.startsWith(`${event.key} `)))) {
      this.first = event.key;
      this.firstAt = at;
      return true;
    }
    return false;
  }

  private run(key: string, event: KeyboardEvent): boolean {
    for (const map of this.maps) {
      const handler = Object.hasOwn(map, key) ? map[key] : undefined;
      if (handler && handler(event) !== false) return true;
    }
    return false;
  }
}
