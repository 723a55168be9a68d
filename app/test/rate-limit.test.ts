import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { App, migratedDatabase } from './app.ts';
import { eventually, Redis } from './servers.ts';

const LIMIT = 10;

describe('rate limit', () => {
  let redis: Redis;
  let databaseUrl: string;
  let client = 0;

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

  const newClient = () => `198.51.100.${++client}`;
  const times = (count: number, status: number) => Array.from({ length: count }, () => status);

  test('is counted for both of two processes together, by client', async () => {
    const [first, second] = await Promise.all([launch({ REDIS_URL: redis.url }), launch({ REDIS_URL: redis.url })]);
    const from = newClient();
    assert.deepEqual(await ask(first, 6, from), times(6, 200));
    assert.deepEqual(await ask(second, 5, from), [...times(4, 200), 429]);
    assert.deepEqual(await ask(first, 1, from), [429]);
    assert.deepEqual(await ask(first, 1, newClient()), [200], 'another client is not concerned');
  });

  test('is told with the time to wait', async () => {
    const app = await launch({ RATE_LIMIT_WINDOW_MS: '60000' });
    const from = newClient();
    await ask(app, LIMIT, from);
    const response = await app.fetch('/api/quizzes', { headers: { 'X-Forwarded-For': from } });
    assert.equal(response.status, 429);
    const wait = Number(response.headers.get('retry-after'));
    assert(wait > 0 && wait <= 60, String(wait));
    assert.deepEqual(await response.json(), { error: 'Too many requests; see Retry-After' });
  });

  test('ends with its window', async () => {
    const app = await launch({ RATE_LIMIT_WINDOW_MS: '1000' });
    const from = newClient();
    await eventually('it is reached', async () => (await ask(app, 1, from))[0] === 429);
    await eventually('it is over', async () => (await ask(app, 1, from))[0] === 200);
  });

  test('believes only the last address that was forwarded', async () => {
    const app = await launch();
    const from = newClient();
    for (let invented = 0; invented < LIMIT; invented++) {
      assert.deepEqual(await ask(app, 1, `203.0.113.${invented}, ${from}`), [200]);
    }
    assert.deepEqual(await ask(app, 1, `203.0.113.99, ${from}`), [429]);
  });

  test('does not hold for health checks', async () => {
    const app = await launch();
    const from = newClient();
    await ask(app, LIMIT + 1, from);
    for (const route of ['/api/health', '/api/health/live']) {
      assert.deepEqual(await ask(app, 3, from, route), times(3, 200));
    }
  });

  test('turns nobody away while Redis is away, from the start or later, and holds again when it is back', async () => {
    const own = await Redis.launch();
    try {
      const running = await launch({ REDIS_URL: own.url });
      await own.stop();
      const started = await launch({ REDIS_URL: own.url });
      const from = newClient();
      for (const app of [running, started]) {
        assert.deepEqual(await ask(app, LIMIT + 5, from), times(LIMIT + 5, 200));
      }
      await own.start();
      for (const app of [running, started]) {
        await eventually('it holds', async () => (await ask(app, LIMIT + 1, newClient())).at(-1) === 429);
      }
    } finally {
      await own.remove();
    }
  });
});
