/** Ranges of time as people type them, and times as they are shown. Pure; `now` and the zone are arguments. */

export type Zone = 'utc' | 'browser';

/** `from` and `to` in the server's grammar (RFC 3339 or date math); empty = unbounded. */
export interface Range {
  from: string;
  to: string;
}

export const DEFAULT_RANGE: Range = { from: 'now-60m', to: '' };

export const PRESETS: readonly { label: string; text: string }[] = [
  { label: 'Last 5 min', text: '5m' },
  { label: 'Last 15 min', text: '15m' },
  { label: 'Last 60 min', text: '60m' },
  { label: 'Last 4 h', text: '4h' },
  { label: 'Last 24 h', text: '24h' },
  { label: 'Last 7 days', text: '7d' },
  { label: 'Last 30 days', text: '30d' },
  { label: 'Today', text: 'today' },
  { label: 'Yesterday', text: 'yesterday' },
  { label: 'All time', text: 'all' },
];

const UNIT_MS: Record<string, number> = { s: 1e3, m: 6e4, h: 36e5, d: 864e5, w: 6048e5 };

const two = (n: number): string => String(n).padStart(2, '0');

interface Parts { year: number; month: number; day: number; hour: number; minute: number; second: number; ms: number }

export function partsOf(at: number, zone: Zone): Parts {
  const d = new Date(at);
  return zone === 'utc'
    ? { year: d.getUTCFullYear(), month: d.getUTCMonth() + 1, day: d.getUTCDate(), hour: d.getUTCHours(), minute: d.getUTCMinutes(), second: d.getUTCSeconds(), ms: d.getUTCMilliseconds() }
    : { year: d.getFullYear(), month: d.getMonth() + 1, day: d.getDate(), hour: d.getHours(), minute: d.getMinutes(), second: d.getSeconds(), ms: d.getMilliseconds() };
}

function timeOf(p: { year: number; month: number; day: number; hour?: number; minute?: number; second?: number; ms?: number }, zone: Zone): number {
  const { year, month, day, hour = 0, minute = 0, second = 0, ms = 0 } = p;
  return zone === 'utc'
    ? Date.UTC(year, month - 1, day, hour, minute, second, ms)
    : new Date(year, month - 1, day, hour, minute, second, ms).getTime();
}

/** `11:02:13.390` */
export function clock(at: number, zone: Zone): string {
  const p = partsOf(at, zone);
  return `${two(p.hour)}:${two(p.minute)}:${two(p.second)}.${String(p.ms).padStart(3, '0')}`;
}

/** `11:02:13`, or `11:02` when the seconds say nothing. */
export function shortClock(at: number, zone: Zone): string {
  const p = partsOf(at, zone);
  return p.second ? `${two(p.hour)}:${two(p.minute)}:${two(p.second)}` : `${two(p.hour)}:${two(p.minute)}`;
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];

export function dayKey(at: number, zone: Zone): string {
  const p = partsOf(at, zone);
  return `${p.year}-${two(p.month)}-${two(p.day)}`;
}

/** `Thu 17 Sep 2026` */
export function dayName(at: number, zone: Zone): string {
  const p = partsOf(at, zone);
  const week = zone === 'utc' ? new Date(at).getUTCDay() : new Date(at).getDay();
  return `${DAYS[week] ?? ''} ${p.day} ${MONTHS[p.month - 1] ?? ''} ${p.year}`;
}

/** `17 Sep 11:02` */
export function dayClock(at: number, zone: Zone): string {
  const p = partsOf(at, zone);
  return `${p.day} ${MONTHS[p.month - 1] ?? ''} ${shortClock(at, zone)}`;
}

/** `2026-09-17 11:02:13`, as it stands in the fields of the picker. */
export function stamp(at: number, zone: Zone): string {
  const p = partsOf(at, zone);
  const fraction = p.ms ? `.${String(p.ms).padStart(3, '0')}` : '';
  return `${dayKey(at, zone)} ${two(p.hour)}:${two(p.minute)}:${two(p.second)}${fraction}`;
}

/** `UTC`, or `+02:00` as the browser has it at that moment. */
export function offsetText(at: number, zone: Zone): string {
  if (zone === 'utc') return 'UTC';
  const minutes = -new Date(at).getTimezoneOffset();
  const sign = minutes < 0 ? '-' : '+';
  return `${sign}${two(Math.floor(Math.abs(minutes) / 60))}:${two(Math.abs(minutes) % 60)}`;
}

export const zoneText = (at: number, zone: Zone): string => (zone === 'utc' ? 'UTC' : `browser ${offsetText(at, zone)}`);

/** The IANA name that the server aligns buckets to. */
export function zoneName(zone: Zone): string {
  return zone === 'utc' ? 'UTC' : new Intl.DateTimeFormat().resolvedOptions().timeZone;
}

/** Where a piece of date math or a time stands, or null when it is neither. */
export function resolve(value: string, now: number): number | null {
  const math = /^now((?:[+-]\d+[smhdw])*)(?:\/([smhdw]))?((?:[+-]\d+[smhdw])*)$/.exec(value);
  if (math) {
    let at = shifted(now, math[1] ?? '');
    if (math[2]) at = floored(at, math[2]);
    return shifted(at, math[3] ?? '');
  }
  if (/^\d{11,}$/.test(value)) return Number(value);
  const at = Date.parse(value);
  return Number.isNaN(at) ? null : at;
}

function shifted(at: number, steps: string): number {
  let sum = at;
  for (const [, sign, n, unit] of steps.matchAll(/([+-])(\d+)([smhdw])/g)) {
    sum += (sign === '-' ? -1 : 1) * Number(n) * (UNIT_MS[unit ?? ''] ?? 0);
  }
  return sum;
}

/** Down to the unit, in UTC as the server does; weeks begin on Monday. */
function floored(at: number, unit: string): number {
  const ms = UNIT_MS[unit] ?? 1;
  const base = unit === 'w' ? 4 * 864e5 : 0;
  return Math.floor((at - base) / ms) * ms + base;
}

export interface Resolved { from: number | null; to: number }

export function resolveRange(range: Range, now: number): Resolved {
  return { from: range.from ? resolve(range.from, now) : null, to: (range.to ? resolve(range.to, now) : null) ?? now };
}

const iso = (at: number): string => new Date(at).toISOString().replace(/\.000Z$/, 'Z');

/**
 * What was typed in the picker, as a range; or a sentence that says what is wrong.
 * Known: `15m` `2h` `7d`, `today`, `yesterday`, `all`, `A..B` with either side left out, where a side is a clock time,
 * `09-16 22:00`, `2026-09-16`, RFC 3339, or date math.
 */
export function parseRange(typed: string, now: number, zone: Zone): Range | string {
  const value = typed.trim();
  const ago = /^(?:last\s+)?(\d+)\s*([smhdw]|min)$/i.exec(value);
  if (ago) {
    const unit = (ago[2] ?? '').toLowerCase().charAt(0);
    return Number(ago[1]) > 0 ? { from: `now-${Number(ago[1])}${unit}`, to: '' } : 'The span must be longer than 0.';
  }
  const today = partsOf(now, zone);
  if (value === 'all' || value === '..') return { from: '', to: '' };
  if (value === 'today') return { from: iso(timeOf(today, zone) - dayPart(today)), to: '' };
  if (value === 'yesterday') {
    const midnight = timeOf({ year: today.year, month: today.month, day: today.day }, zone);
    return { from: iso(timeOf({ year: today.year, month: today.month, day: today.day - 1 }, zone)), to: iso(midnight) };
  }
  const sides = value.split('..');
  if (sides.length === 1) {
    const from = parseSide(value, now, zone, 0);
    return from === null ? unknown(value) : { from: side(value, from), to: '' };
  }
  if (sides.length !== 2) return unknown(value);
  const [a = '', b = ''] = sides.map((s) => s.trim());
  const from = a ? parseSide(a, now, zone, 0) : null;
  const to = b ? parseSide(b, now, zone, from ?? 0) : null;
  if (a && from === null) return unknown(a);
  if (b && to === null) return unknown(b);
  if (from !== null && to !== null && from >= to) return 'The end must be after the start.';
  return { from: from === null ? '' : side(a, from), to: to === null ? '' : side(b, to) };
}

const dayPart = (p: Parts): number => ((p.hour * 60 + p.minute) * 60 + p.second) * 1000 + p.ms;
const unknown = (value: string): string => `“${value}” is not a time: try 15m, 10:42..10:50, 2026-09-16 22:00.. or now-2h..now-1h.`;
/** Date math stays as written, so that the window moves; times become exact. */
const side = (written: string, at: number): string => (written.startsWith('now') ? written : iso(at));

function parseSide(value: string, now: number, zone: Zone, after: number): number | null {
  if (value.startsWith('now')) return resolve(value, now);
  const found = /^(?:(?:(\d{4})-)?(\d{1,2})-(\d{1,2}))?[ T]?(?:(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,3}))?)?)?$/.exec(value);
  if (!found || !value) {
    const at = /[zZ]$|[+-]\d\d:?\d\d$/.test(value) ? Date.parse(value.replace(' ', 'T')) : NaN;
    return Number.isNaN(at) ? null : at;
  }
  const [, year, month, day, hour, minute, second, fraction] = found;
  if (Number(month ?? 1) > 12 || Number(day ?? 1) > 31 || Number(hour ?? 0) > 24 || Number(minute ?? 0) > 59) return null;
  const base = partsOf(after || now, zone);
  const p = {
    year: Number(year ?? base.year), month: Number(month ?? base.month), day: Number(day ?? base.day),
    hour: Number(hour ?? 0), minute: Number(minute ?? 0), second: Number(second ?? 0), ms: Number((fraction ?? '0').padEnd(3, '0')),
  };
  let at = timeOf(p, zone);
  if (month === undefined && after && at <= after) at = timeOf({ ...p, day: p.day + 1 }, zone);
  if (month === undefined && !after && at > now) at = timeOf({ ...p, day: p.day - 1 }, zone);
  if (month !== undefined && year === undefined && at > now + 864e5) at = timeOf({ ...p, year: p.year - 1 }, zone);
  return at;
}

/** The range on the button: `Last 60 min`, `17 Sep 10:42 – 10:50`. */
export function rangeLabel(range: Range, now: number, zone: Zone): string {
  const ago = /^now-(\d+)([smhdw])$/.exec(range.from);
  if (ago && !range.to) {
    const n = Number(ago[1]);
    const names: Record<string, string> = { s: 's', m: 'min', h: 'h', d: n === 1 ? 'day' : 'days', w: n === 1 ? 'week' : 'weeks' };
    return `Last ${n} ${names[ago[2] ?? ''] ?? ''}`;
  }
  if (!range.from && !range.to) return 'All time';
  const { from, to } = resolveRange(range, now);
  if (from === null) return `Until ${dayClock(to, zone)}`;
  if (!range.to) return `Since ${dayKey(from, zone) === dayKey(now, zone) ? shortClock(from, zone) : dayClock(from, zone)}`;
  return between(from, to, now, zone);
}

/** `10:42 – 10:50` today, with days when they differ from today or each other. */
export function between(from: number, to: number, now: number, zone: Zone): string {
  const sameDay = dayKey(from, zone) === dayKey(to, zone);
  if (sameDay && dayKey(from, zone) === dayKey(now, zone)) return `${shortClock(from, zone)} – ${shortClock(to, zone)}`;
  return `${dayClock(from, zone)} – ${sameDay ? shortClock(to, zone) : dayClock(to, zone)}`;
}

const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800, 1209600, 2592000].map((s) => s * 1000);

/** A round bucket size that cuts the range into at most `most` pieces. */
export function bucketMs(from: number, to: number, most = 90): number {
  const least = Math.max(1, to - from) / most;
  return STEPS.find((step) => step >= least) ?? Math.ceil(least / 864e5) * 864e5;
}

/** The same length, `share` of it earlier (< 0) or later. Never ends after now. */
export function moved(range: Range, share: number, now: number): Range {
  const { from, to } = resolveRange(range, now);
  if (from === null) return range;
  const by = (to - from) * share;
  const end = Math.min(to + by, now);
  return { from: iso(end - (to - from)), to: iso(end) };
}

/** Twice as long, around the same middle, not past now. */
export function widened(range: Range, now: number): Range {
  const ago = /^now-(\d+)([smhdw])$/.exec(range.from);
  if (ago && !range.to) return { from: `now-${Number(ago[1]) * 2}${ago[2] ?? ''}`, to: '' };
  const { from, to } = resolveRange(range, now);
  if (from === null) return range;
  const half = (to - from) / 2;
  const end = Math.min(to + half, now);
  return { from: iso(end - 4 * half), to: iso(end) };
}

export function exactRange(from: number, to: number): Range {
  return { from: iso(from), to: iso(to) };
}
