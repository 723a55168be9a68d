import { createHash } from 'node:crypto';
import type { RequestHandler } from 'express';
import { rateLimit } from 'express-rate-limit';
import { RedisStore } from 'rate-limit-redis';
import { REDIS_TIMEOUT, type Redis } from './redis.ts';
import type { Services } from './services.ts';
import { withTimeout } from './timeout.ts';

/** Limits each client, counted in Redis for all copies of the app together; without Redis, by each for itself. */
export function limitRate({ config, redis }: Services): RequestHandler {
  return rateLimit({
    windowMs: config.RATE_LIMIT_WINDOW_MS,
    limit: config.RATE_LIMIT_MAX_REQUESTS,
    standardHeaders: 'draft-8',
    legacyHeaders: false,
    ...(redis && { store: redisStore(redis) }),
    // Redis being away is no reason to turn everybody away.
    passOnStoreError: true,
    handler: (_req, res) => {
      res.status(429).json({ error: 'Too many requests; see Retry-After' });
    },
  });
}

function redisStore(redis: Redis): RedisStore {
  return new RedisStore({
    prefix: 'rate-limit:',
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
