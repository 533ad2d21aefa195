/** One search and what stands around it: rows page by page, histogram, facets. Old rows stay until new ones come. */

import { api, asApiError, isAbort, type ApiError } from './api';
import { FACET_VALUES, facetRequests, RAIL } from './facets';
import { eventRows, type EventRow } from './rows';
import { bucketMs, resolveRange, zoneName, type Range, type Zone } from './time';
import type { HistogramAnswer, LogEvent, ValueCount } from './types';

const PAGE_ROWS = 300;
const ROWS_MOST = 200_000;
const SLOW_MS = 150;
const SEEK_PAGES = 10;

export interface Window {
  from: number | null;
  to: number;
}

export class Search {
  rows: EventRow[] = $state.raw([]);
  histogram: HistogramAnswer | null = $state.raw(null);
  facets: Record<string, ValueCount[]> = $state.raw({});
  /** The query and time that the rows on screen answer. */
  shown: { q: string; window: Window; range: Range } | null = $state.raw(null);
  cursor: string | null = $state.raw(null);
  complete: boolean = $state(true);
  copies: number = $state(0);
  tookMs: number = $state(0);
  /** A request runs for longer than one notices. */
  slow: boolean = $state(false);
  running: boolean = $state(false);
  loadingMore: boolean = $state(false);
  error: ApiError | null = $state.raw(null);

  private events: LogEvent[] = $state.raw([]);
  private abort: AbortController | null = null;
  private timer = 0;

  /** All events that match, exact unless `complete` is false; null until known. */
  get total(): number | null {
    if (!this.cursor) return this.shown ? this.events.length : null;
    return this.histogram ? this.histogram.buckets.reduce((sum, b) => sum + b.count, 0) : null;
  }

  get loaded(): number {
    return this.events.length;
  }

  async run(q: string, range: Range, zone: Zone, extra: readonly string[], now: number, sought = ''): Promise<void> {
    this.stop();
    const abort = new AbortController();
    this.abort = abort;
    this.running = true;
    this.timer = window.setTimeout(() => { this.slow = true; }, SLOW_MS);
    const window_ = resolveRange(range, now);
    const time = { from: range.from, to: range.to || (range.from ? new Date(now).toISOString() : '') };
    try {
      const started = performance.now();
      const first = await api.search({ q, ...time, limit: PAGE_ROWS }, abort.signal);
      if (abort.signal.aborted) return;
      this.events = first.events;
      this.rows = eventRows(this.events);
      this.cursor = first.cursor;
      this.complete = first.complete;
      this.copies = first.left_out?.copies ?? 0;
      this.tookMs = first.took_ms ?? performance.now() - started;
      this.error = null;
      this.shown = { q, window: window_, range };
      this.settle(abort);
      await Promise.all([this.around(q, time, window_, zone, extra, abort.signal), this.seek(sought, abort)]);
    } catch (error) {
      if (isAbort(error) || abort.signal.aborted) return;
      this.error = asApiError(error);
    } finally {
      this.settle(abort);
    }
  }

  /** The next page, after the oldest loaded row. */
  async more(): Promise<void> {
    const { cursor, shown, abort } = this;
    if (!cursor || !shown || !abort || this.loadingMore || this.running || this.events.length >= ROWS_MOST) return;
    this.loadingMore = true;
    try {
      const next = await api.search({ q: shown.q, cursor, limit: PAGE_ROWS }, abort.signal);
      if (this.cursor !== cursor) return;
      const known = new Set(this.events.map((event) => event.id));
      this.events = [...this.events, ...next.events.filter((event) => !known.has(event.id))];
      this.rows = eventRows(this.events);
      this.cursor = next.cursor;
      this.complete = next.complete;
      this.copies += next.left_out?.copies ?? 0;
    } catch (error) {
      if (!isAbort(error)) this.error = asApiError(error);
    } finally {
      this.loadingMore = false;
    }
  }

  /** A linked event may stand on a later page: goes on for a while until it is there. */
  private async seek(id: string, abort: AbortController): Promise<void> {
    for (let i = 0; id && i < SEEK_PAGES && this.cursor && this.abort === abort && !this.events.some((event) => event.id === id); i++) await this.more();
  }

  stop(): void {
    this.abort?.abort();
    clearTimeout(this.timer);
    this.slow = false;
    this.running = false;
  }

  private settle(abort: AbortController): void {
    if (this.abort !== abort) return;
    clearTimeout(this.timer);
    this.slow = false;
    this.running = false;
  }

  private async around(
    q: string, time: { from: string; to: string }, window_: Window, zone: Zone, extra: readonly string[], signal: AbortSignal,
  ): Promise<void> {
    const interval = window_.from === null ? undefined : `${bucketMs(window_.from, window_.to) / 1000}s`;
    const histogram = api.histogram({ q, ...time, interval, by: 'log.level', tz: zoneName(zone) }, signal).then((answer) => {
      if (!signal.aborted) this.histogram = answer;
    });
    const fields = [...new Set([...RAIL, ...extra])];
    const facets = Promise.all(facetRequests(q, fields).map(async ({ q: own, fields: some }) => {
      const answer = await api.facets({ q: own, ...time, fields: some.join(','), limit: FACET_VALUES }, signal);
      return answer.fields;
    })).then((parts) => {
      if (!signal.aborted) this.facets = Object.assign(Object.create(null) as Record<string, ValueCount[]>, ...parts);
    });
    await Promise.all([histogram, facets]);
  }
}
