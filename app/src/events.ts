import { isIP } from 'node:net';
import type { Request } from 'express';
import type pg from 'pg';
import type { Services } from './services.ts';

/** Days for which events are kept: they tell of people. */
const KEPT = 90;

const DAY = 24 * 3600 * 1000;

/** Delete old events, now and every day. */
export function forgetOldEvents({ pool, logger }: Pick<Services, 'pool' | 'logger'>): void {
  const forget = () => {
    pool.query('DELETE FROM event_log WHERE occurred_at < now() - make_interval(days => $1)', [KEPT]).catch((err: unknown) => {
      logger.warn({ err }, 'Cannot delete old events');
    });
  };
  forget();
  setInterval(forget, DAY).unref();
}

/** Keep what a user did. The answer waits for it: an event that was not kept did not happen. */
export async function recordEvent(
  database: pg.Pool | pg.PoolClient,
  req: Request,
  kind: 'login.succeeded' | 'login.failed' | 'document.uploaded',
  userId: string | null,
  details: Record<string, unknown>,
): Promise<void> {
  await database.query('INSERT INTO event_log (kind, user_id, ip, user_agent, details) VALUES ($1, $2, $3, $4, $5)', [
    kind,
    userId,
    // What the proxy forwards need not be an address.
    req.ip !== undefined && isIP(req.ip) > 0 ? req.ip : null,
    req.get('User-Agent') ?? null,
    details,
  ]);
}
