import type { Config } from './config.ts';
import { VERSION } from './version.ts';

/** Milliseconds that the end of the process waits for it. */
const FLUSH = 2000;

/** Share of the requests that are traced. */
const SAMPLED = 0.1;

let flush: () => Promise<unknown> = () => Promise.resolve();

/** Reports errors to Sentry when SENTRY_DSN is set; otherwise the library is not even loaded. */
export async function startErrorTracking({ SENTRY_DSN, NODE_ENV }: Config): Promise<void> {
  if (SENTRY_DSN === undefined) return;
  const Sentry = await import('@sentry/node');
  Sentry.init({
    dsn: SENTRY_DSN,
    environment: NODE_ENV,
    release: VERSION,
    // Not what the sender of a request would like to have traced, and no health checks: there are thousands a day.
    tracesSampler: ({ name, attributes, normalizedRequest }) =>
      [name, attributes['url.path'], attributes['http.target'], normalizedRequest?.url].some(isHealthCheck) ? 0 : SAMPLED,
    // By default bodies are collected too, and with them passwords.
    dataCollection: { userInfo: false, cookies: false, httpHeaders: false, httpBodies: [], urlQueryParams: false },
  });
  flush = () => Sentry.flush(FLUSH);
}

function isHealthCheck(said: unknown): boolean {
  return typeof said === 'string' && said.includes('/api/health');
}

/** Until what was captured has left, before the process ends. */
export async function reported(): Promise<void> {
  await flush();
}
