import { describe, expect, test } from 'vitest';
import { charAtByte, exclude, include, markedWords, only, quoted, stateOf, terms, tokens, unquoted, without, withoutTerm } from './query';

describe('tokens', () => {
  const kinds = (q: string): string[] => tokens(q).map((t) => `${t.text}·${t.kind}`);
  test('fields, operators, strings, regular expressions', () => {
    expect(kinds('level:ERROR -logger:/A|B/ "a b" (x OR y)')).toEqual([
      'level·field', ':·operator', 'ERROR·value', '-·negation', 'logger·field', ':·operator', '/A|B/·regex', '"a b"·string',
      '(·paren', 'x·value', 'OR·operator', 'y·value', ')·paren',
    ]);
  });
  test('a dash inside a word, a bare dash and an open quote are no trouble', () => {
    expect(kinds('a-b')).toEqual(['a-b·value']);
    expect(kinds('- a')).toEqual(['-·value', 'a·value']);
    expect(kinds('"open')).toEqual(['"open·string']);
    expect(kinds('a:>=5')).toEqual(['a·field', ':>=·operator', '5·value']);
    expect(kinds('status>=500')).toEqual(['status·field', '>=·operator', '500·value']);
  });
  test('what cannot be a field or an expression is a word, as the server reads it', () => {
    expect(kinds('TID:x Error: https://a.b/c reserve(Ledger.java:87)')).toEqual(['TID:x·value', 'Error:·value', 'https://a.b/c·value', 'reserve(Ledger.java:87)·value']);
    expect(kinds('corr:urn:uuid:1 file:/a/b.log')).toEqual(['corr·field', ':·operator', 'urn:uuid:1·value', 'file·field', ':·operator', '/a/b.log·value']);
    expect(kinds('a or b and not c or')).toEqual(['a·value', 'or·operator', 'b·value', 'and·operator', 'not·negation', 'c·value', 'or·value']);
  });
  test('every character is covered, whatever is typed', () => {
    for (const q of ['((', '::', ':a', 'a:', '\\', '"\\', '/x', '!!a', '+', 'a\u00e9:b', '[1 TO 2}', ' ']) {
      const joined = tokens(q).map((t) => t.text).join('');
      expect(joined).toBe(q.replace(/\s/g, ''));
    }
  });
});

describe('include and exclude', () => {
  test('adds, joins, takes back', () => {
    expect(include('', 'log.level', 'ERROR')).toBe('level:ERROR');
    expect(include('ledger', 'host.name', 'mi-1')).toBe('ledger host:mi-1');
    expect(include('host:mi-1 ledger', 'host.name', 'mi-2')).toBe('host:(mi-1 OR mi-2) ledger');
    expect(include('host:(mi-1 OR mi-2) ledger', 'host.name', 'mi-1')).toBe('host:mi-2 ledger');
    expect(include('host:mi-2 ledger', 'host.name', 'mi-2')).toBe('ledger');
  });
  test('including what is refused turns it round', () => {
    expect(include('-host:mi-1 a', 'host.name', 'mi-1')).toBe('a host:mi-1');
    expect(exclude('host:mi-1 a', 'host.name', 'mi-1')).toBe('a -host:mi-1');
    expect(exclude('a -host:mi-1', 'host.name', 'mi-1')).toBe('a');
  });
  test('full names and aliases are the same field', () => {
    expect(stateOf('log.level:error', 'log.level', 'ERROR')).toBe('on');
    expect(stateOf('NOT level:error', 'log.level', 'ERROR')).toBe('off');
    expect(include('log.level:ERROR', 'log.level', 'WARN')).toBe('level:(ERROR OR WARN)');
  });
  test('values are quoted when anything in them is special', () => {
    expect(include('', 'log.file.path', '/a b/"c"')).toBe('file:"/a b/\\"c\\""');
    expect(stateOf(include('', 'log.file.path', '/a b/"c"'), 'log.file.path', '/a b/"c"')).toBe('on');
    expect(quoted('or')).toBe('"or"');
    expect(unquoted(quoted('a\\b"c'))).toBe('a\\b"c');
    expect(quoted('-1234')).toBe('"-1234"');
  });
  test('an OR at the top keeps its meaning', () => {
    expect(include('a OR b', 'log.level', 'WARN')).toBe('(a OR b) level:WARN');
    expect(include('(a OR b) level:WARN', 'log.level', 'WARN')).toBe('(a OR b)');
    expect(stateOf('level:WARN OR b', 'log.level', 'WARN')).toBe('none');
  });
  test('only keeps other fields', () => {
    expect(only('level:(ERROR OR WARN) ledger', 'log.level', 'INFO')).toBe('ledger level:INFO');
    expect(only('a', 'log.level', 'INFO')).toBe('a level:INFO');
  });
  test('a value, taken on and off again, gives the text back', () => {
    for (const q of ['', 'a', 'a AND b', 'level:ERROR x', '-level:DEBUG', '"p q" -host:x', '(a OR b) c']) {
      expect(include(include(q, 'host.name', 'h 1'), 'host.name', 'h 1')).toBe(q);
      expect(exclude(exclude(q, 'host.name', 'h 1'), 'host.name', 'h 1')).toBe(q);
    }
  });
});

describe('pieces', () => {
  test('without a field, without a piece', () => {
    expect(without('level:ERROR a level:>=3', 'log.level')).toBe('a level:>=3');
    const list = terms('level:ERROR AND throttle product:is') ?? [];
    expect(list.map((one) => one.text)).toEqual(['level:ERROR', 'throttle', 'product:is']);
    expect(list.map((one) => withoutTerm('level:ERROR AND throttle product:is', one))).toEqual(['throttle product:is', 'level:ERROR product:is', 'level:ERROR AND throttle']);
  });
  test('words to mark', () => {
    expect(markedWords('ledger -skip level:ERROR "a b" tim* message:late')).toEqual(['ledger', 'a b', 'tim', 'late']);
  });
  test('bytes to characters', () => {
    expect(charAtByte('é🙂x', 0)).toBe(0);
    expect(charAtByte('é🙂x', 2)).toBe(1);
    expect(charAtByte('é🙂x', 6)).toBe(3);
    expect(charAtByte('ab', 9)).toBe(2);
  });
});
