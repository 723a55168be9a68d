import { readFileSync } from 'node:fs';
import path from 'node:path';
import { APP_ROOT } from './config.ts';

/** The release, from package.json: npm's variables are only there under npm. */
export const VERSION = (
  JSON.parse(readFileSync(path.join(APP_ROOT, 'package.json'), 'utf8')) as { version: string }
).version;
