// Made-up lines of a made-up installation, in the layout of a Carbon log, with times of just now.

import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const two = (n, width = 2) => String(n).padStart(width, '0');

// A Carbon line has the time of its host's clock and no zone; so has this one.
function carbonTime(at) {
  const d = new Date(at);
  return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())} ${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())},${two(d.getMilliseconds(), 3)}`;
}

export function line(at, level, logger, message) {
  return `TID: [-1234] [] [${carbonTime(at)}] ${level.padStart(5)} {${logger}} - ${message}\n`;
}

const SYNAPSE = Array.from({ length: 24 }, (_, i) => `\tat org.apache.synapse.mediators.base.SequenceMediator.mediate(SequenceMediator.java:${101 + i})\n`).join('');

export const TRACE =
  'com.birch.stock.StockException: stock service answered 503\n' +
  '\tat org.apache.http.impl.execchain.MainClientExec.execute(MainClientExec.java:236)\n' +
  '\tat com.birch.stock.StockMediator.reserve(StockMediator.java:87)\n' +
  '\tat com.birch.stock.StockMediator.mediate(StockMediator.java:52)\n' +
  SYNAPSE +
  '\tat java.base/java.lang.Thread.run(Thread.java:829)\n' +
  'Caused by: java.net.SocketTimeoutException: Read timed out\n' +
  '\tat java.base/java.net.SocketInputStream.socketRead0(Native Method)\n' +
  '\tat com.birch.stock.client.StockClient.call(StockClient.java:131)\n' +
  '\t... 27 more\n';

export const STOCK = 'com.birch.stock.StockMediator';
export const ORDERS = 'org.apache.synapse.mediators.builtin.LogMediator';

/** 400 lines over the last 40 minutes; errors with a stack in the last ten. */
export function writeLogs(folder) {
  const logs = join(folder, 'repository', 'logs');
  mkdirSync(logs, { recursive: true });
  const now = Date.now();
  let out = '';
  for (let i = 0; i < 400; i++) {
    const at = now - 40 * 60_000 + i * 6_000;
    if (i >= 300 && i % 10 === 0) out += line(at, 'ERROR', STOCK, `Could not reserve item ${5000 + i} of order OR-${7000 + i}`) + TRACE;
    else if (i % 7 === 0) out += line(at, 'WARN', 'org.apache.synapse.core.axis2.TimeoutHandler', `Expiring message ID : ${i}; dropping message after timeout of 30 seconds`);
    else out += line(at, 'INFO', ORDERS, `order step = price, orderId = OR-${7000 + i}, channel = ${i % 2 ? 'web' : 'shop'}`);
  }
  const file = join(logs, 'wso2carbon.log');
  writeFileSync(file, out);
  return { file, events: 400, errors: 10 };
}

export function append(file, text) {
  appendFileSync(file, text);
}
