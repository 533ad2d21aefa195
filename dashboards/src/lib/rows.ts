/** Events as rows: pieces of one event that was cut are drawn as one, days are told apart. Pure. */

import { dayKey, dayName, type Zone } from './time';
import { text, type LogEvent } from './types';

export interface EventRow {
  kind: 'event';
  key: string;
  event: LogEvent;
  /** What came after a cut, in order. */
  pieces: LogEvent[];
  at: number;
}

export interface BandRow {
  kind: 'day' | 'skip' | 'pause';
  key: string;
  label: string;
}

export type Row = EventRow | BandRow;

export const timeOf = (event: LogEvent): number => Date.parse(event['@timestamp']);

export function eventRow(event: LogEvent): EventRow {
  return { kind: 'event', key: event.id, event, pieces: [], at: timeOf(event) };
}

/**
 * Rows of events in the order given. A piece hangs on the row its chain begins with, when that is loaded;
 * a piece whose beginning is elsewhere (not found, not loaded yet) stays a row of its own.
 */
export function eventRows(events: readonly LogEvent[]): EventRow[] {
  const byId = new Map(events.map((event) => [event.id, event]));
  const rootOf = (event: LogEvent): LogEvent => {
    let at = event;
    for (let steps = 0; steps < events.length; steps++) {
      const before = byId.get(text(at, 'wso2.continues'));
      // A piece stands after what it goes on from; anything else is no chain to follow.
      if (!before || !(Number(before['log.offset']) < Number(at['log.offset']))) break;
      at = before;
    }
    return at;
  };
  const pieces = new Map<string, LogEvent[]>();
  const roots: LogEvent[] = [];
  for (const event of events) {
    const root = event['wso2.continues'] ? rootOf(event) : event;
    if (root === event) roots.push(event);
    else pieces.set(root.id, [...(pieces.get(root.id) ?? []), event]);
  }
  return roots.map((event) => ({
    ...eventRow(event),
    pieces: (pieces.get(event.id) ?? []).sort((a, b) => Number(a['log.offset'] ?? 0) - Number(b['log.offset'] ?? 0)),
  }));
}

/** Puts a line with the day where it changes, and at the top when the first row is not of today. */
export function withDays(rows: readonly EventRow[], now: number, zone: Zone): Row[] {
  const out: Row[] = [];
  let day = dayKey(now, zone);
  for (const row of rows) {
    const own = dayKey(row.at, zone);
    if (own !== day) out.push({ kind: 'day', key: `day ${own} ${row.key}`, label: dayName(row.at, zone) });
    day = own;
    out.push(row);
  }
  return out;
}

/** The message with what came after a cut. */
export function wholeMessage(row: EventRow): string {
  const own = text(row.event, 'message');
  return row.pieces.length ? [own, ...row.pieces.map((piece) => text(piece, 'message'))].join('\n') : own;
}

/** Where the row's text comes from, when no message could be read. */
export function rowMessage(event: LogEvent): string {
  return text(event, 'message') || text(event, 'event.original');
}

export function asText(row: EventRow): string {
  const original = text(row.event, 'event.original');
  if (original) return original.replace(/\r?\n$/, '');
  const { event } = row;
  const head = [event['@timestamp'], text(event, 'log.level'), text(event, 'host.name'), text(event, 'log.logger'), wholeMessage(row)];
  const stack = text(event, 'error.stack_trace');
  return head.filter(Boolean).join(' ') + (stack ? `\n${stack}` : '');
}

export function asMarkdown(row: EventRow, link: string): string {
  const { event } = row;
  const where = [text(event, 'host.name'), text(event, 'log.file.path')].filter(Boolean).join(' : ');
  const body = asText(row);
  const fence = body.includes('```') ? '~~~~' : '```';
  return `**${text(event, 'log.level') || 'event'}** ${event['@timestamp']} ${where}\n\n${fence}\n${body}\n${fence}\n\n${link}\n`;
}
