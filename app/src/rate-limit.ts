import { createHash } from 'node:crypto';
import type { RequestHandler } from 'express';
import { MemoryStore, rateLimit, type IncrementResponse, type Options, type Store } from 'express-rate-limit';
import { RedisStore } from 'rate-limit-redis';
import { REDIS_TIMEOUT, type Redis } from './redis.ts';
import type { Services } from './services.ts';
import { withTimeout } from './timeout.ts';

/** Milliseconds for which logins are counted, and how many an address may try. */
const LOGIN_WINDOW = 60_000;
const LOGINS = 10;

/** Limits each client, counted in Redis for all copies of the app together; without Redis, by each for itself. */
export function limitRate({ config, redis }: Services): RequestHandler {
  return limit(config.RATE_LIMIT_WINDOW_MS, config.RATE_LIMIT_MAX_REQUESTS, 'rate-limit:', redis);
}

/** Limits each client in trying passwords, counted alike. */
export function limitLogins({ redis }: Services): RequestHandler {
  return limit(LOGIN_WINDOW, LOGINS, 'login-limit:', redis);
}

function limit(windowMs: number, requests: number, prefix: string, redis: Redis | undefined): RequestHandler {
  return rateLimit({
    windowMs,
    limit: requests,
    standardHeaders: 'draft-8',
    legacyHeaders: false,
    ...(redis && { store: new SharedStore(prefix, redis) }),
    handler: (_req, res) => {
      res.status(429).json({ error: 'Too many requests; see Retry-After' });
    },
  });
}

/** Counts in Redis, and in this process while Redis is away. */
class SharedStore implements Store {
  private readonly shared: RedisStore;
  private readonly own = new MemoryStore();

  constructor(
    readonly prefix: string,
    redis: Redis,
  ) {
    this.shared = redisStore(prefix, redis);
  }

  async init(options: Options): Promise<void> {
    this.own.init(options);
    await this.shared.init(options);
  }

  async increment(key: string): Promise<IncrementResponse> {
    return this.shared.increment(key).catch(() => this.own.increment(key));
  }

  async decrement(key: string): Promise<void> {
    await this.shared.decrement(key).catch(() => this.own.decrement(key));
  }

  async resetKey(key: string): Promise<void> {
    await Promise.all([this.own.resetKey(key), this.shared.resetKey(key)]);
  }

  shutdown(): void {
    this.own.shutdown();
  }
}

function redisStore(prefix: string, redis: Redis): RedisStore {
  return new RedisStore({
    prefix,
    sendCommand: async (...command) => {
      try {
        return await withTimeout(redis.sendCommand(command), REDIS_TIMEOUT);
      } catch (error) {
        // The store loads its scripts once. If Redis is away just then, tell it what Redis would have answered:
        // the script's hash. The store loads the script when Redis is there and does not know it.
        const [name, verb, script] = command;
        if (name === 'SCRIPT' && verb === 'LOAD' && script !== undefined) {
          return createHash('sha1').update(script).digest('hex');
        }
        throw error;
      }
    },
  });
}
