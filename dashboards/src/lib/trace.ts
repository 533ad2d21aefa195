/** Takes a Java stack trace apart: one block for the exception and one for each cause, own frames told from the rest. */

export interface Frame {
  text: string;
  /** `com.acme.Foo.bar` */
  call: string;
  /** `(Foo.java:12)` */
  place: string;
  own: boolean;
}

export interface Fold {
  frames: Frame[];
  /** `org.apache.synapse 29, java 3` */
  packages: string;
}

export type Part = { kind: 'frame'; frame: Frame; first: boolean } | { kind: 'fold'; fold: Fold } | { kind: 'note'; text: string };

export interface Block {
  /** Empty, `Caused by: ` or `Suppressed: `. */
  lead: string;
  type: string;
  message: string;
  parts: Part[];
  frames: number;
}

export interface Trace {
  blocks: Block[];
  frames: number;
}

const FRAMEWORK = [
  'java.', 'javax.', 'jakarta.', 'jdk.', 'sun.', 'com.sun.', 'kotlin.', 'scala.', 'groovy.', 'org.codehaus.',
  'org.apache.', 'org.wso2.', 'org.eclipse.', 'org.osgi.', 'org.springframework.', 'org.hibernate.', 'org.jboss.',
  'io.netty.', 'io.undertow.', 'com.zaxxer.', 'com.fasterxml.', 'com.google.', 'com.hazelcast.', 'com.rabbitmq.',
  'com.mysql.', 'oracle.', 'org.postgresql.', 'com.microsoft.', 'org.h2.', 'org.mozilla.', 'org.slf4j.', 'ch.qos.',
  'com.atomikos.', 'feign.', 'reactor.', 'rx.', 'okhttp3.', 'okio.', 'net.sf.', 'com.nimbusds.', 'org.opensaml.',
];

const FRAME = /^\s*at\s+(?:[\w.$@-]*\/)*([\w.$<>\u0080-\uffff/]+)(\(.*)$/;
const HEAD = /^(\s*(?:Caused by|Suppressed|Wrapped by):\s+)?((?:[\w$-]+\.)+[\w$-]+|[A-Z][\w$]*(?:Exception|Error|Throwable))(?::\s?([\s\S]*))?$/;

export function isOwn(call: string): boolean {
  return !FRAMEWORK.some((prefix) => call.startsWith(prefix));
}

/** `shown` is the frame that the server holds for the telling one: it is never folded. */
export function parseTrace(source: string, shown = ''): Trace {
  const telling = shown.replace(/^at\s+/, '').trim();
  const blocks: Block[] = [];
  let lines: (Frame | string)[] = [];
  let head: { lead: string; type: string; message: string } | null = null;
  const close = (): void => {
    if (head) blocks.push(block(head, lines));
    lines = [];
  };
  for (const line of source.replace(/\r/g, '').split('\n')) {
    const frame = FRAME.exec(line);
    if (frame) {
      head ??= { lead: '', type: '', message: '' };
      const call = frame[1] ?? '';
      lines.push({ text: line.trim(), call, place: frame[2] ?? '', own: isOwn(call) || (telling !== '' && line.includes(telling)) });
      continue;
    }
    if (!line.trim()) continue;
    const title = HEAD.exec(line);
    if (title && (title[1] || !head)) {
      close();
      head = { lead: (title[1] ?? '').trim() ? `${(title[1] ?? '').trim()} ` : '', type: title[2] ?? '', message: title[3] ?? '' };
    } else if (/^\s*\.\.\. \d+ (?:more|common frames omitted)/.test(line)) {
      lines.push(line.trim());
    } else if (head && !lines.length) {
      head.message += `\n${line}`;
    } else {
      head ??= { lead: '', type: '', message: '' };
      lines.push(line);
    }
  }
  close();
  return { blocks, frames: blocks.reduce((sum, one) => sum + one.frames, 0) };
}

function block(head: { lead: string; type: string; message: string }, lines: (Frame | string)[]): Block {
  const parts: Part[] = [];
  const anyOwn = lines.some((line) => typeof line !== 'string' && line.own);
  let first = true;
  let run: Frame[] = [];
  const flush = (): void => {
    if (run.length) parts.push({ kind: 'fold', fold: { frames: run, packages: packagesOf(run) } });
    run = [];
  };
  let frames = 0;
  for (const line of lines) {
    if (typeof line === 'string') {
      flush();
      parts.push({ kind: 'note', text: line });
      continue;
    }
    frames++;
    if (line.own || (!anyOwn && first)) {
      flush();
      parts.push({ kind: 'frame', frame: line, first });
      first = false;
    } else {
      run.push(line);
    }
  }
  flush();
  return { ...head, parts, frames };
}

/** The packages of a folded run, three at most, the most frequent first. */
export function packagesOf(frames: readonly Frame[]): string {
  const counts = new Map<string, number>();
  for (const frame of frames) {
    const parts = frame.call.split('.');
    const depth = /^(?:java|javax|jakarta|jdk|sun)$/.test(parts[0] ?? '') ? 1 : 3;
    const name = parts.slice(0, Math.min(depth, Math.max(1, parts.length - 2))).join('.');
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  const sorted = [...counts].sort((a, b) => b[1] - a[1]);
  if (sorted.length === 1) return sorted[0]?.[0] ?? '';
  const shown = sorted.slice(0, 3).map(([name, n]) => `${name} ${n}`).join(', ');
  return sorted.length > 3 ? `${shown}, …` : shown;
}
