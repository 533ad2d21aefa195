// The web view in a real browser against the real server. `node --test tests/browser/`
//
// Not run, and said so, where there is no chromium or no built server; under CI=true that is a failure.
// SHOTS=FOLDER keeps pictures of what was tested.

import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { append, line, ORDERS, STOCK } from './logs.mjs';
import { missing, start } from './server.mjs';

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];
// Long, for machines that do much else meanwhile; nothing waits longer than it must.
const WAIT_MS = 30_000;

const reason = missing(CHROMIUM);
if (reason) console.log(`SKIPPED the browser test: ${reason}`);
if (reason && process.env.CI === 'true') {
  test('browser and server are there', () => assert.fail(reason));
}
const skip = reason !== '' && reason;

let server;
let browser;
let axe;
/** What no page may do: report a violated policy, throw, or ask another machine. */
const wrongs = [];

before(async () => {
  if (skip) return;
  const { chromium } = await import('playwright-core');
  axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
  server = await start();
  browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

async function open(path, { theme = 'light', width = 1440, height = 900 } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: theme });
  await context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: server.url });
  const page = await context.newPage();
  page.setDefaultTimeout(WAIT_MS);
  await page.addInitScript(() => {
    globalThis.violations = [];
    addEventListener('securitypolicyviolation', (e) => globalThis.violations.push(`${e.violatedDirective} ${e.blockedURI} ${e.sample}`));
  });
  page.on('request', (request) => {
    if (!request.url().startsWith(server.url) && !request.url().startsWith('data:')) wrongs.push(`asked ${request.url()}`);
  });
  page.on('pageerror', (error) => wrongs.push(`threw ${error.stack ?? error}`));
  page.on('console', (message) => {
    if (/Content Security Policy|TrustedHTML|TrustedScript/.test(message.text())) wrongs.push(`policy: ${message.text()}`);
  });
  await page.goto(server.url + path);
  return page;
}

async function close(page) {
  wrongs.push(...(await page.evaluate(() => globalThis.violations)).map((one) => `policy: ${one}`));
  await page.context().close();
}

async function shot(page, name) {
  if (!process.env.SHOTS) return;
  mkdirSync(process.env.SHOTS, { recursive: true });
  await page.screenshot({ path: join(process.env.SHOTS, `${name}.png`) });
}

const rows = (page) => page.getByTestId('row');
const selected = (page) => page.locator('[data-testid=row][aria-selected=true]');
const address = (page) => new URL(page.url());
const query = (page) => page.getByRole('combobox', { name: 'Query' });

async function until(what, check) {
  const end = Date.now() + WAIT_MS;
  for (;;) {
    if (await check()) return;
    assert.ok(Date.now() < end, `waited ${WAIT_MS / 1000} s: ${what}`);
    await new Promise((done) => setTimeout(done, 50));
  }
}

test('the first screen says what went wrong, before anyone types', { skip }, async () => {
  const page = await open('/');
  const group = page.getByTestId('group').filter({ hasText: 'StockException' });
  await group.waitFor();
  assert.match(await group.innerText(), /com\.birch\.stock\.StockMediator\.reserve/);
  assert.match(await group.innerText(), /\b10\b/);
  assert.match(await page.getByTestId('freshness').innerText(), /newest event .* ago/);
  await shot(page, 'now');
  await group.click();
  await until('ten rows of the group', async () => (await rows(page).count()) === 10);
  assert.match(address(page).searchParams.get('q'), /^error\.group:/);
  await page.goBack();
  await group.waitFor();
  await close(page);
});

test('a search, its stack trace, its context', { skip }, async () => {
  const page = await open('/search');
  await rows(page).first().waitFor();
  await query(page).fill('reserve level:ERROR');
  await query(page).press('Enter');
  await until('ten errors', async () => (await rows(page).count()) === 10);
  assert.equal(address(page).searchParams.get('q'), 'reserve level:ERROR');
  assert.match(await rows(page).first().innerText(), /Could not reserve item 5390/);
  assert.match(await rows(page).first().innerText(), /StockException @StockMediator:87/);

  await rows(page).first().getByRole('button', { name: 'Open the event' }).click();
  const trace = page.getByTestId('trace');
  await trace.waitFor();
  const folded = await trace.innerText();
  assert.match(folded, /com\.birch\.stock\.StockMediator\.reserve\(StockMediator\.java:87\)/);
  assert.match(folded, /25 frames below: org\.apache\.synapse/);
  assert.match(folded, /Caused by: java\.net\.SocketTimeoutException: Read timed out/);
  assert.doesNotMatch(folded, /SequenceMediator\.java:110/);
  await shot(page, 'search-open');
  await page.keyboard.press('x');
  await until('unfolded frames', async () => /SequenceMediator\.java:110/.test(await trace.innerText()));

  const detail = page.getByTestId('detail');
  await page.keyboard.press('r');
  await until('raw bytes', async () => /^TID: \[-1234\] \[\] \[/.test(await detail.getByTestId('raw').innerText()));
  await page.keyboard.press('r');

  await page.keyboard.press('c');
  const context = page.getByTestId('context');
  await until('the lines around it', async () => /orderId = OR-7389/.test(await context.innerText()));
  assert.match(await context.innerText(), /orderId = OR-7391/);
  await context.scrollIntoViewIfNeeded();
  await shot(page, 'context');

  await page.reload();
  await page.getByTestId('context').waitFor();
  await page.getByTestId('trace').waitFor();
  assert.equal(await query(page).inputValue(), 'reserve level:ERROR');
  assert.match(await selected(page).innerText(), /Could not reserve item 5390/);
  await page.keyboard.press('Escape');
  await page.getByTestId('context').waitFor({ state: 'detached' });
  await page.keyboard.press('Escape');
  await page.getByTestId('trace').waitFor({ state: 'detached' });
  assert.equal(await query(page).inputValue(), 'reserve level:ERROR');
  await close(page);
});

test('values and levels change the text of the query, and Back undoes it', { skip }, async () => {
  const page = await open('/search');
  await rows(page).first().waitFor();
  const value = (name) => page.getByLabel('Filters').getByRole('button', { name });
  await value(/^ERROR/).click();
  await until('level:ERROR', () => address(page).searchParams.get('q') === 'level:ERROR');
  await value(/^WARN/).click();
  await until('both levels', () => address(page).searchParams.get('q') === 'level:(ERROR OR WARN)');
  await value(/^TimeoutHandler/).click({ modifiers: ['Alt'] });
  await until('without the logger', () => address(page).searchParams.get('q') === 'level:(ERROR OR WARN) -logger:org.apache.synapse.core.axis2.TimeoutHandler');
  await until('errors alone', async () => (await rows(page).count()) === 10);
  await page.goBack();
  await page.goBack();
  await until('back at level:ERROR', async () => (await query(page).inputValue()) === 'level:ERROR');
  await page.getByRole('group', { name: 'Levels' }).getByRole('button', { name: /^INFO/ }).click({ modifiers: ['Alt'] });
  await until('INFO alone', () => address(page).searchParams.get('q') === 'level:INFO');
  await close(page);
});

test('a span marked in the histogram becomes the range', { skip }, async () => {
  const page = await open('/search');
  await rows(page).first().waitFor();
  const chart = page.getByTestId('histogram');
  await chart.locator('canvas').waitFor();
  const box = await chart.boundingBox();
  await page.mouse.move(box.x + box.width * 0.5, box.y + 30);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.7, box.y + 30, { steps: 5 });
  await page.mouse.up();
  const brush = page.getByTestId('brush');
  const n = Number(/([\d\u202f]+) events/.exec(await brush.innerText())[1].replace(/\u202f/g, ''));
  assert.ok(n > 20 && n < 400, `${n} events are marked`);
  await shot(page, 'brush');
  await page.keyboard.press('Enter');
  await until('from and to', () => address(page).searchParams.has('from') && address(page).searchParams.has('to'));
  await until('as many rows as were marked', async () => (await page.getByRole('status').allInnerTexts()).some((words) => words.startsWith(`${n} events`)));
  await page.goBack();
  await until('the old range', () => !address(page).searchParams.has('to'));
  await close(page);
});

test('a query that is refused says where; the old result stays', { skip }, async () => {
  const page = await open('/search?q=reserve');
  await rows(page).first().waitFor();
  await query(page).fill('reserve levl:ERROR');
  await query(page).press('Enter');
  const alert = page.getByRole('alert');
  await alert.waitFor();
  assert.match(await alert.innerText(), /levl[\s\S]*level[\s\S]*character 9/);
  assert.ok((await rows(page).count()) > 0);
  await query(page).fill('nothing-has-this-word level:ERROR');
  await query(page).press('Enter');
  await page.getByTestId('empty').getByRole('button', { name: /Drop/ }).first().waitFor();
  await shot(page, 'empty');
  await page.getByTestId('empty').getByRole('button', { name: /^Drop nothing/ }).click();
  await until('the errors', async () => (await rows(page).count()) === 10);
  await close(page);
});

test('the tail shows a line that arrives, pauses, and goes on', { skip }, async () => {
  const page = await open('/tail');
  await until('the tail is open', async () => /Live/.test(await page.getByTestId('tailbar').innerText()));
  append(server.logs.file, line(Date.now(), 'INFO', ORDERS, 'the first line for the tail'));
  append(server.logs.file, line(Date.now(), 'ERROR', STOCK, 'the second line for the tail'));
  const seen = rows(page).filter({ hasText: 'the first line for the tail' });
  await seen.waitFor();
  await page.keyboard.press('l');
  await page.getByTestId('pill').waitFor();
  append(server.logs.file, line(Date.now(), 'ERROR', STOCK, 'a third line while paused'));
  append(server.logs.file, line(Date.now(), 'INFO', ORDERS, 'a fourth line while paused'));
  await until('the pill counts', async () => /[1-9]\d* new · \d+ errors?/.test(await page.getByTestId('pill').innerText()));
  assert.equal(await rows(page).filter({ hasText: 'a third line while paused' }).count(), 0);
  await shot(page, 'tail-paused');
  await page.keyboard.press('l');
  await rows(page).filter({ hasText: 'a third line while paused' }).waitFor();
  await close(page);
});

test('everything by keyboard', { skip }, async () => {
  const page = await open('/');
  await page.getByTestId('group').first().waitFor();
  await page.keyboard.press('?');
  await page.getByRole('dialog', { name: 'Keys' }).waitFor();
  await page.keyboard.press('Escape');
  await page.keyboard.press('j');
  await page.keyboard.press('Enter');
  await rows(page).first().waitFor();
  await page.keyboard.press('Control+k');
  await page.keyboard.press('Control+a');
  await page.keyboard.type('exception:*StockException');
  await page.keyboard.press('Enter');
  await until('ten rows', async () => (await rows(page).count()) === 10);
  await page.keyboard.press('j');
  await page.keyboard.press('j');
  await until('the second row is selected', async () => /item 5380/.test(await selected(page).innerText()));
  await page.keyboard.press('Enter');
  await page.getByTestId('trace').waitFor();
  await page.keyboard.press('c');
  await page.getByTestId('context').waitFor();
  await page.keyboard.press('y');
  await until('the event is in the clipboard', async () => /item 5380/.test(await page.evaluate(() => navigator.clipboard.readText())));
  await page.keyboard.press('Escape');
  await page.keyboard.press('Escape');
  await page.keyboard.press('f');
  await until('the logger is in the query', () => /logger:com\.birch\.stock\.StockMediator/.test(address(page).searchParams.get('q')));
  await page.keyboard.press('t');
  await page.getByLabel('Type a range').waitFor();
  await page.keyboard.type('15m');
  await page.keyboard.press('Enter');
  await until('the last 15 minutes', () => address(page).searchParams.get('from') === 'now-15m');
  await page.keyboard.press('-');
  await until('twice as long', () => address(page).searchParams.get('from') === 'now-30m');
  await page.keyboard.press('u');
  await until('times of the browser', async () => /browser/.test(await page.getByRole('banner').innerText()));
  await page.keyboard.press('g');
  await page.keyboard.press('l');
  await until('the tail', () => address(page).pathname === '/tail');
  await page.keyboard.press('g');
  await page.keyboard.press('n');
  await page.getByTestId('group').first().waitFor();
  await close(page);
});

for (const theme of ['light', 'dark']) {
  test(`nothing serious for people with a screen reader or weak eyes, ${theme}`, { skip }, async () => {
    const look = async (page, name) => {
      await page.evaluate(axe);
      const found = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }));
      const bad = found.violations.filter((one) => one.impact === 'serious' || one.impact === 'critical');
      assert.deepEqual(bad.map((one) => `${name}: ${one.id}: ${one.nodes.slice(0, 3).map((node) => `${node.html} ${node.failureSummary}`).join('\n')}`), []);
      await shot(page, `${name}-${theme}`);
    };
    const page = await open('/', { theme });
    await page.getByTestId('group').first().waitFor();
    await look(page, 'now');
    await page.goto(`${server.url}/search?q=reserve level:(ERROR OR WARN)`);
    await rows(page).first().waitFor();
    await page.keyboard.press('e');
    await page.keyboard.press('Enter');
    await page.getByTestId('trace').waitFor();
    await look(page, 'search');
    await page.keyboard.press('c');
    await page.getByTestId('context').getByText('later events').waitFor();
    await look(page, 'context');
    await page.keyboard.press('t');
    await page.getByLabel('Type a range').waitFor();
    await look(page, 'time');
    await page.keyboard.press('Escape');
    await page.keyboard.press('?');
    await page.getByRole('dialog', { name: 'Keys' }).waitFor();
    await look(page, 'keys');
    await page.goto(`${server.url}/tail`);
    await until('the tail is open', async () => /Live/.test(await page.getByTestId('tailbar').innerText()));
    append(server.logs.file, line(Date.now(), 'WARN', ORDERS, `a line for ${theme} eyes`) + line(Date.now(), 'INFO', ORDERS, 'and one after it'));
    await rows(page).filter({ hasText: `a line for ${theme} eyes` }).waitFor();
    await look(page, 'tail');
    await close(page);
  });
}

test('on a phone nothing is wider than the screen', { skip }, async () => {
  for (const [name, path] of [['now', '/'], ['search', '/search?q=reserve'], ['tail', '/tail']]) {
    const page = await open(path, { width: 390, height: 844 });
    if (name === 'now') await page.getByTestId('group').first().waitFor();
    if (name === 'search') {
      await rows(page).first().click();
      await page.getByTestId('trace').waitFor();
    }
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(wide <= 0, `${name} is ${wide} px too wide`);
    await shot(page, `phone-${name}`);
    await close(page);
  }
});

test('no policy was violated, nothing threw, no other machine was asked', { skip }, () => {
  assert.deepEqual(wrongs, []);
});

test('the policy is the strict one', { skip }, async () => {
  const answer = await fetch(`${server.url}/`);
  const policy = answer.headers.get('content-security-policy') ?? '';
  for (const part of ["default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'", "require-trusted-types-for 'script'"]) {
    assert.ok(policy.includes(part), `${part} is missing in: ${policy}`);
  }
  assert.doesNotMatch(policy, /unsafe|https?:|\*/);
});
