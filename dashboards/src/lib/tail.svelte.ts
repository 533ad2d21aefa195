/**
 * Live tail: lines as they arrive, oldest on top. Paused, lines go on into a buffer; over 200 a second the rest is
 * counted, not drawn. Whatever is not drawn is stored and found by a search.
 */

import { api } from './api';
import { eventRow, timeOf, type EventRow, type Row } from './rows';
import { server } from './server.svelte';
import { clock, type Zone } from './time';
import { levelOf, text, type LogEvent } from './types';

export const KEPT_ROWS = 3000;
const DRAWN_A_SECOND = 200;
const FLUSH_MS = 100;
export const SECONDS = 36;

interface Skipped {
  count: number;
  from: number;
  to: number;
}

export class Tail {
  rows: Row[] = $state.raw([]);
  paused: boolean = $state(false);
  pausedAt: number = $state(0);
  /** Arrived while paused. */
  waiting: { count: number; errors: number; warnings: number } = $state.raw({ count: 0, errors: 0, warnings: 0 });
  connected: boolean = $state(false);
  error: string = $state('');
  shown: number = $state(0);
  /** The server says that it dropped these because this reader was too slow. */
  dropped: number = $state(0);
  notDrawn: number = $state(0);
  /** Newest arrival minus its own time, ms. */
  delay: number | null = $state(null);
  /** Lines and errors of each of the last seconds, oldest first. */
  rate: number[] = $state.raw(Array<number>(SECONDS).fill(0));
  errorRate: number[] = $state.raw(Array<number>(SECONDS).fill(0));
  /** Ids that came in the last second. */
  fresh: ReadonlySet<string> = $state.raw(new Set());

  private source: EventSource | null = null;
  private buffer: EventRow[] = [];
  private inbox: LogEvent[] = [];
  private changes = new Map<string, LogEvent | null>();
  private skipped: Skipped | null = null;
  private secondCount = 0;
  private secondErrors = 0;
  private drawnThisSecond = 0;
  private flushTimer = 0;
  private secondTimer = 0;
  private bands = 0;

  constructor(private readonly zone: () => Zone) {}

  open(q: string): void {
    this.close();
    this.error = '';
    const source = api.tail(q);
    this.source = source;
    source.onopen = () => { this.connected = true; this.error = ''; };
    source.onerror = () => {
      this.connected = false;
      if (source.readyState === EventSource.CLOSED) this.error = 'The server ended the tail.';
      else { this.error = 'The connection broke; the browser tries again.'; server.lost(); }
    };
    const on = (name: string, take: (event: LogEvent) => void): void => {
      source.addEventListener(name, (message) => {
        try {
          take(JSON.parse((message as MessageEvent<string>).data) as LogEvent);
        } catch {
          // A message that cannot be read is not a line; the search still has it.
        }
      });
    };
    on('line', (event) => this.arrived(event));
    on('update', (event) => { this.changes.set(event.id, event); this.schedule(); });
    on('remove', (event) => { this.changes.set(event.id, null); this.schedule(); });
    on('dropped', (event) => { this.dropped += Number(event['count'] ?? 1); });
    this.secondTimer = window.setInterval(() => this.second(), 1000);
  }

  close(): void {
    this.source?.close();
    this.source = null;
    this.connected = false;
    clearInterval(this.secondTimer);
    clearTimeout(this.flushTimer);
    this.flushTimer = 0;
  }

  clear(): void {
    this.rows = [];
    this.buffer = [];
    this.inbox = [];
    this.changes.clear();
    this.skipped = null;
    this.shown = 0;
    this.notDrawn = 0;
    this.waiting = { count: 0, errors: 0, warnings: 0 };
    this.paused = false;
  }

  pause(): void {
    if (this.paused) return;
    this.flush();
    this.paused = true;
    this.pausedAt = Date.now();
    this.rows = [...this.rows, { kind: 'pause', key: `pause ${this.bands++}`, label: `paused here at ${clock(this.pausedAt, this.zone())}` }];
  }

  resume(): void {
    if (!this.paused) return;
    this.paused = false;
    const kept = this.rows.filter((row) => row.kind !== 'pause');
    const gone = this.waiting.count - this.buffer.length;
    const band: Row[] = gone > 0 ? [{ kind: 'skip', key: `skip ${this.bands++}`, label: `${gone} lines that came while paused are stored but not kept in this tab.` }] : [];
    this.rows = trimmed([...kept, ...band, ...this.buffer]);
    this.notDrawn += Math.max(0, gone);
    this.shown += this.buffer.length;
    this.buffer = [];
    this.waiting = { count: 0, errors: 0, warnings: 0 };
  }

  private arrived(event: LogEvent): void {
    const now = Date.now();
    const at = timeOf(event);
    server.saw(at);
    this.delay = Math.max(0, now - at);
    this.secondCount++;
    if (isError(event)) this.secondErrors++;
    if (!this.paused && this.drawnThisSecond >= DRAWN_A_SECOND) {
      this.notDrawn++;
      this.skipped = { count: (this.skipped?.count ?? 0) + 1, from: this.skipped?.from ?? at, to: at };
    } else {
      this.drawnThisSecond++;
      this.inbox.push(event);
    }
    this.schedule();
  }

  private schedule(): void {
    this.flushTimer ||= window.setTimeout(() => this.flush(), FLUSH_MS);
  }

  private flush(): void {
    clearTimeout(this.flushTimer);
    this.flushTimer = 0;
    if (this.changes.size) {
      this.rows = changed(this.rows, this.changes);
      this.buffer = changed(this.buffer, this.changes) as EventRow[];
      this.inbox = this.inbox.filter((event) => this.changes.get(event.id) !== null);
      this.inbox = this.inbox.map((event) => this.changes.get(event.id) ?? event);
      this.changes.clear();
    }
    if (!this.inbox.length) return;
    const fresh = this.inbox.map(eventRow);
    this.inbox = [];
    if (this.paused) {
      this.buffer = [...this.buffer, ...fresh].slice(-KEPT_ROWS);
      const count = this.waiting.count + fresh.length;
      const errors = this.waiting.errors + fresh.filter((row) => isError(row.event)).length;
      const warnings = this.waiting.warnings + fresh.filter((row) => levelOf(row.event) === 'WARN').length;
      this.waiting = { count, errors, warnings };
      return;
    }
    this.rows = trimmed(joined(this.rows, fresh));
    this.shown += fresh.length;
    this.fresh = new Set([...this.fresh, ...fresh.map((row) => row.key)]);
  }

  private second(): void {
    this.rate = [...this.rate.slice(1), this.secondCount];
    this.errorRate = [...this.errorRate.slice(1), this.secondErrors];
    this.secondCount = 0;
    this.secondErrors = 0;
    this.drawnThisSecond = 0;
    if (this.fresh.size) this.fresh = new Set();
    const { skipped } = this;
    if (skipped && !this.paused) {
      this.flush();
      const label = `${skipped.count} lines between ${clock(skipped.from, this.zone())} and ${clock(skipped.to, this.zone())} are stored but not drawn: they came faster than ${DRAWN_A_SECOND} a second.`;
      this.rows = trimmed([...this.rows, { kind: 'skip', key: `skip ${this.bands++}`, label }]);
      this.skipped = null;
    }
  }
}

const isError = (event: LogEvent): boolean => levelOf(event) === 'ERROR' || levelOf(event) === 'FATAL';

const trimmed = <T>(rows: T[]): T[] => (rows.length > KEPT_ROWS ? rows.slice(-KEPT_ROWS) : rows);

/** New rows at the end; a piece hangs on its beginning when that is among the last rows. */
function joined(rows: Row[], fresh: EventRow[]): Row[] {
  const out = [...rows];
  const seen = new Set(out.slice(-KEPT_ROWS).map((row) => row.key));
  for (const row of fresh) {
    if (seen.has(row.key)) continue;
    seen.add(row.key);
    const before = text(row.event, 'wso2.continues');
    const at = before ? out.findLastIndex((one) => one.kind === 'event' && (one.key === before || one.pieces.some((piece) => piece.id === before))) : -1;
    const root = out[at];
    if (root?.kind === 'event') out[at] = { ...root, pieces: [...root.pieces, row.event] };
    else out.push(row);
  }
  return out;
}

function changed(rows: Row[], changes: ReadonlyMap<string, LogEvent | null>): Row[] {
  return rows.flatMap((row) => {
    if (row.kind !== 'event' || !changes.has(row.key)) return [row];
    const event = changes.get(row.key);
    return event ? [{ ...row, event, at: timeOf(event) }] : [];
  });
}
