/** The process: opens what it needs, serves, and stops without losing a request. */

import { createServer, type Server, type ServerResponse } from 'node:http';
import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { createApp } from './app.ts';
import type { Config } from './config.ts';
import { createPool, whenReachable } from './database.ts';
import { removeAbandoned } from './documents.ts';
import { forgetOldEvents } from './events.ts';
import { createLogger } from './logger.ts';
import { decoy } from './passwords.ts';
import { connectRedis } from './redis.ts';
import { reported } from './sentry.ts';
import type { Services } from './services.ts';
import { withTimeout } from './timeout.ts';
import { VERSION } from './version.ts';
import { WebSockets } from './websocket.ts';

/**
 * Milliseconds for which kept connections stay open unused: longer than the 60 s of load balancers, so that
 * it is never we who close one on which they are just sending.
 */
const KEEP_ALIVE = 65_000;

/** Milliseconds for a whole request: 100 MB at 1 Mbit/s. */
const LONGEST_REQUEST = 900_000;

/**
 * Milliseconds between the wish to stop and closed doors. Proxies learn meanwhile that this process goes, by
 * readiness and by `Connection: close`, and no request arrives at a connection that is just being closed.
 */
const NOTICE = 2000;

/** Milliseconds for running requests to end; the platform may be less patient, and then kills. */
const DRAIN = 50_000;

/** Milliseconds for saying goodbye to the database. */
const GOODBYE = 5000;

/** Milliseconds that a turn of the event loop takes at most when there is nothing to do. */
const EMPTY_TURN = 0.2;

/** Tenths of a second without a request after which it is over: a new connection may bring one first. */
const QUIET = 5;

export async function start(config: Config): Promise<void> {
  const logger = createLogger(config);
  exitOnBugs(logger);
  const services = await open(config, logger);
  const server = createServer({ keepAliveTimeout: KEEP_ALIVE, requestTimeout: LONGEST_REQUEST }, createApp(services));
  // Above the time for kept connections, else it would close those.
  server.headersTimeout = KEEP_ALIVE + 1000;
  const running = track(server);
  const sockets = new WebSockets(server, services);
  await listen(server, config);
  logger.info({ version: VERSION, host: config.HOST, port: config.PORT }, 'Listening');

  const stop = (signal: NodeJS.Signals) => {
    if (services.draining) {
      logger.warn({ signal }, 'Asked twice to stop; leaving at once');
      process.exit(1);
    }
    void shutDown(services, server, running, sockets, signal);
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
}

async function open(config: Config, logger: Logger): Promise<Services> {
  const pool = createPool(config, logger);
  await whenReachable(config.DATABASE_URL, () => pool.query('SELECT 1'), (message) => { logger.warn(message); });
  const redis = config.REDIS_URL === undefined ? undefined : await connectRedis(config.REDIS_URL, logger);
  await removeAbandoned(config.UPLOAD_DIR);
  forgetOldEvents({ pool, logger });
  // Ready before the first unknown user, without holding up the start.
  void decoy(config.BCRYPT_SALT_ROUNDS);
  return { config, logger, pool, redis, draining: false };
}

async function listen(server: Server, { HOST, PORT }: Config): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => {
      reject(new Error(`Cannot listen on ${HOST}:${PORT}: ${error.message}`, { cause: error }));
    });
    server.listen(PORT, HOST, resolve);
  });
}

/** The responses that are not finished yet. */
function track(server: Server): Set<ServerResponse> {
  const running = new Set<ServerResponse>();
  server.on('request', (_req, res) => {
    running.add(res);
    res.on('close', () => running.delete(res));
  });
  return running;
}

async function shutDown(
  services: Services,
  server: Server,
  running: Set<ServerResponse>,
  sockets: WebSockets,
  signal: NodeJS.Signals,
): Promise<void> {
  const { logger, pool, redis } = services;
  services.draining = true;
  logger.info({ signal, running: running.size }, 'Stopping: finishing what is running');
  for (const res of running) {
    if (!res.headersSent) res.setHeader('Connection', 'close');
  }
  sockets.close();
  await sleep(NOTICE);

  const drained = await drain(server, running);
  if (!drained) logger.error({ running: running.size }, 'Cutting off what does not end');
  server.closeAllConnections();
  sockets.terminate();

  await withTimeout(pool.end(), GOODBYE).catch((err: unknown) => { logger.warn({ err }, 'Cannot close the pool'); });
  redis?.destroy();
  logger.info('Stopped');
  await reported();
  process.exit(drained ? 0 : 1);
}

/** Close the doors, and wait for the requests that are inside. @returns whether all ended in time. */
async function drain(server: Server, running: Set<ServerResponse>): Promise<boolean> {
  await everybodyInside(server);
  server.close();
  const deadline = Date.now() + DRAIN;
  for (let quiet = 0; quiet < QUIET; quiet = running.size === 0 ? quiet + 1 : 0) {
    if (Date.now() > deadline) return false;
    await sleep(100);
    server.closeIdleConnections();
  }
  return true;
}

/**
 * Until no connection waits at the door, or for a second where there always is one: closing resets those that
 * the kernel has taken and we have not. A turn of the event loop takes one; a turn in which nothing happened
 * at all has just found none.
 */
async function everybodyInside(server: Server): Promise<void> {
  const deadline = Date.now() + 1000;
  const turn = { start: 0, busy: true };
  const notice = () => { turn.busy = true; };
  server.on('connection', notice);
  while (turn.busy && Date.now() < deadline) {
    turn.busy = false;
    turn.start = performance.now();
    await setImmediate();
    turn.busy ||= performance.now() - turn.start > EMPTY_TURN;
  }
  server.off('connection', notice);
}

/** After an error that nobody caught the state is unknown: the platform starts a new process. */
function exitOnBugs(logger: Logger): void {
  for (const event of ['uncaughtException', 'unhandledRejection']) {
    process.on(event, (err: unknown) => {
      logger.fatal({ err }, event);
      void reported().finally(() => process.exit(1));
    });
  }
}
