/**
 * Command line of the migrations: up, status [--json], rollback [--to VERSION].
 *
 * Exit code 0: done; for status, nothing is pending. 1: failed. 2: status, and something is pending.
 * 64: wrong arguments. 78: wrong environment.
 */

import path from 'node:path';
import { parseArgs } from 'node:util';
import type pg from 'pg';
import { APP_ROOT, ConfigError, EXIT_CONFIG, readDatabaseConfig } from './config.ts';
import { connect, whenReachable } from './database.ts';
import { isReversible, migrate, padded, readMigrations, readStatus, rollback, type Migration, type Status } from './migrations.ts';

const USAGE = 'Usage: migrate up | status [--json] | rollback [--to VERSION], with a VERSION like 002; 0 undoes everything';
const EXIT_PENDING = 2;
const EXIT_USAGE = 64;

const print = (message: string) => { console.log(message); };

type Command = (client: pg.ClientBase, migrations: Migration[]) => Promise<void>;

function readCommand(): Command | undefined {
  try {
    const { positionals, values } = parseArgs({
      allowPositionals: true,
      options: { to: { type: 'string' }, json: { type: 'boolean' } },
    });
    const [name, ...rest] = positionals;
    if (rest.length > 0 || (values.to !== undefined && (name !== 'rollback' || !/^\d{1,6}$/.test(values.to)))) {
      return undefined;
    }
    if (values.json && name !== 'status') return undefined;
    const target = values.to === undefined ? undefined : Number(values.to);
    const commands: Record<string, Command> = {
      up: (client, migrations) => migrate(client, migrations, print),
      status: (client, migrations) => status(client, migrations, values.json ? printJson : printText),
      rollback: (client, migrations) => rollback(client, migrations, target, print),
    };
    return name === undefined ? undefined : commands[name];
  } catch {
    return undefined;
  }
}

async function status(
  client: pg.ClientBase,
  migrations: Migration[],
  show: (found: Status, migrations: Migration[]) => void | Promise<void>,
) {
  const found = await readStatus(client, migrations);
  await show(found, migrations);
  if (found.pending.length > 0) process.exitCode = EXIT_PENDING;
}

function printText({ applied, pending, unknown }: Status) {
  for (const { name, applied_at } of applied) {
    const note = unknown.some((row) => row.name === name) ? ', by a newer release' : '';
    print(`${name}  applied ${applied_at.toISOString()}${note}`);
  }
  for (const { name } of pending) print(`${name}  pending`);
  print(`The database is at version ${padded(applied.at(-1)?.version ?? 0)}; ${pending.length} pending`);
}

/** For the deployment, on one line: logs of containers are read line by line. */
async function printJson({ applied, unknown }: Status, migrations: Migration[]) {
  const known = migrations.map(async (migration) => {
    const row = applied.find(({ version }) => version === migration.version);
    return {
      version: migration.version,
      name: migration.name,
      state: row ? 'applied' : 'pending',
      appliedAt: row?.applied_at ?? null,
      reversible: await isReversible(migration),
    };
  });
  const newer = unknown.map(({ version, name, applied_at }) => (
    { version, name, state: 'unknown', appliedAt: applied_at, reversible: false }
  ));
  print(JSON.stringify({ migrations: [...(await Promise.all(known)), ...newer] }));
}

async function main() {
  const command = readCommand();
  if (!command) {
    console.error(USAGE);
    process.exitCode = EXIT_USAGE;
    return;
  }
  const { DATABASE_URL } = readDatabaseConfig();
  const migrations = await readMigrations(path.join(APP_ROOT, 'migrations'));
  const client = await whenReachable(DATABASE_URL, () => connect(DATABASE_URL, 'stromhaltig-migrate'), print);
  try {
    await command(client, migrations);
  } finally {
    await client.end();
  }
}

await main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = error instanceof ConfigError ? EXIT_CONFIG : 1;
});
