import { expect, test } from 'vitest';
import { eventRows, withDays, wholeMessage } from './rows';
import { facetRequests } from './facets';
import { constantPart, groupsOf, masked } from './groups';
import type { LogEvent } from './types';

const event = (id: string, more: Partial<Record<string, string | number>> = {}): LogEvent =>
  ({ id, '@timestamp': '2026-09-17T11:02:13.390Z', message: id, ...more }) as LogEvent;

test('pieces of one event are one row, in either order', () => {
  const pieces = [event('a', { 'log.offset': 0 }), event('b', { 'log.offset': 10, 'wso2.continues': 'a' }), event('c', { 'log.offset': 20, 'wso2.continues': 'b' }), event('d')];
  for (const order of [pieces, [...pieces].reverse()]) {
    const rows = eventRows(order);
    expect(rows.map((row) => row.key).sort()).toEqual(['a', 'd']);
    const row = rows.find((one) => one.key === 'a');
    expect(row && wholeMessage(row)).toBe('a\nb\nc');
  }
});

test('a piece whose beginning is elsewhere stays, and a ring does not hang', () => {
  expect(eventRows([event('b', { 'wso2.continues': 'gone' })]).map((row) => row.key)).toEqual(['b']);
  expect(eventRows([event('a', { 'wso2.continues': 'b' }), event('b', { 'wso2.continues': 'a' })])).toHaveLength(2);
});

test('days are told apart', () => {
  const rows = eventRows([event('a'), event('b', { '@timestamp': '2026-09-16T23:59:00Z' })]);
  expect(withDays(rows, Date.parse('2026-09-17T12:00:00Z'), 'utc').map((row) => row.kind)).toEqual(['event', 'day', 'event']);
  expect(withDays(rows, Date.parse('2026-09-18T12:00:00Z'), 'utc').map((row) => row.kind)).toEqual(['day', 'event', 'day', 'event']);
});

test('a field with a filter is counted without it', () => {
  expect(facetRequests('level:ERROR a', ['log.level', 'host.name'])).toEqual([
    { q: 'level:ERROR a', fields: ['host.name'] },
    { q: 'a', fields: ['log.level'] },
  ]);
});

test('lines that differ in ids and numbers alone are one group', () => {
  expect(masked('PI-730000 took 12ms at 10.1.2.3:80 id 6c0f27d1-88be-4a15-b2e7-f03d9a417c62')).toBe('PI-‹num› took ‹num›ms at ‹num› id ‹uuid›');
  expect(constantPart('Expiring message ID : urn:uuid:‹uuid›; dropping message after TIMEOUT of ‹num› seconds')).toBe('dropping message after TIMEOUT of');
  const from = Date.parse('2026-09-17T10:02:13Z');
  const groups = groupsOf([event('x', { message: 'took 5 ms', 'log.level': 'ERROR' }), event('y', { message: 'took 6 ms', 'log.level': 'ERROR' }), event('z', { message: 'other', 'log.level': 'FATAL' })], from, from + 36e5, true);
  expect(groups.map((group) => [group.level, group.count])).toEqual([['FATAL', 1], ['ERROR', 2]]);
  expect(groups[1]?.bars.at(-1)).toBe(2);
});
