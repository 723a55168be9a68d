import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, beforeEach, describe, test, type TestContext } from 'node:test';
import { crc32, gunzipSync } from 'node:zlib';
import pg from 'pg';
import { DumpInspector } from '../src/jobs/dump-inspector.ts';
import { tlsEnvironment } from '../src/jobs/libpq.ts';
import { addUser, migratedDatabase } from './app.ts';
import { Bucket, insteadOf, JobProcess, runJob } from './jobs.ts';
import { createDatabase, eventually, execute, find, Postgres } from './servers.ts';

let bucket: Bucket;
let databaseUrl: string;
let temporary: string;

before(async () => { bucket = await Bucket.launch(); });
after(() => bucket.remove());
beforeEach(async (t) => {
  databaseUrl = await migratedDatabase();
  temporary = mkdtempSync(path.join(tmpdir(), 'stromhaltig-jobs-'));
  (t as TestContext).after(() => { rmSync(temporary, { recursive: true }); });
});

function environment(more: Record<string, string | undefined> = {}) {
  return {
    ...bucket.environment(`${databaseName()}/`),
    DATABASE_URL: databaseUrl,
    TMPDIR: temporary,
    npm_config_cache: path.join(temporary, 'npm'),
    ...more,
  };
}

function databaseName(): string {
  return path.basename(new URL(databaseUrl).pathname);
}

async function mine(): Promise<string[]> {
  return (await bucket.keys()).filter((key) => key.startsWith(`${databaseName()}/`));
}

/** Text that does not pack, so that a dump of it has several parts. */
async function fill(megabytes: number) {
  await execute(databaseUrl, 'CREATE TABLE noise (bytes text)');
  for (let done = 0; done < megabytes; done += 4) {
    await execute(databaseUrl, `INSERT INTO noise VALUES ('${randomBytes(3 * 1024 ** 2).toString('base64')}')`);
  }
}

async function assertNothingLeft() {
  assert.deepEqual(await mine(), []);
  assert.equal(await bucket.unfinished(), 0);
  assert.deepEqual(readdirSync(temporary).filter((name) => name.startsWith('dump-')), []);
}

describe('dump', () => {
  test('what it uploads restores to the same database', async () => {
    await addUser(databaseUrl, 'äöü@example.org');
    const job = await runJob('dump', environment());
    assert.equal(job.code, 0, job.output);
    const [key, ...rest] = await mine();
    assert.deepEqual(rest, []);
    const name = databaseName();
    assert.match(key ?? '', new RegExp(`^${name}/\\d{8}T\\d{6}Z-${name}\\.sql\\.gz$`));
    const stored = await bucket.read(key ?? '');
    const restored = await createDatabase();
    execFileSync(find('psql'), ['--quiet', '--set', 'ON_ERROR_STOP=1', restored], { input: gunzipSync(stored), stdio: 'pipe' });
    const users = 'SELECT * FROM users';
    assert.deepEqual(await execute(restored, users), await execute(databaseUrl, users));
    const [record] = job.logged('Dumped the database');
    assert.equal(record?.['bytes'], stored.length);
    assert.equal(record['crc32'], crc32Of(stored));
    assert.equal(record['job'], 'dump');
    assert.deepEqual(readdirSync(temporary).filter((file) => file.startsWith('dump-')), []);
  });

  test('a dump of several parts arrives whole', async () => {
    await fill(44);
    const job = await runJob('dump', environment());
    assert.equal(job.code, 0, job.output);
    const stored = await bucket.read((await mine())[0] ?? '');
    assert(stored.length > 2 * 16 * 1024 ** 2, `${stored.length} bytes are three parts`);
    assert.match(gunzipSync(stored).subarray(-300).toString(), /\n-- PostgreSQL database dump complete\n/);
    const [record] = job.logged('Dumped the database');
    assert.deepEqual([record?.['bytes'], record?.['crc32']], [stored.length, crc32Of(stored)]);
    assert.equal(await bucket.unfinished(), 0);
  });

  test('the address may come from a file', async () => {
    const file = path.join(temporary, 'DATABASE_URL');
    writeFileSync(file, `${databaseUrl}\n`);
    const job = await runJob('dump', environment({ DATABASE_URL: undefined, DATABASE_URL_FILE: file }));
    assert.equal(job.code, 0, job.output);
    assert.equal((await mine()).length, 1);
  });

  for (const [what, script, says] of [
    ['fails at once', 'echo "pg_dump: error: no way" >&2; exit 1', /pg_dump ended with 1: pg_dump: error: no way"/],
    ['fails after all was written', 'PGOPTIONS= "$REAL" "$@"; exit 3', /pg_dump ended with 3: it says nothing"/],
    ['stops early and says that all is well', '"$REAL" "$@" | head -c 2000; exit 0', /The dump is not whole: it does not come to an end"/],
    ['leaves out a table', '"$REAL" "$@" --exclude-table=users', /The dump is not whole: it lacks the table public\.users"/],
  ] as const) {
    test(`nothing is stored when pg_dump ${what}`, async (t) => {
      const fake = insteadOf('pg_dump', script.replaceAll('"$REAL"', find('pg_dump')));
      t.after(fake.remove);
      const job = await runJob('dump', environment({ PATH: fake.path }));
      assert.equal(job.code, 1, job.output);
      const errors = job.logged('error');
      assert.equal(errors.length, 1);
      assert.match(JSON.stringify(errors[0]), says);
      await assertNothingLeft();
    });
  }

  test('parts that were stored are given back when pg_dump fails late', async (t) => {
    await fill(44);
    const fake = insteadOf('pg_dump', `${find('pg_dump')} "$@" | head -c 40000000; exit 1`);
    t.after(fake.remove);
    const job = await runJob('dump', environment({ PATH: fake.path, AWS_MAX_ATTEMPTS: '1' }));
    assert.equal(job.code, 1, job.output);
    await assertNothingLeft();
  });

  test('at SIGTERM it gives back what it has stored, and goes', async (t) => {
    await fill(44);
    const fake = insteadOf('pg_dump', `${find('pg_dump')} "$@" | head -c 40000000; touch ${temporary}/waits; exec sleep 60`);
    t.after(fake.remove);
    const job = new JobProcess('dump', environment({ PATH: fake.path }));
    await eventually('parts are stored', async () => existsSync(`${temporary}/waits`) && (await bucket.unfinished()) === 1);
    const start = Date.now();
    job.signal('SIGTERM');
    const code = await job.ended;
    assert(Date.now() - start < 10_000);
    assert.equal(code, 143);
    assert.equal(job.logged('Stopped before the end').length, 1, job.output);
    await assertNothingLeft();
  });

  test('it signs with the role of its task', async (t) => {
    const asked: string[] = [];
    const agent = createServer((req, res) => {
      asked.push(`${req.url ?? ''} ${req.headers.authorization ?? ''}`);
      const Expiration = new Date(Date.now() + 3_600_000).toISOString();
      res.end(JSON.stringify({ AccessKeyId: 'testing', SecretAccessKey: 'testing', Token: 'token', Expiration }));
    }).listen(0, '127.0.0.1');
    t.after(() => agent.close());
    await once(agent, 'listening');
    const address = `http://127.0.0.1:${(agent.address() as AddressInfo).port}/v2/credentials/role`;
    const noKeys = { AWS_ACCESS_KEY_ID: undefined, AWS_SECRET_ACCESS_KEY: undefined };
    const job = await runJob(
      'dump',
      environment({ ...noKeys, AWS_CONTAINER_CREDENTIALS_FULL_URI: address, AWS_CONTAINER_AUTHORIZATION_TOKEN: 'agent' }),
    );
    assert.equal(job.code, 0, job.output);
    assert.deepEqual([...new Set(asked)], ['/v2/credentials/role agent']);
  });

  test('a bucket that is not there fails it', async () => {
    const job = await runJob('dump', environment({ BACKUP_BUCKET: 'elsewhere' }));
    assert.equal(job.code, 1);
    assert.match(job.logged('error')[0]?.msg ?? '', /The job failed: .*bucket does not exist/);
  });

  test('a part that arrives damaged is not kept', async (t) => {
    t.after(() => { bucket.network.cuts = () => false; });
    bucket.network.cuts = (says, side) => side === 'client' && says.startsWith('PUT ');
    const job = await runJob('dump', environment({ AWS_MAX_ATTEMPTS: '2' }));
    assert.equal(job.code, 1, job.output);
    await assertNothingLeft();
  });

  test('an empty database is no success', async () => {
    databaseUrl = await createDatabase();
    const job = await runJob('dump', environment());
    assert.equal(job.code, 1);
    assert.match(job.logged('error')[0]?.msg ?? '', /holds no table\. Did the migrations run\?$/);
    await assertNothingLeft();
  });

  test('a wrong environment is told at once, without the values of secrets', async () => {
    const job = await runJob('dump', environment({ DATABASE_URL: 'mysql://app:geheim@db/x', BACKUP_BUCKET: undefined }));
    assert.equal(job.code, 78);
    assert.match(job.output, /DATABASE_URL: the value \(not shown\) is not an address/);
    assert.match(job.output, /BACKUP_BUCKET: is missing, and must be the name of a bucket\. Set it\./);
    assert(!job.output.includes('geheim'));
  });

  test('the password is neither on the command line nor in the log', async (t) => {
    const fake = insteadOf('pg_dump', `echo "$PGPASSWORD" > ${temporary}/password; echo "$@" >&2; exec ${find('pg_dump')} "$@"`);
    t.after(fake.remove);
    const secret = 'ge heim/%';
    const url = databaseUrl.replace(':unused@', `:${encodeURIComponent(secret)}@`);
    const job = await runJob('dump', environment({ PATH: fake.path, DATABASE_URL: url, LOG_LEVEL: 'debug' }));
    assert.equal(job.code, 0, job.output);
    assert.equal(execFileSync('cat', [`${temporary}/password`], { encoding: 'utf8' }), `${secret}\n`);
    assert.match(job.output, /--format=plain/);
    for (const shown of [secret, encodeURIComponent(secret)]) assert(!job.output.includes(shown));
  });

  for (const [query, expected] of [
    ['', 'disable '],
    ['?sslmode=disable', 'disable '],
    ['?sslmode=no-verify', 'require '],
    ['?sslmode=require', 'verify-full /'],
    ['?sslmode=verify-full', 'verify-full /'],
  ] as const) {
    test(`libpq is as strict as the app is with "${query}"`, async (t) => {
      const client = new pg.Client({ connectionString: databaseUrl + query });
      t.after(() => client.end());
      const env = await tlsEnvironment(client.ssl, temporary);
      assert(`${env['PGSSLMODE'] ?? ''} ${env['PGSSLROOTCERT'] ?? ''}`.startsWith(expected));
    });
  }
});

describe('dump over TLS', { skip: hasOpenssl() ? false : 'openssl is not installed' }, () => {
  let server: Postgres;
  let authority: string;
  before(async () => {
    server = await Postgres.launch();
    authority = await encrypt(server.url);
    await execute(`${server.url}?sslmode=no-verify`, 'CREATE TABLE users (id int)');
  });
  after(() => server.remove());

  for (const [mode, trusts, code] of [
    ['require', true, 0],
    ['verify-full', true, 0],
    ['no-verify', false, 0],
    ['require', false, 1],
    ['disable', true, 1],
  ] as const) {
    const outcome = code === 0 ? 'works' : 'fails';
    test(`sslmode=${mode} ${outcome} ${trusts ? 'with' : 'without'} the server's authority`, async (t) => {
      const fake = insteadOf('pg_dump', `echo "$PGSSLMODE" > ${temporary}/mode; exec ${find('pg_dump')} "$@"`);
      t.after(fake.remove);
      databaseUrl = `${server.url}?sslmode=${mode}`;
      const job = await runJob('dump', environment({ PATH: fake.path, NODE_EXTRA_CA_CERTS: trusts ? authority : undefined }));
      assert.equal(job.code, code, job.output);
      if (code === 0) {
        const strict = mode === 'no-verify' ? 'require' : 'verify-full';
        assert.equal(readFileSync(`${temporary}/mode`, 'utf8'), `${strict}\n`);
      }
    });
  }
});

describe('a dump', () => {
  const sql = 'SET x;\nCOPY public.users (id) FROM stdin;\n1\n\\.\nCOPY public."Größe" (id) FROM stdin;\n\\.\n--\n-- PostgreSQL database dump complete\n--\n\n';
  const inspect = async (tables: string[], text: string, size: number) => {
    const inspector = new DumpInspector(tables);
    const problem = new Promise<string>((resolve) => {
      inspector.on('error', ({ message }) => { resolve(message); }).on('finish', () => { resolve(''); });
    });
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length; at += size) inspector.write(bytes.subarray(at, at + size));
    inspector.end();
    return problem;
  };

  for (const size of [1, 7, 10_000]) {
    test(`is seen to be whole in pieces of ${size} bytes`, async () => {
      assert.equal(await inspect(['public.users', 'public."Größe"'], sql, size), '');
    });

    test(`is seen to lack a table in pieces of ${size} bytes`, async () => {
      assert.equal(await inspect(['public.user', 'public.users'], sql, size), 'The dump is not whole: it lacks the table public.user');
    });

    test(`is seen to have no end in pieces of ${size} bytes`, async () => {
      const cut = sql.replace('complete', 'complet');
      assert.equal(await inspect(['public.users'], cut, size), 'The dump is not whole: it does not come to an end');
    });
  }

  test('may have lines of any length', async () => {
    const long = sql.replace('\n1\n', `\n${'x'.repeat(100_000)}\n`);
    assert.equal(await inspect(['public."Größe"'], long, 1000), '');
  });
});

function hasOpenssl(): boolean {
  return spawnSync('openssl', ['version']).status === 0;
}

/** Have a server refuse connections without TLS. @returns the file of its certificate. */
async function encrypt(url: string): Promise<string> {
  const [{ data_directory: directory } = { data_directory: '' }] = await execute<{ data_directory: string }>(url, 'SHOW data_directory');
  const [key, certificate] = ['server.key', 'server.crt'].map((name) => path.join(directory, name)) as [string, string];
  const subject = ['-subj', '/CN=database', '-addext', 'subjectAltName=IP:127.0.0.1'];
  const made = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', key, '-out', certificate];
  execFileSync('openssl', ['req', '-x509', '-days', '2', ...subject, ...made], { stdio: 'pipe' });
  chmodSync(key, 0o600);
  const { uid, gid } = statSync(directory);
  for (const file of [key, certificate]) chownSync(file, uid, gid);
  writeFileSync(path.join(directory, 'pg_hba.conf'), 'hostssl all all 127.0.0.1/32 trust\n');
  await execute(url, 'ALTER SYSTEM SET ssl = on');
  await execute(url, 'SELECT pg_reload_conf()');
  const open = { connectionString: `${url}?sslmode=no-verify` };
  await eventually('the server speaks TLS', async () => {
    const client = new pg.Client(open);
    return client.connect().then(() => client.end()).then(() => true, () => false);
  });
  const copy = path.join(path.dirname(directory), 'authority.pem');
  writeFileSync(copy, readFileSync(certificate));
  return copy;
}

function crc32Of(bytes: Buffer): string {
  const checksum = Buffer.alloc(4);
  checksum.writeUInt32BE(crc32(bytes));
  return checksum.toString('base64');
}
