import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { memoryLimit } from '../src/health.ts';
import { App, migratedDatabase } from './app.ts';
import { eventually, execute, Postgres, Redis } from './servers.ts';

const TOKEN = { 'X-Health-Check-Token': 'health-check-token' };

interface Details {
  status: string;
  version: string;
  features: Record<string, boolean>;
  checks: Record<string, { status: string; used?: number; limit?: number; free?: number; error?: string }>;
}

async function health(app: App, headers: Record<string, string> = {}): Promise<[number, Details]> {
  const response = await app.fetch('/api/health', { headers });
  assert.equal(response.headers.get('cache-control'), 'no-store');
  return [response.status, (await response.json()) as Details];
}

describe('health', () => {
  test('readiness says no more than its status to those without the token', async () => {
    const app = await App.launch();
    for (const headers of [{}, { 'X-Health-Check-Token': 'wrong' }, { 'X-Health-Check-Token': '' }]) {
      assert.deepEqual(await health(app, headers as Record<string, string>), [200, { status: 'ok' }]);
    }
  });

  test('without HEALTH_CHECK_TOKEN nobody gets the details', async () => {
    const app = await App.launch({ HEALTH_CHECK_TOKEN: undefined });
    assert.deepEqual(await health(app, TOKEN), [200, { status: 'ok' }]);
  });

  test('the details tell of database, Redis, memory, disk, and what is switched on', async (t) => {
    const redis = await Redis.launch();
    t.after(() => redis.remove());
    const app = await App.launch({ REDIS_URL: redis.url, OPENAI_API_KEY: 'key' });
    const [status, details] = await health(app, TOKEN);
    assert.equal(status, 200);
    assert.deepEqual(Object.keys(details.checks), ['database', 'redis', 'memory', 'disk']);
    assert(Object.values(details.checks).every((check) => check.status === 'ok'));
    assert((details.checks['memory']?.used ?? 0) > 1e7);
    assert((details.checks['disk']?.free ?? 0) > 0);
    assert.deepEqual([details.features['openai'], details.features['gemini']], [true, false]);
    assert.match(details.version, /^\d+\.\d+\.\d+$/);
  });

  test('without its database the app is alive, not ready, and answers 503 until it is back', async (t) => {
    const postgres = await Postgres.launch();
    t.after(() => postgres.remove());
    const app = await App.launch({ DATABASE_URL: postgres.url });
    await postgres.stop();
    await eventually('it is not ready', async () => (await health(app))[0] === 503);
    const [, details] = await health(app, TOKEN);
    assert.equal(details.status, 'error');
    assert.match(details.checks['database']?.error ?? '', /ECONNREFUSED|terminat/);
    assert.equal((await app.fetch('/api/health/live')).status, 200);
    const refused = await app.fetch('/api/quizzes');
    assert.deepEqual([refused.status, refused.headers.get('retry-after')], [503, '5']);
    await postgres.start();
    await eventually('it is ready again', async () => (await health(app))[0] === 200);
  });

  test('without Redis the app is degraded, but ready', async (t) => {
    const redis = await Redis.launch();
    t.after(() => redis.remove());
    const app = await App.launch({ REDIS_URL: redis.url });
    await redis.stop();
    await eventually('it is degraded', async () => (await health(app))[1].status === 'degraded');
    assert.equal((await health(app))[0], 200);
    await redis.start();
    await eventually('it is as before', async () => (await health(app))[1].status === 'ok');
    assert.deepEqual(
      app.logs.map(({ msg }) => msg).filter((msg) => msg.includes('Redis')),
      ['Connected to Redis', 'Redis is away; going on without it', 'Redis is back'],
    );
  });

  test('the memory limit is that of the container, else the memory of the machine', () => {
    assert.equal(memoryLimit(512, 4096), 512);
    assert.equal(memoryLimit(0, 4096), 4096);
    assert.equal(memoryLimit(2 ** 63, 4096), 4096);
  });
});

describe('Redis', () => {
  test('keeps the quizzes when ENABLE_CACHE is set, and is done without when it is away', async (t) => {
    const redis = await Redis.launch();
    t.after(() => redis.remove());
    const databaseUrl = await migratedDatabase();
    const app = await App.launch({ DATABASE_URL: databaseUrl, REDIS_URL: redis.url, ENABLE_CACHE: 'true' });
    const count = async () => ((await (await app.fetch('/api/quizzes')).json()) as { quizzes: [] }).quizzes.length;
    assert.equal(await count(), 1);
    await execute(databaseUrl, 'DELETE FROM quizzes');
    assert.equal(await count(), 1);
    await redis.stop();
    assert.equal(await count(), 0);
  });

  test('that hangs is replaced, and slows nobody', async (t) => {
    const redis = await Redis.launch();
    t.after(() => redis.remove());
    const app = await App.launch({ REDIS_URL: redis.url, ENABLE_CACHE: 'true' });
    redis.suspend();
    const busy = setInterval(() => void app.fetch('/api/quizzes').catch(() => undefined), 200);
    t.after(() => { clearInterval(busy); });
    await eventually('it is given up', () => app.logs.some(({ msg }) => msg.startsWith('Redis is away')));
    const start = Date.now();
    for (let request = 0; request < 10; request++) assert.equal((await app.fetch('/api/quizzes')).status, 200);
    // Of those that wait for Redis, each takes half a second, and more.
    assert(Date.now() - start < 3000);
    redis.resume();
    await eventually('it is back', async () => (await health(app))[1].status === 'ok');
    assert.equal(app.logs.filter(({ msg }) => msg === 'Redis is back').length, 1);
  });

  test('may be away when the app starts', async (t) => {
    const redis = await Redis.launch();
    t.after(() => redis.remove());
    await redis.stop();
    const app = await App.launch({ REDIS_URL: redis.url });
    assert.equal((await app.fetch('/api/quizzes')).status, 200);
    await redis.start();
    await eventually('it is found', async () => (await health(app))[1].status === 'ok');
  });
});
