/** The first screen: what went wrong in the last hour, before anyone types. */

import { api, asApiError, isAbort, type ApiError } from './api';
import { BARS, groupsOf, type Group } from './groups';
import { quoted } from './query';
import { zoneName, type Zone } from './time';
import type { FacetsAnswer, HistogramAnswer, LogEvent, ValueCount } from './types';

const HOUR = 36e5;
const DAY = 864e5;
const SAMPLE_PAGES = 3;
const SAMPLE_ROWS = 1000;
const COUNTED_GROUPS = 12;
const HISTORY_EVERY_MS = 60_000;
export const ERRORS = 'level:(ERROR OR FATAL)';
export const WARNINGS = 'level:WARN';

export type Badge = '' | 'new' | `×${number}`;

export interface BadgedGroup extends Group {
  badge: Badge;
}

export class Now {
  histogram: HistogramAnswer | null = $state.raw(null);
  errors: BadgedGroup[] = $state.raw([]);
  warnings: BadgedGroup[] = $state.raw([]);
  window: { from: number; to: number } | null = $state.raw(null);
  total: number = $state(0);
  errorTotal: number = $state(0);
  warnTotal: number = $state(0);
  hosts: ValueCount[] = $state.raw([]);
  files: ValueCount[] = $state.raw([]);
  /** Files with lines in the 24 h before and none since. */
  silent: ValueCount[] = $state.raw([]);
  tookMs: number = $state(0);
  error: ApiError | null = $state.raw(null);
  loaded: boolean = $state(false);
  /** Nothing is stored at all. */
  empty: boolean = $state(false);

  private abort: AbortController | null = null;
  private history: { at: number; groups: Map<string, number>; hourBefore: Map<string, number>; files: ValueCount[]; any: boolean } | null = null;

  async load(now: number, zone: Zone): Promise<void> {
    this.abort?.abort();
    const abort = new AbortController();
    this.abort = abort;
    const { signal } = abort;
    const from = now - HOUR;
    const time = { from: new Date(from).toISOString(), to: new Date(now).toISOString() };
    const started = performance.now();
    try {
      const [histogram, facets, errors, warnings, history] = await Promise.all([
        api.histogram({ ...time, interval: '60s', by: 'log.level', tz: zoneName(zone) }, signal),
        api.facets({ ...time, fields: 'host.name,log.file.path', limit: 50 }, signal),
        this.sample(ERRORS, time, signal),
        this.sample(WARNINGS, time, signal),
        this.past(now, signal),
      ]);
      if (signal.aborted) return;
      const errorGroups = groupsOf(errors.events, from, now, errors.whole);
      if (!errors.whole) await this.exact(errorGroups, time, signal);
      if (signal.aborted) return;
      const level = (name: string): number => histogram.buckets.reduce((sum, b) => sum + (b.by?.[name] ?? 0), 0);
      this.histogram = histogram;
      this.total = histogram.buckets.reduce((sum, b) => sum + b.count, 0);
      this.errorTotal = level('ERROR') + level('FATAL');
      this.warnTotal = level('WARN');
      this.errors = sorted(errorGroups.map((group) => ({ ...group, badge: badgeOf(group, history) })));
      this.warnings = groupsOf(warnings.events, from, now, warnings.whole).map((group) => ({ ...group, badge: badgeOf(group, history) }));
      this.hosts = facets.fields['host.name'] ?? [];
      this.files = facets.fields['log.file.path'] ?? [];
      const moving = new Set(this.files.map((file) => file.value));
      this.silent = history.files.filter((file) => !moving.has(file.value) && this.files.length < 50);
      this.window = { from, to: now };
      this.tookMs = performance.now() - started;
      this.error = null;
      this.empty = this.total === 0 && !history.any && (await this.nothing(signal));
      this.loaded = true;
    } catch (error) {
      if (!isAbort(error) && !signal.aborted) this.error = asApiError(error);
    }
  }

  stop(): void {
    this.abort?.abort();
  }

  private async nothing(signal: AbortSignal): Promise<boolean> {
    const page = await api.search({ limit: 1 }, signal);
    return page.events.length === 0 && !page.cursor;
  }

  private async sample(q: string, time: { from: string; to: string }, signal: AbortSignal): Promise<{ events: LogEvent[]; whole: boolean }> {
    let events: LogEvent[] = [];
    let cursor: string | null = null;
    let complete = true;
    for (let i = 0; i < SAMPLE_PAGES; i++) {
      const page = await api.search(cursor ? { q, ...time, cursor, limit: SAMPLE_ROWS } : { q, ...time, limit: SAMPLE_ROWS }, signal);
      events = [...events, ...page.events];
      cursor = page.cursor;
      complete &&= page.complete;
      if (!cursor) break;
    }
    return { events, whole: !cursor && complete };
  }

  /** Groups that have a name are counted by the store when not all events were looked at. */
  private async exact(groups: Group[], time: { from: string; to: string }, signal: AbortSignal): Promise<void> {
    await Promise.all(groups.filter((group) => group.group).slice(0, COUNTED_GROUPS).map(async (group) => {
      const answer = await api.histogram({ q: `error.group:${quoted(group.group)}`, ...time, interval: '60s' }, signal);
      group.count = answer.buckets.reduce((sum, b) => sum + b.count, 0);
      group.exact = answer.complete !== false;
      const from = Date.parse(time.from);
      group.bars = Array<number>(BARS).fill(0);
      for (const b of answer.buckets) {
        const at = typeof b.from === 'number' ? b.from : Date.parse(b.from);
        const bar = Math.min(BARS - 1, Math.max(0, Math.floor((at - from) / 6e4)));
        group.bars[bar] = (group.bars[bar] ?? 0) + b.count;
        if (b.count) group.first = Math.min(group.first, Math.max(at, from));
      }
    }));
    groups.sort((a, b) => b.count - a.count);
  }

  /** The day before the hour changes slowly: asked for once a minute. */
  private async past(now: number, signal: AbortSignal): Promise<NonNullable<Now['history']>> {
    if (this.history && now - this.history.at < HISTORY_EVERY_MS) return this.history;
    const iso = (at: number): string => new Date(at).toISOString();
    const [day, hour, files] = await Promise.all([
      api.facets({ q: ERRORS, from: iso(now - DAY - HOUR), to: iso(now - HOUR), fields: 'error.group', limit: 1000 }, signal),
      api.facets({ q: ERRORS, from: iso(now - 2 * HOUR), to: iso(now - HOUR), fields: 'error.group', limit: 1000 }, signal),
      api.facets({ from: iso(now - DAY - HOUR), to: iso(now - HOUR), fields: 'log.file.path', limit: 50 }, signal),
    ]);
    const map = (answer: FacetsAnswer): Map<string, number> =>
      new Map((answer.fields['error.group'] ?? []).map((one) => [String(one.value), one.count]));
    const paths = files.fields['log.file.path'] ?? [];
    this.history = { at: now, groups: map(day), hourBefore: map(hour), files: paths, any: paths.length > 0 };
    return this.history;
  }
}

/** NEW and rising are said only of groups with a name, and only when there is a past to compare with. */
function badgeOf(group: Group, history: NonNullable<Now['history']>): Badge {
  if (!group.group || !history.any) return '';
  if (!history.groups.has(group.group)) return 'new';
  const before = history.hourBefore.get(group.group) ?? 0;
  const times = Math.round(group.count / Math.max(1, before));
  return before && times >= 3 ? `×${times}` : '';
}

const order = (badge: Badge): number => (badge === 'new' ? 2 : badge ? 1 : 0);

export type SortBy = 'new' | 'count' | 'last';

export function sorted(groups: readonly BadgedGroup[], by: SortBy = 'new'): BadgedGroup[] {
  if (by === 'last') return [...groups].sort((a, b) => b.last - a.last);
  if (by === 'count') return [...groups].sort((a, b) => b.count - a.count);
  return [...groups].sort((a, b) => order(b.badge) - order(a.badge) || Number(b.level === 'FATAL') - Number(a.level === 'FATAL') || b.count - a.count);
}

/** Errors a minute in the last ten minutes, and how many times the rate of the fifty before. */
export function pace(histogram: HistogramAnswer, to: number): { perMinute: number; times: number | null; since: number | null } {
  const at = (from: number | string): number => (typeof from === 'number' ? from : Date.parse(from));
  const errors = histogram.buckets.map((b) => ({ at: at(b.from), n: (b.by?.['ERROR'] ?? 0) + (b.by?.['FATAL'] ?? 0) }));
  const recent = errors.filter((b) => b.at > to - 6e5);
  const earlier = errors.filter((b) => b.at <= to - 6e5);
  const sum = (list: { n: number }[]): number => list.reduce((total, b) => total + b.n, 0);
  const perMinute = sum(recent) / 10;
  const before = sum(earlier) / 50;
  const jump = errors.find((b, i) => i > 4 && b.n > 3 * Math.max(1, sum(errors.slice(0, i)) / Math.max(1, i)));
  return { perMinute, times: before >= 0.2 ? perMinute / before : null, since: jump?.at ?? null };
}
