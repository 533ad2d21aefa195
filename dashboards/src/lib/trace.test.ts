import { expect, test } from 'vitest';
import { packagesOf, parseTrace } from './trace';

const TRACE = `com.acme.pay.PayException: cannot pay
  twice
\tat com.zaxxer.hikari.pool.HikariPool.getConnection(HikariPool.java:197)
\tat com.acme.pay.Payments.reserve(Payments.java:87)
\tat com.acme.pay.Payments.mediate(Payments.java:52)
\tat org.apache.synapse.mediators.Sequence.mediate(Sequence.java:100)
\tat org.apache.synapse.mediators.Sequence.mediate(Sequence.java:101)
\tat java.base/java.lang.Thread.run(Thread.java:829)
Caused by: java.net.ConnectException: refused: here
\tat java.base/java.net.Socket.connect(Socket.java:1)
\t... 5 more
`;

test('blocks, messages over lines, folded runs', () => {
  const { blocks, frames } = parseTrace(TRACE);
  expect(frames).toBe(7);
  expect(blocks.map((b) => [b.lead, b.type, b.message])).toEqual([
    ['', 'com.acme.pay.PayException', 'cannot pay\n  twice'],
    ['Caused by: ', 'java.net.ConnectException', 'refused: here'],
  ]);
  const parts = blocks[0]?.parts ?? [];
  expect(parts.map((p) => (p.kind === 'fold' ? `fold ${p.fold.frames.length} ${p.fold.packages}` : p.kind === 'frame' ? `${p.first ? 'first ' : ''}${p.frame.call}${p.frame.place}` : p.text))).toEqual([
    'fold 1 com.zaxxer.hikari',
    'first com.acme.pay.Payments.reserve(Payments.java:87)',
    'com.acme.pay.Payments.mediate(Payments.java:52)',
    'fold 3 org.apache.synapse 2, java 1',
  ]);
});

test('a cause of framework frames alone shows its first one', () => {
  const cause = parseTrace(TRACE).blocks[1];
  expect(cause?.parts.map((p) => p.kind)).toEqual(['frame', 'note']);
});

test('the frame that the server names is shown, whose ever it is', () => {
  const { blocks } = parseTrace('a.b.CException: x\n\tat java.util.A.b(A.java:1)\n\tat org.wso2.carbon.X.y(X.java:2)\n\tat java.util.B.c(B.java:3)\n', 'org.wso2.carbon.X.y(X.java:2)');
  expect(blocks[0]?.parts.map((p) => p.kind)).toEqual(['fold', 'frame', 'fold']);
});

test('no frames, no head, rubbish: nothing is lost', () => {
  expect(parseTrace('java.lang.OutOfMemoryError: Java heap space').blocks).toHaveLength(1);
  expect(parseTrace('\tat a.b.C.d(C.java:1)\nnot a frame').blocks[0]?.parts.map((p) => p.kind)).toEqual(['frame', 'note']);
  expect(parseTrace('').frames).toBe(0);
  expect(parseTrace('TID: [1] something\n\tat x.Y.z(Y.java)').frames).toBe(1);
});

test('packages of many kinds are cut to three', () => {
  const frame = (call: string): { text: string; call: string; place: string; own: boolean } => ({ text: '', call, place: '', own: false });
  expect(packagesOf(['a.b.c.D.e', 'f.g.h.I.j', 'k.l.m.N.o', 'p.q.r.S.t'].map(frame))).toBe('a.b.c 1, f.g.h 1, k.l.m 1, …');
});
