/** Runs the test files given, or all, with one PostgreSQL for them together. */

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { databaseOn, execute, find, MIGRATED, Postgres, SHARED_POSTGRES } from './servers.ts';

const CONCURRENT_FILES = 3;

const named = process.argv.slice(2);
const all = readdirSync(import.meta.dirname).filter((name) => name.endsWith('.test.ts'));
const files = named.length > 0 ? named : all.map((name) => path.join(import.meta.dirname, name));

// At once, rather than in the middle.
for (const server of ['initdb', 'postgres', 'redis-server', 'pg_dump', 'moto_server']) find(server);

const postgres = await Postgres.launch();
try {
  await execute(postgres.url, `CREATE DATABASE ${MIGRATED}`);
  execFileSync(process.execPath, [path.join(import.meta.dirname, '..', 'dist', 'migrate.js'), 'up'], {
    env: { DATABASE_URL: databaseOn(postgres.url, MIGRATED) },
  });
  const args = ['--import', 'tsx', '--test', '--test-reporter=spec', '--test-timeout=120000', `--test-concurrency=${CONCURRENT_FILES}`, ...files];
  const runner = spawn(process.execPath, args, {
    stdio: 'inherit',
    env: { ...process.env, [SHARED_POSTGRES]: postgres.url },
  });
  // Passed on by the terminal too: the runner stops its tests, and then we the server.
  process.on('SIGINT', () => undefined);
  process.on('SIGTERM', () => runner.kill());
  const [code] = (await once(runner, 'exit')) as [number | null];
  process.exitCode = code ?? 1;
} finally {
  await postgres.remove();
}
