import { json, Router, type Request, type RequestHandler } from 'express';
import jwt from 'jsonwebtoken';
import { z } from 'zod';
import type { Config } from './config.ts';
import { HttpError, requireType, validate } from './errors.ts';
import { recordEvent } from './events.ts';
import { verifyPassword } from './passwords.ts';
import { limitLogins } from './rate-limit.ts';
import type { Services } from './services.ts';

export interface User {
  id: string;
  email: string;
}

declare module 'express-serve-static-core' {
  interface Request {
    /** Set by `requireUser`. */
    user?: User;
  }
}

const credentials = z.strictObject({ email: z.email().max(320), password: z.string().max(1000) });

const claims = z.object({ sub: z.uuid(), exp: z.number() });

export function authRoutes(services: Services): Router {
  const { config, pool } = services;
  return Router()
    .post('/login', limitLogins(services), requireType('application/json'), json({ limit: '10kb' }), async (req, res) => {
      const { email, password } = validate(credentials, req.body);
      const { rows } = await pool.query<User & { password_hash: string }>(
        'SELECT id, email, password_hash FROM users WHERE lower(email) = lower($1)',
        [email],
      );
      const user = rows[0];
      if (!(await verifyPassword(password, user?.password_hash, config.BCRYPT_SALT_ROUNDS)) || !user) {
        await recordEvent(pool, req, 'login.failed', user?.id ?? null, { email });
        throw new HttpError(401, 'E-mail address or password is wrong');
      }
      await recordEvent(pool, req, 'login.succeeded', user.id, {});
      res.json({ token: signToken(user.id, config), expiresIn: config.JWT_EXPIRES_IN });
    })
    .get('/me', requireUser(services), (req, res) => {
      res.json(userOf(req));
    });
}

function signToken(userId: string, config: Config): string {
  return jwt.sign({}, config.JWT_SECRET, { algorithm: 'HS256', subject: userId, expiresIn: config.JWT_EXPIRES_IN });
}

/**
 * The user whom a token was made for, and when it ends.
 *
 * @throws HttpError 401 for a token that is not ours, has expired, or whose user is gone.
 */
export async function authenticate({ config, pool }: Services, token: string): Promise<{ user: User; expires: Date }> {
  const { sub, exp } = verifyToken(token, config);
  const { rows } = await pool.query<User>('SELECT id, email FROM users WHERE id = $1', [sub]);
  if (!rows[0]) throw new HttpError(401, 'The account is gone');
  return { user: rows[0], expires: new Date(exp * 1000) };
}

/** By the key that signs, or else by the one before it: a rotation signs nobody out. */
function verifyToken(token: string, config: Config): z.output<typeof claims> {
  const keys = [config.JWT_SECRET, config.JWT_SECRET_PREVIOUS].filter((key) => key !== undefined);
  let refusal: unknown;
  for (const key of keys) {
    try {
      return claims.parse(jwt.verify(token, key, { algorithms: ['HS256'] }));
    } catch (error) {
      // That it has expired is only said of a token whose signature is right.
      if (!(refusal instanceof jwt.TokenExpiredError)) refusal = error;
    }
  }
  throw new HttpError(401, refusal instanceof jwt.TokenExpiredError ? 'The session has expired' : 'The token is not valid');
}

/** Lets only those through who carry a Bearer token. */
export function requireUser(services: Services): RequestHandler {
  return async (req, _res, next) => {
    const token = /^Bearer +(\S+)$/i.exec(req.get('Authorization') ?? '')?.[1];
    if (token === undefined) throw new HttpError(401, 'Sign in first: a Bearer token is needed');
    req.user = (await authenticate(services, token)).user;
    next();
  };
}

/** The user that `requireUser` found. */
export function userOf(req: Request): User {
  if (!req.user) throw new Error('The route lacks requireUser');
  return req.user;
}
