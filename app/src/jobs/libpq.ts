import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { rootCertificates, type ConnectionOptions } from 'node:tls';
import type pg from 'pg';

/**
 * The connection of node-postgres, for libpq. The password goes into the child's environment, where its own user
 * alone can read it, as in ours; on a command line everybody could.
 *
 * @param directory for the files that it names.
 */
export async function libpqEnvironment(client: pg.Client, directory: string): Promise<NodeJS.ProcessEnv> {
  return {
    PATH: process.env['PATH'],
    LC_ALL: 'C',
    PGHOST: client.host,
    PGPORT: String(client.port),
    PGUSER: client.user,
    PGDATABASE: client.database,
    PGAPPNAME: 'stromhaltig-dump',
    PGCONNECT_TIMEOUT: '10',
    ...(client.password && { PGPASSWORD: client.password }),
    ...(await tlsEnvironment(client.ssl, directory)),
  };
}

/** As strict as the app's own connection, and with the same authorities: libpq means less by the same `sslmode`. */
export async function tlsEnvironment(ssl: boolean | ConnectionOptions, directory: string): Promise<NodeJS.ProcessEnv> {
  if (ssl === false) return { PGSSLMODE: 'disable' };
  const { ca, rejectUnauthorized, checkServerIdentity } = ssl === true ? {} : ssl;
  if (rejectUnauthorized === false) return { PGSSLMODE: 'require' };
  const file = path.join(directory, 'authorities.pem');
  await writeFile(file, (ca === undefined ? await trusted() : [ca].flat()).join('\n'));
  return { PGSSLMODE: checkServerIdentity === undefined ? 'verify-full' : 'verify-ca', PGSSLROOTCERT: file };
}

/** The authorities that Node trusts. */
async function trusted(): Promise<string[]> {
  const extra = process.env['NODE_EXTRA_CA_CERTS'];
  return extra === undefined ? [...rootCertificates] : [...rootCertificates, await readFile(extra, 'utf8')];
}
