import { expect, test } from 'vitest';
import { withoutGaps } from './buckets';

test('gaps are filled, the ends too', () => {
  expect(withoutGaps([30, 50], 10, 10, 75)).toEqual([10, 20, 30, 40, 50, 60, 70]);
  expect(withoutGaps([], 10, 10, 30)).toEqual([10, 20]);
  expect(withoutGaps([5], 10, null, null)).toEqual([5]);
  expect(withoutGaps([10, 20, 30], 10, 12, 38)).toEqual([10, 20, 30]);
});

test('days of 23 and 25 hours stay where they are', () => {
  expect(withoutGaps([0, 24, 47, 72, 97], 24, 0, 110)).toEqual([0, 24, 47, 72, 97]);
});

test('a broken answer does not hang', () => {
  expect(withoutGaps([0, 1e12], 1, -1e12, 1e13).length).toBeLessThan(5000);
});
