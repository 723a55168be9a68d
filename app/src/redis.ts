import type { Logger } from 'pino';
import { createClient } from 'redis';
import { withTimeout } from './timeout.ts';

export type Redis = ReturnType<typeof createRedis>;

/** Longest wait for an answer, in milliseconds: without Redis the app goes on, so it must not wait for it. */
export const REDIS_TIMEOUT = 500;

/** Milliseconds between pings, and for the answer: a connection that brings none is replaced. */
const PING_INTERVAL = 1000;
const PING_TIMEOUT = 2000;

/** Milliseconds of silence after which a connection is given up that is not ready yet. */
const SILENCE = 5000;

function createRedis(url: string, logger: Logger) {
  const client = createClient({
    url,
    // Without a connection commands fail at once instead of queueing up.
    disableOfflineQueue: true,
    socket: {
      connectTimeout: 2000,
      socketTimeout: SILENCE,
      reconnectStrategy: (attempts) => Math.min(100 * 2 ** attempts, 5000),
    },
  });
  let away = false;
  client.on('error', (err: Error) => {
    // Once for an outage, not once for each attempt.
    if (!away) logger.warn({ err }, 'Redis is away; going on without it');
    away = true;
  });
  client.on('ready', () => {
    logger.info(away ? 'Redis is back' : 'Connected to Redis');
    away = false;
  });
  return client;
}

/** A client that is connected, or goes on trying: the app starts without Redis too. */
export async function connectRedis(url: string, logger: Logger): Promise<Redis> {
  const client = createRedis(url, logger);
  const connected = client.connect().catch(() => undefined);
  await withTimeout(connected, 2000).catch(() => undefined);
  watch(client);
  return client;
}

/**
 * Replaces a connection that hangs; until then every request would wait for it. The library's own timeout sees
 * no silence as long as commands are written.
 */
function watch(client: Redis): void {
  const timer = setTimeout(() => {
    if (!client.isOpen) return;
    void replaceWhenHung(client).finally(() => { watch(client); });
  }, PING_INTERVAL);
  timer.unref();
}

async function replaceWhenHung(client: Redis): Promise<void> {
  const isReady = () => client.isReady;
  if (!isReady()) return;
  try {
    await withTimeout(client.ping(), PING_TIMEOUT);
  } catch (error) {
    // Closed meanwhile, or lost: the library is connecting again.
    if (!isReady()) return;
    client.emit('error', error);
    client.destroy();
    client.connect().catch(() => undefined);
  }
}

/**
 * A value from Redis, or loaded and kept there.
 *
 * @param seconds for which the value is kept.
 */
export async function cached<T>(redis: Redis, key: string, seconds: number, load: () => Promise<T>): Promise<T> {
  const hit = await withTimeout(redis.get(key), REDIS_TIMEOUT).catch(() => null);
  if (hit !== null) return JSON.parse(hit) as T;
  const value = await load();
  await withTimeout(redis.set(key, JSON.stringify(value), { expiration: { type: 'EX', value: seconds } }), REDIS_TIMEOUT)
    .catch(() => undefined);
  return value;
}
