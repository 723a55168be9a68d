/** Command line: create a user. The password comes from standard input, where no process list shows it. */

import { text } from 'node:stream/consumers';
import type pg from 'pg';
import { z } from 'zod';
import { ConfigError, EXIT_CONFIG, readDatabaseConfig } from './config.ts';
import { connect, whenReachable } from './database.ts';
import { hashPassword } from './passwords.ts';

const UNIQUE_VIOLATION = '23505';

async function main(): Promise<string> {
  const [address, ...rest] = process.argv.slice(2);
  const email = z.email().safeParse(address);
  if (!email.success || rest.length > 0) throw new Error('Usage: user:add EMAIL, with the password on standard input');
  const config = readDatabaseConfig();
  if (process.stdin.isTTY) process.stderr.write('Password, then Enter and Ctrl-D: ');
  const hash = await hashPassword((await text(process.stdin)).replace(/\r?\n$/, ''), config.BCRYPT_SALT_ROUNDS);
  const client = await whenReachable(
    config.DATABASE_URL,
    () => connect(config.DATABASE_URL, 'stromhaltig-user-add'),
    (message) => { console.error(message); },
  );
  try {
    await client.query('INSERT INTO users (email, password_hash) VALUES ($1, $2)', [email.data, hash]);
  } catch (error) {
    if ((error as pg.DatabaseError).code === UNIQUE_VIOLATION) {
      throw new Error(`${email.data} has an account already`, { cause: error });
    }
    throw error;
  } finally {
    await client.end();
  }
  return `Added ${email.data}`;
}

await main().then(
  (message) => { console.log(message); },
  (error: unknown) => {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = error instanceof ConfigError ? EXIT_CONFIG : 1;
  },
);
