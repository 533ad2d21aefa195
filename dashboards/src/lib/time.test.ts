import { describe, expect, test } from 'vitest';
import { bucketMs, clock, dayName, moved, parseRange, rangeLabel, resolve, resolveRange, widened } from './time';

const NOW = Date.parse('2026-09-17T11:02:14Z');

describe('ranges as typed', () => {
  const range = (typed: string): unknown => parseRange(typed, NOW, 'utc');
  test('spans that move with the clock', () => {
    expect(range('15m')).toEqual({ from: 'now-15m', to: '' });
    expect(range('last 2 h')).toEqual({ from: 'now-2h', to: '' });
    expect(range('7d')).toEqual({ from: 'now-7d', to: '' });
    expect(range('now-2h..now-1h')).toEqual({ from: 'now-2h', to: 'now-1h' });
    expect(range('now/d..')).toEqual({ from: 'now/d', to: '' });
  });
  test('clock times, days, full times', () => {
    expect(range('10:42..10:50')).toEqual({ from: '2026-09-17T10:42:00Z', to: '2026-09-17T10:50:00Z' });
    expect(range('09-16 22:00..')).toEqual({ from: '2026-09-16T22:00:00Z', to: '' });
    expect(range('2026-09-16..2026-09-17')).toEqual({ from: '2026-09-16T00:00:00Z', to: '2026-09-17T00:00:00Z' });
    expect(range('2026-09-16T22:00:00+02:00..')).toEqual({ from: '2026-09-16T20:00:00Z', to: '' });
    expect(range('10:42:01.5..')).toEqual({ from: '2026-09-17T10:42:01.500Z', to: '' });
  });
  test('over midnight, and the future is meant as the past', () => {
    expect(range('23:50..00:10')).toEqual({ from: '2026-09-16T23:50:00Z', to: '2026-09-17T00:10:00Z' });
    expect(range('12-31 23:00..')).toEqual({ from: '2025-12-31T23:00:00Z', to: '' });
  });
  test('words', () => {
    expect(range('today')).toEqual({ from: '2026-09-17T00:00:00Z', to: '' });
    expect(range('yesterday')).toEqual({ from: '2026-09-16T00:00:00Z', to: '2026-09-17T00:00:00Z' });
    expect(range('all')).toEqual({ from: '', to: '' });
  });
  test('what is no time says so', () => {
    for (const typed of ['soon', '25:99..', 'a..b', '10:50..10:42 x', '0m', 'now+x..', '1..2..3']) expect(typeof range(typed)).toBe('string');
    expect(range('2026-09-17 10:50..2026-09-17 10:42')).toBe('The end must be after the start.');
  });
});

test('date math', () => {
  expect(resolve('now', NOW)).toBe(NOW);
  expect(resolve('now-1h+5m', NOW)).toBe(NOW - 55 * 6e4);
  expect(resolve('now/d', NOW)).toBe(Date.parse('2026-09-17T00:00:00Z'));
  expect(resolve('now-1d/d', NOW)).toBe(Date.parse('2026-09-16T00:00:00Z'));
  expect(resolve('now/w', NOW)).toBe(Date.parse('2026-09-14T00:00:00Z'));
  expect(resolve('1789642934000', NOW)).toBe(1789642934000);
  expect(resolve('tomorrow', NOW)).toBeNull();
  expect(resolveRange({ from: '', to: '' }, NOW)).toEqual({ from: null, to: NOW });
});

test('labels', () => {
  expect(rangeLabel({ from: 'now-60m', to: '' }, NOW, 'utc')).toBe('Last 60 min');
  expect(rangeLabel({ from: 'now-7d', to: '' }, NOW, 'utc')).toBe('Last 7 days');
  expect(rangeLabel({ from: '', to: '' }, NOW, 'utc')).toBe('All time');
  expect(rangeLabel({ from: '2026-09-17T10:42:00Z', to: '2026-09-17T10:50:00Z' }, NOW, 'utc')).toBe('10:42 – 10:50');
  expect(rangeLabel({ from: '2026-09-16T22:00:00Z', to: '2026-09-17T10:50:00Z' }, NOW, 'utc')).toBe('16 Sep 22:00 – 17 Sep 10:50');
  expect(clock(NOW + 7, 'utc')).toBe('11:02:14.007');
  expect(dayName(NOW, 'utc')).toBe('Thu 17 Sep 2026');
});

test('buckets are round and few enough', () => {
  expect(bucketMs(0, 36e5)).toBe(60_000);
  expect(bucketMs(0, 1000)).toBe(1000);
  for (const span of [1, 1e3, 6e4, 36e5, 864e5, 6048e5, 31536e6, 1e13]) expect(span / bucketMs(0, span)).toBeLessThanOrEqual(90);
});

test('moving and widening never go past now', () => {
  expect(moved({ from: 'now-60m', to: '' }, .5, NOW)).toEqual({ from: '2026-09-17T10:02:14Z', to: '2026-09-17T11:02:14Z' });
  expect(moved({ from: 'now-60m', to: '' }, -.5, NOW)).toEqual({ from: '2026-09-17T09:32:14Z', to: '2026-09-17T10:32:14Z' });
  expect(widened({ from: 'now-60m', to: '' }, NOW)).toEqual({ from: 'now-120m', to: '' });
  expect(widened({ from: '2026-09-17T08:00:00Z', to: '2026-09-17T09:00:00Z' }, NOW)).toEqual({ from: '2026-09-17T07:30:00Z', to: '2026-09-17T09:30:00Z' });
});
