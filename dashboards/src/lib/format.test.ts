import { expect, test } from 'vitest';
import { clipped, count, fileLabels, oneLine, shortFrame, shortLogger, span, visible } from './format';

test('numbers', () => {
  expect(count(5)).toBe('5');
  expect(count(1234567)).toBe('1\u202f234\u202f567');
  expect([span(400), span(33_000), span(12 * 6e4), span(3 * 36e5), span(41 * 864e5)]).toEqual(['0.4 s', '33 s', '12 min', '3 h', '41 days']);
});

test('names', () => {
  expect(shortLogger('org.apache.synapse.mediators.builtin.LogMediator')).toBe('o.a.s.m.b.LogMediator');
  expect(shortLogger('AUDIT_LOG')).toBe('AUDIT_LOG');
  expect(shortFrame('com.acme.pay.Payments.reserve(Payments.java:87)')).toBe('Payments:87');
  expect(shortFrame('at java.base/java.lang.Thread.run(Thread.java:829)')).toBe('Thread:829');
  expect(shortFrame('com.acme.Outer$Inner.run(Native Method)')).toBe('Outer');
});

test('files of the same name are told apart by a folder', () => {
  const labels = fileLabels(['/opt/mi/logs/wso2carbon.log', '/opt/gw/logs/wso2carbon.log', '/opt/gw/logs/audit.log']);
  expect([...labels.values()]).toEqual(['mi/…/wso2carbon.log', 'gw/…/wso2carbon.log', 'audit.log']);
});

test('a line cannot redraw the page', () => {
  expect(visible('a\u001b[31mb\u0000')).toBe('a\u241b[31mb\u2400');
  expect(visible('x\u202ey')).toBe('x‹202E›y');
  expect(visible('tab\there')).toBe('tab\there');
  expect(oneLine('a\r\n\tb')).toBe('a ⏎ b');
  expect(clipped('x'.repeat(5000)).length).toBeLessThan(4200);
  expect(clipped(`${'x'.repeat(5000)}END`)).toContain('END');
});
