/** The process: opens what it needs, serves, and stops without losing a request. */

import { createServer, type Server, type ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { createApp } from './app.ts';
import type { Config } from './config.ts';
import { createPool, whenReachable } from './database.ts';
import { removeAbandoned } from './documents.ts';
import { createLogger } from './logger.ts';
import { decoy } from './passwords.ts';
import { connectRedis } from './redis.ts';
import type { Services } from './services.ts';
import { VERSION } from './version.ts';
import { WebSockets } from './websocket.ts';
import type { Logger } from 'pino';

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

  const closed = new Promise<boolean>((resolve) => server.close(() => { resolve(true); }));
  // Connections whose last response had left before the wish to stop are kept open; close them once they are idle.
  const sweep = setInterval(() => { server.closeIdleConnections(); }, 100);
  const drained = await Promise.race([closed, sleep(DRAIN, false)]);
  clearInterval(sweep);
  if (!drained) logger.error({ running: running.size }, 'Cutting off what does not end');
  server.closeAllConnections();
  sockets.terminate();

  await pool.end();
  if (redis?.isReady) await redis.close();
  else redis?.destroy();
  logger.info('Stopped');
  process.exit(drained ? 0 : 1);
}

/** After an error that nobody caught the state is unknown: the platform starts a new process. */
function exitOnBugs(logger: Logger): void {
  for (const event of ['uncaughtException', 'unhandledRejection']) {
    process.on(event, (err: unknown) => {
      logger.fatal({ err }, event);
      process.exit(1);
    });
  }
}
