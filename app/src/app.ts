import compression from 'compression';
import express, { Router, type Express, type RequestHandler } from 'express';
import helmet from 'helmet';
import { authRoutes } from './auth.ts';
import { clientRoutes } from './client.ts';
import { documentRoutes } from './documents.ts';
import { errorHandler, notFound } from './errors.ts';
import { healthRoutes } from './health.ts';
import { quizRoutes } from './quizzes.ts';
import { limitRate } from './rate-limit.ts';
import { requestLog } from './request-log.ts';
import type { Services } from './services.ts';

export function createApp(services: Services): Express {
  const app = express();
  // Each proxy in front adds an entry to X-Forwarded-For; the others are the client's to invent.
  app.set('trust proxy', services.config.TRUSTED_PROXIES);
  app.use(requestLog(services.logger));
  app.use(closeWhenDraining(services));
  app.use(securityHeaders());
  if (services.config.ENABLE_COMPRESSION) app.use(compression());
  app.use('/api', apiRoutes(services));
  app.use(clientRoutes());
  app.use(notFound);
  app.use(errorHandler(services));
  return app;
}

function apiRoutes(services: Services): Router {
  return Router()
    .use('/health', healthRoutes(services))
    .use(limitRate(services))
    .use((_req, res, next) => {
      res.set('Cache-Control', 'no-store');
      next();
    })
    .use('/auth', authRoutes(services))
    .use('/documents', documentRoutes(services))
    .use('/quizzes', quizRoutes(services))
    .use(notFound);
}

/** Sends clients of kept connections away, to open the next one elsewhere. */
function closeWhenDraining(services: Services): RequestHandler {
  return (_req, res, next) => {
    if (services.draining) res.set('Connection', 'close');
    next();
  };
}

function securityHeaders(): RequestHandler {
  return helmet({
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'self'"],
        imgSrc: ["'self'", 'data:'],
        objectSrc: ["'none'"],
        baseUri: ["'self'"],
        formAction: ["'self'"],
        frameAncestors: ["'none'"],
      },
    },
    frameguard: { action: 'deny' },
  });
}
