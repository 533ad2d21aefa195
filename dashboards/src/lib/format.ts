/** Numbers, names and text as they are shown. Pure. */

const THIN = '\u202f';

/** 12345 → "12 345" with narrow no-break spaces. */
export function count(n: number): string {
  const digits = String(Math.round(n));
  return digits.replace(/\B(?=(\d{3})+(?!\d))/g, THIN);
}

/** Packages to initials, the class whole: `o.a.s.m.b.LogMediator`. */
export function shortLogger(name: string): string {
  const parts = name.split('.');
  if (parts.length < 3 || /[^\w.$-]/.test(name)) return name;
  const last = parts.pop() ?? '';
  return [...parts.map((part) => part.charAt(0)), last].join('.');
}

export function className(name: string): string {
  return name.slice(name.lastIndexOf('.') + 1);
}

/** The last part of a path. */
export function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** The last part of each path, with the first folder that tells it from others of the same name: `mi/…/wso2carbon.log`. */
export function fileLabels(paths: readonly string[]): Map<string, string> {
  const out = new Map<string, string>();
  for (const path of paths) {
    const name = baseName(path);
    const others = paths.filter((other) => other !== path && baseName(other) === name);
    const parts = path.split('/').slice(0, -1);
    const telling = others.length ? parts.findLast((part) => part !== '' && others.every((other) => !other.split('/').includes(part))) : undefined;
    out.set(path, telling === undefined ? (others.length ? path : name) : telling === parts.at(-1) ? `${telling}/${name}` : `${telling}/…/${name}`);
  }
  return out;
}

/** `com.acme.Foo.bar(Foo.java:12)` → `Foo:12`, as it stands at the end of a row. */
export function shortFrame(frame: string): string {
  const found = /^(?:at\s+)?(?:[^/\s]+\/)?([\w.$<>]+)\.[\w$<>]+\((?:[^:)]*?:(\d+))?[^)]*\)/.exec(frame.trim());
  if (!found) return frame.length > 60 ? `${frame.slice(0, 59)}…` : frame;
  const name = className(found[1] ?? '').replace(/\$.*$/, '');
  return found[2] ? `${name}:${found[2]}` : name;
}

/** Milliseconds as a short span: "0.4 s", "33 s", "12 min", "3 h", "41 days". */
export function span(ms: number): string {
  const s = Math.max(0, ms) / 1000;
  if (s < 10) return `${s.toFixed(1)} s`;
  if (s < 90) return `${Math.round(s)} s`;
  if (s < 90 * 60) return `${Math.round(s / 60)} min`;
  if (s < 36 * 3600) return `${Math.round(s / 3600)} h`;
  return `${Math.round(s / 86400)} days`;
}

const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/** Control and direction characters as glyphs that can be seen, so that a log line cannot redraw the page. */
export function visible(value: string): string {
  return value.replace(CONTROL, (c) => {
    const code = c.charCodeAt(0);
    if (code < 0x20) return String.fromCharCode(0x2400 + code);
    if (code === 0x7f) return '\u2421';
    return `‹${code.toString(16).toUpperCase().padStart(4, '0')}›`;
  });
}

export const SHOWN_CHARS = 4096;

/** Head and tail of a long text; the middle says how much it stands for. */
export function clipped(value: string, limit = SHOWN_CHARS): string {
  if (value.length <= limit) return value;
  const tail = Math.floor(limit / 4);
  const head = limit - tail;
  return `${value.slice(0, head)} … ${count(value.length - limit)} characters … ${value.slice(-tail)}`;
}

/** One line of a row: no line ends, clipped, control characters visible. */
export function oneLine(value: string): string {
  return visible(clipped(value, 1024).replace(/\s*[\r\n]+\s*/g, ' ⏎ ').replace(/\t/g, ' '));
}

export function plural(n: number, one: string, many = `${one}s`): string {
  return `${count(n)} ${n === 1 ? one : many}`;
}
