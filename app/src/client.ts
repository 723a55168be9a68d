import { existsSync } from 'node:fs';
import path from 'node:path';
import express, { Router } from 'express';
import { APP_ROOT } from './config.ts';

const DIST = path.join(APP_ROOT, 'client', 'dist');

/** The built client, if it is there: Vite names assets after their content, so they never change. */
export function clientRoutes(directory = DIST): Router {
  const router = Router();
  if (!existsSync(path.join(directory, 'index.html'))) return router;
  const page: express.RequestHandler = (req, res, next) => {
    if (req.method !== 'GET' && req.method !== 'HEAD') {
      next();
      return;
    }
    // A missing script must not become a page: the browser would only say that it cannot parse it.
    if (path.extname(req.path) !== '' || !req.accepts('html')) {
      next();
      return;
    }
    res.set('Cache-Control', 'no-cache').sendFile('index.html', { root: directory, cacheControl: false });
  };
  return router
    .use('/assets', express.static(path.join(directory, 'assets'), { immutable: true, maxAge: '1y', index: false }))
    .use(
      express.static(directory, {
        index: 'index.html',
        redirect: false,
        setHeaders: (res) => { res.setHeader('Cache-Control', 'no-cache'); },
      }),
    )
    .use(page);
}
