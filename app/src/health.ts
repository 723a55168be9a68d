import { timingSafeEqual, createHash } from 'node:crypto';
import { statfs } from 'node:fs/promises';
import { totalmem } from 'node:os';
import { Router } from 'express';
import { REDIS_TIMEOUT } from './redis.ts';
import type { Services } from './services.ts';
import { withTimeout } from './timeout.ts';
import { VERSION } from './version.ts';

interface Check {
  status: 'ok' | 'warning' | 'error';
  [detail: string]: unknown;
}

interface Health {
  status: 'ok' | 'degraded' | 'error';
  checks: Record<string, Check>;
}

/** Longest wait for the database, in milliseconds: below the usual 3 to 5 s of whoever asks. */
const DATABASE_TIMEOUT = 2000;

/** Longest wait for the file system, in milliseconds: a network's can hang. */
const DISK_TIMEOUT = 2000;

/** Part of the memory limit from which a warning is given. */
const MEMORY_WARNING = 0.9;

/** Free bytes in UPLOAD_DIR below which a warning is given, next to room for two of the largest files. */
const DISK_WARNING = 256 * 1024 ** 2;

/** Milliseconds for which a result is given to everybody who asks: nobody is limited here. */
const SHARED_FOR = 500;

/**
 * GET / is readiness: 503 while the database is away, and from the start of a shutdown.
 *
 * Redis, memory and disk only degrade: without Redis the app works, slower and with limits in no force; and
 * they are mostly the same for every copy of the app, so that 503 would take away all of them at once.
 *
 * GET /live is liveness: that it answers is the answer.
 */
export function healthRoutes(services: Services): Router {
  const shared = share(() => inspect(services), SHARED_FOR);
  return Router()
    .get('/live', (_req, res) => {
      res.set('Cache-Control', 'no-store').json({ status: 'ok' });
    })
    .get('/', async (req, res) => {
      const { status, checks } = services.draining ? { status: 'stopping', checks: {} } : await shared();
      const details = {
        timestamp: new Date().toISOString(),
        version: VERSION,
        environment: services.config.NODE_ENV,
        uptime: Math.round(process.uptime()),
        features: features(services),
        checks,
      };
      const authorised = sameToken(req.get('X-Health-Check-Token'), services.config.HEALTH_CHECK_TOKEN);
      res
        .status(['ok', 'degraded'].includes(status) ? 200 : 503)
        .set('Cache-Control', 'no-store')
        .json({ status, ...(authorised && details) });
    });
}

async function inspect(services: Services): Promise<Health> {
  const [database, redis, disk] = await Promise.all([
    checkDatabase(services),
    checkRedis(services),
    checkDisk(services),
  ]);
  const checks: Health['checks'] = { database, ...(redis && { redis }), memory: checkMemory(), disk };
  const degraded = Object.values(checks).some(({ status }) => status !== 'ok');
  return { status: database.status === 'error' ? 'error' : degraded ? 'degraded' : 'ok', checks };
}

async function checkDatabase({ pool }: Services): Promise<Check> {
  // Given up in the pool too: else each check of a silent database would hold one more connection.
  const query = { text: 'SELECT 1', query_timeout: DATABASE_TIMEOUT };
  return timed(() => withTimeout(pool.query(query), DATABASE_TIMEOUT));
}

async function checkRedis({ redis }: Services): Promise<Check | undefined> {
  return redis && timed(() => withTimeout(redis.ping(), REDIS_TIMEOUT));
}

async function timed(check: () => Promise<unknown>): Promise<Check> {
  const start = performance.now();
  try {
    await check();
    return { status: 'ok', milliseconds: Math.round(performance.now() - start) };
  } catch (error) {
    return { status: 'error', error: error instanceof AggregateError ? String(error.errors[0]) : String(error) };
  }
}

/** The process against the limit of its container: nothing else of size runs there. */
function checkMemory(): Check {
  const used = process.memoryUsage.rss();
  const limit = memoryLimit(process.constrainedMemory(), totalmem());
  return { status: used > MEMORY_WARNING * limit ? 'warning' : 'ok', used, limit };
}

/**
 * Bytes that this process may use.
 *
 * @param constrained limit of the cgroup, v1 or v2; 0 or beyond the machine's memory when there is none.
 */
export function memoryLimit(constrained: number, total: number): number {
  return constrained > 0 ? Math.min(constrained, total) : total;
}

async function checkDisk({ config }: Services): Promise<Check> {
  try {
    const { bavail, bsize } = await withTimeout(statfs(config.UPLOAD_DIR), DISK_TIMEOUT);
    const free = bavail * bsize;
    return { status: free < DISK_WARNING + 2 * config.MAX_FILE_SIZE ? 'warning' : 'ok', free };
  } catch (error) {
    return { status: 'error', error: String(error) };
  }
}

/** What the optional variables switch on. */
function features({ config, redis }: Services) {
  return {
    redis: redis !== undefined,
    cache: config.ENABLE_CACHE,
    compression: config.ENABLE_COMPRESSION,
    gemini: config.GEMINI_API_KEY !== undefined,
    openai: config.OPENAI_API_KEY !== undefined,
    mail: config.SMTP_HOST !== undefined && config.SMTP_PASS !== undefined,
    sentry: config.SENTRY_DSN !== undefined,
  };
}

function sameToken(given: string | undefined, expected: string | undefined): boolean {
  if (given === undefined || expected === undefined) return false;
  // Hashed, because the comparison wants equal lengths, and says nothing about them.
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(expected));
}

/** A function that runs the given one at most once in a while, and hands everybody the same result. */
function share<T>(run: () => Promise<T>, milliseconds: number): () => Promise<T> {
  let latest: Promise<T> | undefined;
  return () => {
    if (!latest) {
      latest = run();
      setTimeout(() => { latest = undefined; }, milliseconds).unref();
    }
    return latest;
  };
}
