import type pg from 'pg';
import type { Logger } from 'pino';
import type { Config } from './config.ts';
import type { Redis } from './redis.ts';

/** What the parts of the server share. */
export interface Services {
  config: Config;
  logger: Logger;
  pool: pg.Pool;
  redis: Redis | undefined;
  /** The process was asked to stop: it finishes what it has, and wants nothing new. */
  draining: boolean;
}
