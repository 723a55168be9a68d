import type { ErrorRequestHandler, RequestHandler } from 'express';
import type { z } from 'zod';
import { isConnectionError } from './database.ts';
import type { Services } from './services.ts';

/** A refusal that the client is told about. */
export class HttpError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

/** The value, when it is what the schema wants. @throws HttpError 400 naming each wrong field. */
export function validate<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const problems = result.error.issues.map(({ path, message }) => `${path.join('.') || 'body'}: ${message}`);
  throw new HttpError(400, problems.join('; '));
}

/** Refuse bodies that are not of a media type. */
export function requireType(type: string): RequestHandler {
  return (req, _res, next) => {
    if (!req.is(type)) throw new HttpError(415, `Content-Type must be ${type}`);
    next();
  };
}

export const notFound: RequestHandler = (req) => {
  throw new HttpError(404, `There is no ${req.method} ${req.originalUrl.split('?')[0] ?? ''}`);
};

/** Answers every error with JSON, and logs those that are ours. */
export function errorHandler({ logger }: Services): ErrorRequestHandler {
  return (error: unknown, req, res, next) => {
    const { status, message } = toHttpError(error);
    if (status >= 500) logger.error({ err: error, requestId: req.id }, 'Request failed');
    if (res.headersSent) {
      // Too late for another answer: Express cuts the connection, so that the client sees it is incomplete.
      next(error);
      return;
    }
    if (status === 401) res.set('WWW-Authenticate', 'Bearer');
    if (status === 503 || status === 429) res.set('Retry-After', '5');
    res.status(status).json({ error: message, ...(status >= 500 && { requestId: req.id }) });
  };
}

interface HttpLikeError {
  status: number;
  expose: boolean;
  type: string;
  message: string;
  /** Set when the file system failed: the message then names a path of the server. */
  syscall: string;
}

/** What a client is told about an error. */
export function toHttpError(error: unknown): HttpError {
  if (error instanceof HttpError) return error;
  if (isConnectionError(error)) return new HttpError(503, 'The database is not available; try again');
  // What Express and its body parsers throw: they say which part may be shown.
  const { status, expose, type, message, syscall } = error as Partial<HttpLikeError>;
  if (type === 'entity.parse.failed') return new HttpError(400, 'The body is not valid JSON');
  if (status !== undefined && syscall !== undefined) return new HttpError(status, 'The file is not there');
  if (status !== undefined && status < 500 && expose !== false) return new HttpError(status, message ?? 'Bad request');
  return new HttpError(500, 'Something went wrong on our side');
}
