import type { Config } from './config.ts';
import { VERSION } from './version.ts';

/** Milliseconds that the end of the process waits for it. */
const FLUSH = 2000;

let flush: () => Promise<unknown> = () => Promise.resolve();

/** Reports errors to Sentry when SENTRY_DSN is set; otherwise the library is not even loaded. */
export async function startErrorTracking({ SENTRY_DSN, NODE_ENV }: Config): Promise<void> {
  if (SENTRY_DSN === undefined) return;
  const Sentry = await import('@sentry/node');
  Sentry.init({
    dsn: SENTRY_DSN,
    environment: NODE_ENV,
    release: VERSION,
    tracesSampleRate: 0.1,
    // By default bodies are collected too, and with them passwords.
    dataCollection: { userInfo: false, cookies: false, httpHeaders: false, httpBodies: [], urlQueryParams: false },
  });
  flush = () => Sentry.flush(FLUSH);
}

/** Until what was captured has left, before the process ends. */
export async function reported(): Promise<void> {
  await flush();
}
