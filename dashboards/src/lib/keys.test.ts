import { expect, test } from 'vitest';
import { Keys } from './keys';

const key = (name: string, more: Partial<KeyboardEvent> = {}): KeyboardEvent => ({ key: name, ctrlKey: false, metaKey: false, altKey: false, ...more }) as KeyboardEvent;

test('single keys, chords, layers', () => {
  const keys = new Keys();
  const done: string[] = [];
  keys.use({ g: () => { done.push('g'); return false; }, 'g n': () => { done.push('g n'); }, n: () => { done.push('n'); } });
  expect(keys.press(key('g'), 0)).toBe(true);
  expect(keys.press(key('n'), 100)).toBe(true);
  keys.press(key('g'), 200);
  keys.press(key('n'), 9000);
  expect(done).toEqual(['g', 'g n', 'g', 'n']);
  const away = keys.use({ n: () => false, Escape: () => { done.push('esc'); } });
  keys.press(key('n'), 9100);
  keys.press(key('Escape'), 9200);
  away();
  expect(keys.press(key('Escape'), 9300)).toBe(false);
  expect(done.slice(4)).toEqual(['n', 'esc']);
  expect(keys.press(key('n', { ctrlKey: true }), 9400)).toBe(false);
  expect(keys.press(key('constructor'), 9500)).toBe(false);
});
