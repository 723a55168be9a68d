import type { Logger } from 'pino';
import { createClient } from 'redis';
import { withTimeout } from './timeout.ts';

export type Redis = ReturnType<typeof createRedis>;

/** Longest wait for an answer, in milliseconds: without Redis the app goes on, so it must not wait for it. */
export const REDIS_TIMEOUT = 500;

function createRedis(url: string, logger: Logger) {
  const client = createClient({
    url,
    // Without a connection commands fail at once instead of queueing up.
    disableOfflineQueue: true,
    socket: {
      connectTimeout: 2000,
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
  return client;
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
