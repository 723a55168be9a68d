import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { gunzipSync } from 'node:zlib';
import { withoutSecrets } from '../src/request-log.ts';
import { App, type LogRecord } from './app.ts';
import { eventually, execute } from './servers.ts';

function completed(app: App): LogRecord {
  const record = app.logs.find(({ msg }) => msg === 'Request completed');
  assert(record);
  return record;
}

describe('request log', { concurrency: 2 }, () => {
  test('tells of each request who asked for what, and how it ended', async () => {
    const app = await App.launch();
    const headers = { 'User-Agent': 'test/1', 'X-Forwarded-For': '203.0.113.7' };
    const response = await app.fetch('/api/quizzes?page=2&access_token=geheim', { headers });
    await eventually('it is logged', () => app.logs.some(({ msg }) => msg === 'Request completed'));
    const { time, duration, ...record } = completed(app);
    assert.deepEqual(record, {
      level: 'info',
      requestId: response.headers.get('x-request-id'),
      method: 'GET',
      url: '/api/quizzes?page=2&access_token=[redacted]',
      status: 200,
      ip: '203.0.113.7',
      userAgent: 'test/1',
      msg: 'Request completed',
    });
    assert(typeof duration === 'number' && duration >= 0);
    assert.match(String(time), /^\d{4}-\d\d-\d\dT/);
    assert.doesNotMatch(app.output, /geheim/);
  });

  test('has health checks only at debug', async () => {
    for (const [LOG_LEVEL, count] of [['info', 0], ['debug', 1]] as const) {
      const app = await App.launch({ LOG_LEVEL });
      await app.fetch('/api/health/live');
      await app.fetch('/api/quizzes');
      await eventually('both are over', () => app.output.includes('/api/quizzes'));
      assert.equal(app.logs.filter(({ url }) => url === '/api/health/live').length, count);
    }
  });

  test('warns of a request above 5000 ms, and of no other', async () => {
    const app = await App.launch();
    await app.fetch('/api/quizzes');
    const slow = execute(app.databaseUrl, 'BEGIN; LOCK quizzes; SELECT pg_sleep(5.3); COMMIT');
    await sleep(200);
    assert.equal((await app.fetch('/api/quizzes')).status, 200);
    await slow;
    await eventually('it is logged', () => app.logs.some(({ msg }) => msg === 'Slow request detected'));
    const warnings = app.logs.filter(({ msg }) => msg === 'Slow request detected');
    assert.equal(warnings.length, 1);
    assert.deepEqual([warnings[0]?.level, warnings[0]?.['url']], ['warn', '/api/quizzes']);
    assert(Number(warnings[0]?.['duration']) > 5000);
  });

  test('masks confidential parameters however they are written', () => {
    assert.equal(withoutSecrets('/a?x=1&api%5Fkey=2&Password=3&y'), '/a?x=1&api%5Fkey=[redacted]&Password=[redacted]&y');
    assert.equal(withoutSecrets('/a?%=1&token=2?3'), '/a?%=1&token=[redacted]');
    assert.equal(withoutSecrets('/a'), '/a');
  });

  test('LOG_FILE has it too, is rotated at LOG_MAX_SIZE, and never more than LOG_MAX_FILES are kept', async (t) => {
    const directory = mkdtempSync(path.join(tmpdir(), 'stromhaltig-log-'));
    t.after(() => { rmSync(directory, { recursive: true }); });
    const file = path.join(directory, 'app.log');
    const app = await App.launch({ LOG_FILE: file, LOG_MAX_SIZE: '2KB', LOG_MAX_FILES: '2' });
    for (let request = 0; request < 60; request++) await app.fetch(`/api/quizzes?request=${request}`);
    await eventually('the last is there', () => readFileSync(file, 'utf8').includes('request=59'));
    assert.deepEqual(readdirSync(directory).sort(), ['app.log', 'app.log.1', 'app.log.2']);
    for (const name of readdirSync(directory)) assert(statSync(path.join(directory, name)).size < 5000);
  });
});

test('with SENTRY_DSN errors of our own are reported, with nothing confidential, and refusals are not', async (t) => {
  const directory = mkdtempSync(path.join(tmpdir(), 'stromhaltig-sentry-'));
  t.after(() => { rmSync(directory, { recursive: true }); });
  const [key, cert] = ['key.pem', 'cert.pem'].map((name) => path.join(directory, name)) as [string, string];
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
  execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '1', '-keyout', key, '-out', cert, ...subject], { stdio: 'ignore' });

  const received: string[] = [];
  const sentry = createServer({ key: readFileSync(key), cert: readFileSync(cert) }, (request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const body = Buffer.concat(parts);
      received.push(String(request.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body));
      response.end('{}');
    });
  });
  await new Promise<void>((resolve) => sentry.listen(0, '127.0.0.1', resolve));
  t.after(() => { sentry.closeAllConnections(); sentry.close(); });

  const { port } = sentry.address() as AddressInfo;
  const app = await App.launch({
    SENTRY_DSN: `https://dsnkey@localhost:${port}/1`,
    NODE_EXTRA_CA_CERTS: cert,
    // All requests that may be traced are.
    NODE_OPTIONS: '--import=data:text/javascript,Math.random=()=>0',
  });
  const parent = { 'sentry-trace': `${'a'.repeat(32)}-${'b'.repeat(16)}-1` };
  await app.fetch('/api/health', { headers: parent });
  await app.fetch('/api/quizzes?token=geheim', { headers: { ...parent, 'sentry-trace': parent['sentry-trace'].replace(/1$/, '0') } });
  await app.fetch('/api/nothing-there');
  await app.fetch('/api/auth/me', { headers: { Authorization: 'Bearer wrong' } });
  await execute(app.databaseUrl, 'DROP TABLE users CASCADE');
  const headers = { Cookie: 'session=geheim', Authorization: 'Bearer geheim' };
  const response = await app.postJson('/api/auth/login?token=geheim', { email: 'a@b.de', password: 'geheim' }, headers);
  assert.equal(response.status, 500);

  const events = () => received.filter((envelope) => envelope.includes('"type":"event"'));
  await eventually('the error is reported', () => events().length > 0);
  assert.equal(events().length, 1);
  assert.match(events()[0] ?? '', /relation \\"users\\" does not exist/);
  assert.match(events()[0] ?? '', /"environment":"production"/);
  await eventually('a request that its sender did not trace is', () => received.some((envelope) => envelope.includes('/api/quizzes')));
  assert.doesNotMatch(received.join(), /geheim|api\/health/);
});
