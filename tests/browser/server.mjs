// The server under test: one that runs already (CARBONTRAIL_URL, which follows CARBONTRAIL_LOGS), or our own binary.

import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeLogs } from './logs.mjs';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const READY_MS = 30_000;

export const BINARY = process.env.CARBONTRAIL_BIN ?? join(process.env.CARGO_TARGET_DIR ?? join(ROOT, 'target'), 'debug', 'carbontrail');

/** Why the test cannot run here, or nothing. */
export function missing(chromium) {
  if (!existsSync(chromium)) return `no browser at ${chromium}: apt-get install chromium, or set CHROMIUM`;
  if (!process.env.CARBONTRAIL_URL && !existsSync(BINARY)) return `no server at ${BINARY}: cargo build, or set CARBONTRAIL_URL and CARBONTRAIL_LOGS`;
  return '';
}

export async function start() {
  if (process.env.CARBONTRAIL_URL) {
    const logs = writeLogs(process.env.CARBONTRAIL_LOGS ?? '');
    await indexed(process.env.CARBONTRAIL_URL, logs.events);
    return { url: process.env.CARBONTRAIL_URL, logs, stop: async () => {} };
  }
  const folder = mkdtempSync(join(tmpdir(), 'carbontrail-browser-'));
  const logs = writeLogs(folder);
  const child = spawn(BINARY, ['up', join(folder, 'repository', 'logs'), '--listen', '127.0.0.1:0', '--data', join(folder, 'data')], { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  child.stderr.on('data', (part) => { said += part; });
  const stop = async () => {
    if (child.exitCode === null) {
      const ended = new Promise((done) => child.once('exit', done));
      child.kill('SIGINT');
      const timer = setTimeout(() => child.kill('SIGKILL'), 10_000);
      await ended;
      clearTimeout(timer);
    }
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const url = await new Promise((done, fail) => {
      let out = '';
      const timer = setTimeout(() => fail(new Error(`not ready after ${READY_MS / 1000} s\n${said}`)), READY_MS);
      child.stdout.on('data', (part) => {
        out += part;
        const found = /^ready (http:\S+)/m.exec(out);
        if (found) { clearTimeout(timer); done(found[1].replace(/\/$/, '')); }
      });
      child.once('exit', (code) => { clearTimeout(timer); fail(new Error(`ended with ${code} before it was ready\n${said}`)); });
      child.once('error', (error) => { clearTimeout(timer); fail(error); });
    });
    await indexed(url, logs.events);
    return { url, logs, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Until all that was written is found. */
async function indexed(url, events) {
  const until = Date.now() + READY_MS;
  let last = 'nothing';
  while (Date.now() < until) {
    try {
      const answer = await fetch(`${url}/v1/count?from=now-2h`);
      last = await answer.text();
      if (answer.ok && JSON.parse(last).count >= events) return;
    } catch (error) {
      last = String(error);
    }
    await new Promise((done) => setTimeout(done, 100));
  }
  throw new Error(`${events} events were written; after ${READY_MS / 1000} s the count says ${last}`);
}
