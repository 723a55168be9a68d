import { randomUUID } from 'node:crypto';
import type { RequestHandler } from 'express';
import type { Logger } from 'pino';

declare module 'express-serve-static-core' {
  interface Request {
    /** Ties the answer to its log records. */
    id: string;
  }
}

/** Milliseconds from which a request is slow. */
const SLOW = 5000;

const CONFIDENTIAL = /token|secret|password|passwd|key|code|signature|auth|session/i;

/** Logs each request when it is over. Health checks only at debug: there are thousands a day. */
export function requestLog(logger: Logger): RequestHandler {
  return (req, res, next) => {
    const start = performance.now();
    req.id = randomUUID();
    res.set('X-Request-Id', req.id);
    const { method, ip } = req;
    const url = withoutSecrets(req.originalUrl);
    res.on('close', () => {
      const duration = Math.round(performance.now() - start);
      const record = {
        requestId: req.id,
        method,
        url,
        status: res.statusCode,
        duration,
        ip,
        userAgent: req.get('User-Agent'),
        // The client left before it had the whole answer.
        ...(!res.writableFinished && { aborted: true }),
      };
      logger[url.startsWith('/api/health') ? 'debug' : 'info'](record, 'Request completed');
      if (duration > SLOW) logger.warn(record, 'Slow request detected');
    });
    next();
  };
}

/** A URL whose confidential query parameters are masked. */
export function withoutSecrets(url: string): string {
  const [path = '', query] = url.split(/\?(.*)/s);
  if (!query) return path;
  const masked = query
    .split('&')
    .map((pair) => {
      const name = pair.split('=', 1)[0] ?? '';
      return CONFIDENTIAL.test(decodeLoosely(name)) ? `${name}=[redacted]` : pair;
    })
    .join('&');
  return `${path}?${masked}`;
}

function decodeLoosely(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
