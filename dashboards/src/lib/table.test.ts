import { expect, test } from 'vitest';
import { Heights } from './table';

/** A plain array of heights says the same, slowly. */
function model(heights: number[]): { offset: (i: number) => number; at: (y: number) => number } {
  const offset = (i: number): number => heights.slice(0, i).reduce((a, b) => a + b, 0);
  return {
    offset,
    at: (y) => {
      for (let i = 0; i < heights.length; i++) if (y < offset(i + 1)) return i;
      return Math.max(0, heights.length - 1);
    },
  };
}

test('agrees with plain sums through random changes', () => {
  let seed = 42;
  const random = (n: number): number => (seed = (seed * 16807) % 2147483647) % n;
  for (let round = 0; round < 40; round++) {
    const plain = Array.from({ length: random(70) }, () => 20);
    const tree = new Heights(plain.length);
    for (let i = 0; i < 60 && plain.length; i++) {
      const row = random(plain.length);
      const height = 1 + random(400);
      expect(tree.set(row, height)).toBe(height - (plain[row] ?? 0));
      plain[row] = height;
      const same = model(plain);
      expect(tree.total).toBe(same.offset(plain.length));
      const y = random(tree.total + 50);
      expect(tree.at(y)).toBe(same.at(y));
      expect(tree.offset(row)).toBe(same.offset(row));
    }
  }
});

test('edges', () => {
  const none = new Heights();
  expect([none.total, none.at(5), none.offset(3), none.set(0, 9)]).toEqual([0, 0, 0, 0]);
  const three = new Heights(3, 10);
  expect([three.at(-1), three.at(0), three.at(9.9), three.at(10), three.at(1000)]).toEqual([0, 0, 0, 1, 2]);
  three.reset(2, (i) => (i + 1) * 5);
  expect([three.length, three.total, three.get(1)]).toEqual([2, 15, 10]);
});
