import { expect, test } from 'vitest';
import { formatPlace, parsePlace, START, type Place } from './url';

const back = (place: Place): Place => {
  const url = new URL(formatPlace(place), 'http://localhost');
  return parsePlace(url.pathname, url.search);
};

test('what was written is read again', () => {
  const places: Place[] = [
    { ...START },
    { ...START, view: 'search' },
    { ...START, view: 'search', q: 'level:(ERROR OR WARN) "a b" +x & y=z #é 100%', from: 'now-24h' },
    { ...START, view: 'search', q: 'a', from: '2026-09-17T10:42:00Z', to: '2026-09-17T10:50:00Z', sel: 'AbC-_1', open: ['a', 'b'], ctx: 'a', wrap: true, tz: 'browser', facets: ['wso2.app'] },
    { ...START, view: 'search', from: '', to: '' },
    { ...START, view: 'search', from: '', to: 'now-1h' },
    { ...START, view: 'tail', q: '-level:DEBUG' },
  ];
  for (const place of places) expect(back(place)).toEqual(place);
});

test('short and readable', () => {
  expect(formatPlace({ ...START })).toBe('/');
  expect(formatPlace({ ...START, view: 'search', q: 'level:ERROR' })).toBe('/search?q=level:ERROR');
  expect(formatPlace({ ...START, view: 'search', from: '' })).toBe('/search?from=all');
});

test('unknown parameters and values are left out', () => {
  expect(parsePlace('/nowhere', '?tz=mars&wrap=yes&__proto__=x&q=')).toEqual(START);
  expect(parsePlace('/search/', '?open=,,').open).toEqual([]);
  expect(parsePlace('/', '?q=x').view).toBe('search');
});
