/**
 * Edits of the query's text: a click on a value is a change that can be read and undone in the query bar.
 *
 * Only clauses at the top level, joined by AND, are understood as switches; everything else is left as it was
 * written, put into parentheses when that keeps its meaning. The server alone decides what a query means.
 */

export type Kind = 'field' | 'operator' | 'string' | 'negation' | 'regex' | 'value' | 'paren';

export interface Token {
  from: number;
  to: number;
  kind: Kind;
  text: string;
}

/** Short names for people; the server knows both. */
export const ALIASES: Readonly<Record<string, string>> = {
  'log.level': 'level', 'log.logger': 'logger', 'process.thread.name': 'thread', 'host.name': 'host',
  'service.type': 'product', 'log.file.path': 'file', 'wso2.correlation_id': 'corr', 'error.type': 'exception',
  'wso2.tenant.id': 'tenant', 'http.response.status_code': 'status', 'log.stream': 'stream', 'wso2.app': 'app',
  'wso2.artifact.name': 'api', 'user.name': 'user', 'event.dataset': 'dataset', 'wso2.log.family': 'family',
};
const FULL: Readonly<Record<string, string>> = Object.fromEntries(Object.entries(ALIASES).map(([full, alias]) => [alias, full]));

export const fullName = (name: string): string => FULL[name] ?? name;
export const shortName = (name: string): string => ALIASES[name] ?? name;

const NAME = /^[a-z_@][\w.@-]*(?=\s?(?:>=|<=|>|<)|:(?!\/\/|[\s:]))/;
const NAME_AT_END = /^[a-z_@][\w.@-]*(?=:$)/;
const COMPARISON = /^(?::(?:>=|<=|>|<)?|>=|<=|>|<)/;

/**
 * Cuts the text into tokens, as the server does. Never fails: what it does not understand is a value.
 * Small `and`, `or`, `not` count as operators wherever they stand between clauses.
 */
export function tokens(query: string): Token[] {
  const out: Token[] = [];
  let i = 0;
  let start = true;
  const put = (length: number, kind: Kind): void => {
    out.push({ from: i, to: i + length, kind, text: query.slice(i, i + length) });
    i += length;
  };
  while (i < query.length) {
    const c = query.charAt(i);
    const rest = query.slice(i);
    const after = out[out.length - 1];
    const valueNext = after?.to === i && after.kind === 'operator' && COMPARISON.test(after.text);
    if (/\s/.test(c)) { i++; start = true; continue; }
    if (c === '"') { put(quoteEnd(query, i, '"') - i, 'string'); start = false; continue; }
    if (c === '/' && (start || valueNext) && /^\/(?:\\.|[^/\\])+\/(?=[\s)]|$)/.test(rest)) { put(quoteEnd(query, i, '/') - i, 'regex'); start = false; continue; }
    if (c === ')' || c === ']' || c === '}') { put(1, 'paren'); start = false; continue; }
    if ((c === '(' || c === '[' || c === '{') && (start || valueNext)) { put(1, 'paren'); start = true; continue; }
    if (start && (c === '-' || c === '!') && /^.[^\s]/.test(rest)) { put(1, 'negation'); continue; }
    if (start && c === '+' && /^.[^\s]/.test(rest)) { put(1, 'operator'); continue; }
    const name = start ? (NAME.exec(rest) ?? NAME_AT_END.exec(rest)) : null;
    if (name) { put(name[0].length, 'field'); i += /^\s*/.exec(query.slice(i))?.[0].length ?? 0; start = false; continue; }
    const sign = after?.kind === 'field' ? COMPARISON.exec(rest) : null;
    if (sign) { put(sign[0].length, 'operator'); continue; }
    const length = wordLength(rest);
    const word = rest.slice(0, length);
    put(length, start ? wordKind(word, out.length > 0, query.slice(i + length).trim() !== '') : 'value');
    start = false;
  }
  return out;
}

function wordKind(word: string, before: boolean, behind: boolean): Kind {
  if (/^(?:&&|\|\|)$/.test(word) || (/^(?:and|or)$/i.test(word) && before && behind) || /^(?:AND|OR)$/.test(word)) return 'operator';
  if (word === 'NOT' || (/^not$/i.test(word) && behind) || word === '!') return 'negation';
  return 'value';
}

/** A word goes to the next space, quote, or parenthesis that was not opened in it. */
function wordLength(rest: string): number {
  let open = 0;
  for (let i = 0; i < rest.length; i++) {
    const c = rest.charAt(i);
    if (c === '\\') { i++; continue; }
    if (/[\s"]/.test(c) || ((c === ')' || c === ']' || c === '}') && !open)) return Math.max(1, i);
    if (c === '(') {
      if (i === 0 || !/^\([^\s"()]*\)/.test(rest.slice(i))) return Math.max(1, i);
      open++;
    }
    if (c === ')') open--;
  }
  return rest.length;
}

function quoteEnd(query: string, from: number, quote: string): number {
  for (let i = from + 1; i < query.length; i++) {
    if (query.charAt(i) === '\\') i++;
    else if (query.charAt(i) === quote) return i + 1;
  }
  return query.length;
}

/** One piece of the top level. */
export interface Term {
  from: number;
  to: number;
  text: string;
  negated: boolean;
  /** Full name, when it is `field:…`. */
  field: string | null;
  /** Plain values of `field:value` or `field:(a OR b)`; null when it is anything else. */
  values: string[] | null;
  /** The word or phrase, when it has no field. */
  word: string | null;
}

/** The pieces joined by AND, or null when the top level has an OR and can only be taken as a whole. */
export function terms(query: string): Term[] | null {
  const all = tokens(query);
  const out: Term[] = [];
  let i = 0;
  let negated = false;
  let start = -1;
  while (i < all.length) {
    const token = all[i];
    if (!token) break;
    if (token.kind === 'operator' && /^(?:AND|&&)$/i.test(token.text)) { i++; continue; }
    if (token.kind === 'operator' && /^(?:OR|\|\|)$/i.test(token.text)) return null;
    if (token.kind === 'negation') { negated = !negated; if (start < 0) start = token.from; i++; continue; }
    if (token.kind === 'operator' && token.text === '+') { if (start < 0) start = token.from; i++; continue; }
    const end = termEnd(all, i);
    const last = all[end - 1] ?? token;
    const from = start < 0 ? token.from : start;
    out.push(term(query, all.slice(i, end), from, last.to, negated));
    negated = false;
    start = -1;
    i = end;
  }
  return out;
}

function termEnd(all: Token[], at: number): number {
  let i = at;
  if (all[i]?.kind === 'field') {
    i++;
    while (all[i]?.kind === 'operator' && COMPARISON.test(all[i]?.text ?? '')) i++;
    if (!all[i]) return i;
  }
  if (all[i]?.kind !== 'paren') return i + 1;
  let depth = 0;
  for (; i < all.length; i++) {
    const token = all[i];
    if (token?.kind !== 'paren') continue;
    depth += /[([{]/.test(token.text) ? 1 : -1;
    if (depth <= 0) return i + 1;
  }
  return all.length;
}

function term(query: string, part: Token[], from: number, to: number, negated: boolean): Term {
  const base = { from, to, text: query.slice(from, to), negated };
  const [first, second, ...rest] = part;
  if (first?.kind === 'field' && second?.text === ':') {
    return { ...base, field: fullName(first.text), values: plainValues(rest), word: null };
  }
  if (first?.kind === 'field') return { ...base, field: fullName(first.text), values: null, word: null };
  const word = part.length === 1 && (first?.kind === 'value' || first?.kind === 'string') ? unquoted(first.text) : null;
  return { ...base, field: null, values: null, word };
}

function plainValues(part: Token[]): string[] | null {
  const value = (token: Token | undefined): string | null =>
    token && (token.kind === 'value' || token.kind === 'string') && !(token.kind === 'value' && /[*?]/.test(token.text)) ? unquoted(token.text) : null;
  if (part.length === 1) {
    const only = value(part[0]);
    return only === null ? null : [only];
  }
  if (part[0]?.text !== '(' || part[part.length - 1]?.text !== ')') return null;
  const out: string[] = [];
  const inner = part.slice(1, -1);
  for (let i = 0; i < inner.length; i++) {
    const isJoin = inner[i]?.kind === 'operator' && /^(?:OR|\|\|)$/i.test(inner[i]?.text ?? '');
    if (i % 2 === 1) { if (!isJoin) return null; continue; }
    const one = value(inner[i]);
    if (one === null) return null;
    out.push(one);
  }
  return out.length ? out : null;
}

/** A value as it can be typed: bare when nothing in it is special, else quoted. */
export function quoted(value: string): string {
  if (/^[A-Za-z0-9_][\w.-]*$/.test(value) && !/^(?:AND|OR|NOT)$/i.test(value)) return value;
  return `"${value.replace(/[\\"]/g, '\\$&')}"`;
}

export function unquoted(text: string): string {
  if (!text.startsWith('"')) return text.replace(/\\(.)/g, '$1');
  return text.slice(1, text.length > 1 && text.endsWith('"') ? -1 : undefined).replace(/\\(.)/g, '$1');
}

export type Switch = 'none' | 'on' | 'off';

/** Whether a value is asked for, refused, or neither. */
export function stateOf(query: string, field: string, value: string): Switch {
  const same = value.toLowerCase();
  for (const one of terms(query) ?? []) {
    if (one.field === field && one.values?.some((v) => v.toLowerCase() === same)) return one.negated ? 'off' : 'on';
  }
  return 'none';
}

function rebuilt(query: string, drop: ReadonlySet<Term>, swap: Map<Term, string>, add: string): string {
  const list = terms(query);
  if (list === null) return [`(${query.trim()})`, add].filter(Boolean).join(' ');
  let out = query;
  for (const one of [...list].reverse()) {
    const match = [...drop].find((d) => d.from === one.from);
    const changed = [...swap].find(([t]) => t.from === one.from)?.[1];
    if (match) out = cut(out, one.from, one.to);
    else if (changed !== undefined) out = out.slice(0, one.from) + changed + out.slice(one.to);
  }
  return [out.trim(), add].filter(Boolean).join(' ');
}

/** Takes a piece out, with an AND that joined it. */
function cut(query: string, from: number, to: number): string {
  const before = query.slice(0, from).replace(/(?:^|\s+)(?:AND|&&)?\s*$/i, '');
  const after = query.slice(to).replace(/^\s*(?:AND\b|&&)?\s*/, '');
  return before && after ? `${before} ${after}` : before + after;
}

function clause(field: string, values: readonly string[], negated: boolean): string {
  const name = `${negated ? '-' : ''}${shortName(field)}:`;
  return values.length === 1 ? name + quoted(values[0] ?? '') : `${name}(${values.map(quoted).join(' OR ')})`;
}

function edited(query: string, field: string, value: string, on: boolean): string {
  const same = (v: string): boolean => v.toLowerCase() === value.toLowerCase();
  const list = (terms(query) ?? []).filter((one) => one.field === field && one.values !== null);
  const drop = new Set<Term>();
  const swap = new Map<Term, string>();
  let add = clause(field, [value], !on);
  for (const one of list) {
    const values = one.values ?? [];
    const without = values.filter((v) => !same(v));
    const had = without.length < values.length;
    const wanted = one.negated !== on;
    if (had) {
      if (without.length) swap.set(one, clause(field, without, one.negated));
      else drop.add(one);
      if (wanted) add = '';
    } else if (wanted && add && on) {
      swap.set(one, clause(field, [...values, value], one.negated));
      add = '';
    }
  }
  return rebuilt(query, drop, swap, add);
}

/** Asks for the value, next to others of the field; a second time takes it back. */
export const include = (query: string, field: string, value: string): string => edited(query, field, value, true);
/** Refuses the value; a second time takes it back. */
export const exclude = (query: string, field: string, value: string): string => edited(query, field, value, false);

/** Only this value of the field, whatever was chosen before. */
export function only(query: string, field: string, value: string): string {
  const bare = without(query, field);
  return rebuilt(bare, new Set(), new Map(), clause(field, [value], false));
}

/** The query without any clause on the field, to count what its other values would give. */
export function without(query: string, field: string): string {
  const list = terms(query);
  if (list === null) return query;
  return rebuilt(query, new Set(list.filter((one) => one.field === field && one.values !== null)), new Map(), '');
}

/** The query without one of its pieces. */
export function withoutTerm(query: string, one: Term): string {
  return rebuilt(query, new Set([one]), new Map(), '');
}

/** Words and phrases to mark in what was found. */
export function markedWords(query: string): string[] {
  const out: string[] = [];
  let negated = false;
  const list = tokens(query);
  list.forEach((token, i) => {
    if (token.kind === 'negation') { negated = true; return; }
    const named = list[i - 1]?.text.startsWith(':') && list[i - 2]?.kind === 'field';
    const messageField = named && list[i - 2]?.text === 'message';
    if ((token.kind === 'value' || token.kind === 'string') && !negated && (!named || messageField)) {
      const word = unquoted(token.text).replace(/[*?]+$/, '');
      if (word && !/[*?]/.test(word)) out.push(word);
    }
    if (token.kind !== 'operator' && token.kind !== 'field') negated = false;
  });
  return out;
}

const BYTES = new TextEncoder();

/** The place in the text where the UTF-8 byte `at` stands. */
export function charAtByte(value: string, at: number): number {
  let bytes = 0;
  let i = 0;
  for (const c of value) {
    if (bytes >= at) return i;
    bytes += BYTES.encode(c).length;
    i += c.length;
  }
  return i;
}
