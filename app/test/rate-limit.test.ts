import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { App, migratedDatabase, newAddress } from './app.ts';
import { eventually, Redis } from './servers.ts';

const LIMIT = 10;

describe('rate limit', () => {
  let redis: Redis;
  let databaseUrl: string;

  before(async () => {
    redis = await Redis.launch();
    databaseUrl = await migratedDatabase();
  });
  after(async () => { await redis.remove(); });

  const launch = (env: Record<string, string> = {}) =>
    App.launch({ DATABASE_URL: databaseUrl, RATE_LIMIT_MAX_REQUESTS: String(LIMIT), ...env });

  /** The status codes of requests that a client makes one after the other. */
  async function ask(app: App, count: number, from: string, route = '/api/quizzes'): Promise<number[]> {
    const statuses = [];
    for (let request = 0; request < count; request++) {
      const response = await app.fetch(route, { headers: { 'X-Forwarded-For': from } });
      await response.arrayBuffer();
      statuses.push(response.status);
    }
    return statuses;
  }

  const times = (count: number, status: number) => Array.from({ length: count }, () => status);

  test('is counted for both of two processes together, by client', async () => {
    const [first, second] = await Promise.all([launch({ REDIS_URL: redis.url }), launch({ REDIS_URL: redis.url })]);
    const from = newAddress();
    assert.deepEqual(await ask(first, 6, from), times(6, 200));
    assert.deepEqual(await ask(second, 5, from), [...times(4, 200), 429]);
    assert.deepEqual(await ask(first, 1, from), [429]);
    assert.deepEqual(await ask(first, 1, newAddress()), [200], 'another client is not concerned');
  });

  test('is told with the time to wait', async () => {
    const app = await launch({ RATE_LIMIT_WINDOW_MS: '60000' });
    const from = newAddress();
    await ask(app, LIMIT, from);
    const response = await app.fetch('/api/quizzes', { headers: { 'X-Forwarded-For': from } });
    assert.equal(response.status, 429);
    const wait = Number(response.headers.get('retry-after'));
    assert(wait > 0 && wait <= 60, String(wait));
    assert.deepEqual(await response.json(), { error: 'Too many requests; see Retry-After' });
  });

  test('ends with its window', async () => {
    const app = await launch({ RATE_LIMIT_WINDOW_MS: '1000' });
    const from = newAddress();
    await eventually('it is reached', async () => (await ask(app, 1, from))[0] === 429);
    await eventually('it is over', async () => (await ask(app, 1, from))[0] === 200);
  });

  test('believes only the last address that was forwarded', async () => {
    const app = await launch();
    const from = newAddress();
    for (let invented = 0; invented < LIMIT; invented++) {
      assert.deepEqual(await ask(app, 1, `203.0.113.${invented}, ${from}`), [200]);
    }
    assert.deepEqual(await ask(app, 1, `203.0.113.99, ${from}`), [429]);
  });

  test('believes as many addresses from the end as there are proxies', async () => {
    const app = await launch({ TRUSTED_PROXIES: '2' });
    const from = newAddress();
    const edge = newAddress();
    assert.deepEqual(await ask(app, LIMIT + 1, `203.0.113.1, ${from}, ${edge}`), [...times(LIMIT, 200), 429]);
    assert.deepEqual(await ask(app, 1, `203.0.113.1, ${newAddress()}, ${edge}`), [200]);
  });

  test('does not hold for health checks', async () => {
    const app = await launch();
    const from = newAddress();
    await ask(app, LIMIT + 1, from);
    for (const route of ['/api/health', '/api/health/live']) {
      assert.deepEqual(await ask(app, 3, from, route), times(3, 200));
    }
  });

  test('is counted by each process for itself while Redis is away, from the start or later, and together when it is back', async () => {
    const own = await Redis.launch();
    try {
      const running = await launch({ REDIS_URL: own.url });
      await own.stop();
      const started = await launch({ REDIS_URL: own.url });
      const from = newAddress();
      for (const app of [running, started]) {
        assert.deepEqual(await ask(app, LIMIT + 1, from), [...times(LIMIT, 200), 429]);
      }
      await own.start();
      await eventually('it is counted together', async () => {
        const other = newAddress();
        await Promise.all([ask(running, LIMIT / 2, other), ask(started, LIMIT / 2, other)]);
        return (await ask(running, 1, other))[0] === 429;
      });
    } finally {
      await own.remove();
    }
  });

  test('is stricter for passwords, for each client, with Redis and without', async () => {
    for (const env of [{}, { REDIS_URL: redis.url }]) {
      const app = await launch({ ...env, RATE_LIMIT_MAX_REQUESTS: '1000' });
      const login = async (from: string) => {
        const body = { email: 'nobody@example.org', password: 'wrong' };
        return (await app.postJson('/api/auth/login', body, { 'X-Forwarded-For': from })).status;
      };
      const from = newAddress();
      const statuses = [];
      for (let attempt = 0; attempt < 11; attempt++) statuses.push(await login(from));
      assert.deepEqual(statuses, [...times(10, 401), 429]);
      assert.equal(await login(newAddress()), 401);
      assert.deepEqual(await ask(app, 1, from), [200], 'only for passwords');
    }
  });
});
