import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { copyOfApp, migratedDatabase, run } from './app.ts';
import { createDatabase, eventually, execute } from './servers.ts';

interface Row {
  version: number;
  name: string;
  checksum: string;
  duration_ms: number;
}

const NAMES = ['001_initial_schema', '002_quiz_system', '003_enhanced_logging'];

describe('migrations', { concurrency: false }, () => {
  let root: string;
  let databaseUrl: string;

  beforeEach(async () => {
    root = copyOfApp();
    databaseUrl = await createDatabase();
  });
  afterEach(() => { rmSync(root, { recursive: true }); });

  const migrate = (...args: string[]) => run('migrate.js', args, { DATABASE_URL: databaseUrl }, '', root);
  const file = (name: string) => path.join(root, 'migrations', `${name}.sql`);
  const rows = () => execute<Row>(databaseUrl, 'SELECT * FROM schema_migrations ORDER BY version');
  const tables = async () => {
    const found = await execute<{ name: string }>(
      databaseUrl,
      "SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1",
    );
    return found.map(({ name }) => name);
  };

  test('an empty database gets every migration, recorded with checksum and duration', async () => {
    const { code, stdout } = await migrate('up');
    assert.equal(code, 0);
    assert.match(stdout, /^Applied 001_.*\nApplied 002_.*\nApplied 003_.*\nThe database is at version 003\n$/);
    const applied = await rows();
    assert.deepEqual(applied.map(({ version, name }) => [version, name]), NAMES.map((name, index) => [index + 1, name]));
    for (const { checksum, duration_ms } of applied) {
      assert.match(checksum, /^[0-9a-f]{64}$/);
      assert(duration_ms >= 0);
    }
    assert.deepEqual(await tables(), [
      'documents', 'event_log', 'quiz_questions', 'quiz_results', 'quizzes', 'schema_migrations', 'users',
    ]);
  });

  test('a second run changes nothing', async () => {
    await migrate('up');
    const before = await rows();
    const { code, stdout } = await migrate('up');
    assert.deepEqual([code, stdout], [0, 'The database is at version 003; nothing to do\n']);
    assert.deepEqual(await rows(), before);
  });

  test('runs at once apply each migration once', async () => {
    writeFileSync(file('004_slow'), 'SELECT pg_sleep(1); CREATE TABLE slow ();');
    const runs = await Promise.all([migrate('up'), migrate('up'), migrate('up')]);
    assert.deepEqual(runs.map(({ code }) => code), [0, 0, 0]);
    const output = runs.map(({ stdout }) => stdout).join('');
    assert.equal(output.match(/^Applied 004_slow/gm)?.length, 1);
    assert.match(output, /Another run is migrating this database; waiting for it/);
    assert.equal((await rows()).length, 4);
  });

  test('a broken migration is rolled back, named with its place, and the ones before it stay', async () => {
    writeFileSync(file('004_more'), 'CREATE TABLE more ();');
    writeFileSync(file('005_broken'), "-- ä€😀\nCREATE TABLE half ();\nINSERT INTO nowhere VALUES (1);\n");
    const { code, stderr } = await migrate('up');
    assert.equal(code, 1);
    assert.equal(
      stderr,
      `${file('005_broken')}:3:13: relation "nowhere" does not exist (42P01)\n` +
        'Rolled back; the database is still at version 004\n',
    );
    const present = await tables();
    assert(present.includes('more') && !present.includes('half'));
    assert.equal((await rows()).at(-1)?.version, 4);
  });

  test('an error without a place in the file tells its detail', async () => {
    writeFileSync(file('004_broken'), 'CREATE TABLE t (a int UNIQUE); INSERT INTO t VALUES (1), (1);');
    const { code, stderr } = await migrate('up');
    assert.equal(code, 1);
    assert.match(stderr, /004_broken\.sql: duplicate key value .* \(23505\)\nKey \(a\)=\(1\) already exists\.\nRolled back/);
  });

  test('a migration that was changed after it was applied is refused', async () => {
    await migrate('up');
    writeFileSync(file('004_new'), 'CREATE TABLE new ();');
    writeFileSync(file('002_quiz_system'), `${readFileSync(file('002_quiz_system'), 'utf8')}\n-- changed`);
    for (const command of ['up', 'status', 'rollback']) {
      const { code, stderr } = await migrate(command);
      assert.equal(code, 1);
      assert.match(stderr, /002_quiz_system\.sql: was changed after it was applied on .*\. Restore it, and put the change into a new migration/);
    }
    assert.equal((await rows()).length, 3);
  });

  test('an applied migration whose file is missing is refused', async () => {
    await migrate('up');
    rmSync(file('002_quiz_system'));
    writeFileSync(file('002_other'), 'SELECT 1;');
    const { code, stderr } = await migrate('up');
    assert.equal(code, 1);
    assert.match(stderr, /Migration 002_quiz_system was applied on .*, but its file is missing; version 002 is now 002_other/);
  });

  test('versions that leave a gap, or come twice, are refused', async () => {
    writeFileSync(file('005_gap'), 'SELECT 1;');
    assert.match((await migrate('up')).stderr, /005_gap\.sql: expected version 004 here; versions count up by one from 001/);
    rmSync(file('005_gap'));
    writeFileSync(file('003_again'), 'SELECT 1;');
    assert.match((await migrate('up')).stderr, /003_enhanced_logging\.sql: expected version 004 here/);
    assert.deepEqual(await tables(), []);
  });

  test('a migration that comes too late is refused', async () => {
    await migrate('up');
    await execute(databaseUrl, 'DELETE FROM schema_migrations WHERE version = 2');
    const { code, stderr } = await migrate('up');
    assert.equal(code, 1);
    assert.match(stderr, /002_quiz_system\.sql: the database is already at version 003\. Give it the next version, 004/);
  });

  test('a file that would end its transaction is refused before anything runs', async () => {
    writeFileSync(file('004_commits'), 'CREATE TABLE half ();\n  COMMIT;\nSELECT broken;');
    const { code, stderr } = await migrate('up');
    assert.equal(code, 1);
    assert.match(stderr, /004_commits\.sql:2:3: "COMMIT" ends the transaction that each file runs in\. Remove it/);
    assert.deepEqual(await tables(), []);
  });

  for (const [what, statement] of [
    ['COMMIT behind another statement', 'SELECT 1; COMMIT;'],
    ['ABORT', 'ABORT;'],
    ['COMMIT AND CHAIN', 'COMMIT AND CHAIN;'],
  ] as const) {
    test(`${what} is seen before anything runs`, async () => {
      writeFileSync(file('004_ends'), `CREATE TABLE half ();\n${statement}`);
      assert.match((await migrate('up')).stderr, /004_ends\.sql:2:\d+: "(COMMIT|ABORT)" ends the transaction/);
      assert.deepEqual(await tables(), []);
    });
  }

  for (const rest of ['CREATE TABLE other ();', 'SELECT broken;']) {
    test(`a file that ends its transaction unseen is not said to be rolled back: ${rest}`, async () => {
      writeFileSync(file('004_ends'), `CREATE TABLE half ();\nEND;\n${rest}`);
      const { code, stderr } = await migrate('up');
      assert.equal(code, 1);
      assert.match(stderr, /004_ends\.sql.*\nThe file ended its own transaction, .* recorded as being at version 003\n$/);
      assert((await tables()).includes('half'));
      assert.equal((await rows()).length, 3);
    });
  }

  test('what only talks of transactions is fine', async () => {
    writeFileSync(
      file('004_talks'),
      `/* first\nCOMMIT;\n*/ -- SELECT 1; COMMIT;
CREATE TABLE talks (text text DEFAULT 'a;
ROLLBACK;');
CREATE PROCEDURE batch() LANGUAGE plpgsql AS $body$
BEGIN
  DELETE FROM talks; COMMIT;
END;
$body$;
SAVEPOINT here; ROLLBACK TO SAVEPOINT here;`,
    );
    const { code, stderr } = await migrate('up');
    assert.deepEqual([code, stderr], [0, '']);
  });

  test('a migration may be checked out with other line ends', async () => {
    await migrate('up');
    const sql = readFileSync(file('002_quiz_system'), 'utf8');
    writeFileSync(file('002_quiz_system'), sql.replaceAll('\n', '\r\n'));
    assert.equal((await migrate('up')).code, 0);
  });

  test('functions with blocks of their own are fine', async () => {
    writeFileSync(
      file('004_function'),
      'CREATE FUNCTION one() RETURNS int LANGUAGE plpgsql AS $$\nBEGIN\n  RETURN 1;\nEND;\n$$;',
    );
    assert.equal((await migrate('up')).code, 0);
  });

  test('an older release leaves a newer database as it is', async () => {
    writeFileSync(file('004_newer'), 'CREATE TABLE newer ();');
    await migrate('up');
    rmSync(file('004_newer'));
    const { code, stdout } = await migrate('up');
    assert.equal(code, 0);
    assert.match(stdout, /004_newer was applied by a newer release; left as it is/);
    assert.match((await migrate('rollback')).stderr, /004_newer was applied by a newer release\. Roll it back with that release/);
    assert.equal((await rows()).length, 4);
  });

  test('status tells what is applied and pending, by exit code too', async () => {
    const before = await migrate('status');
    assert.equal(before.code, 2);
    assert.match(before.stdout, /^001_initial_schema {2}pending\n.*\n.*\nThe database is at version 000; 3 pending\n$/);
    assert.deepEqual(await tables(), [], 'looking changes nothing');
    await migrate('up');
    const after = await migrate('status');
    assert.equal(after.code, 0);
    assert.match(after.stdout, /003_enhanced_logging {2}applied \d{4}-.*\nThe database is at version 003; 0 pending\n$/);
  });

  test('status --json tells programs all of it, in one line: what can be undone, too', async () => {
    writeFileSync(file('004_newer'), 'CREATE TABLE newer ();');
    await migrate('up');
    rmSync(file('004_newer'));
    rmSync(file('rollback/002_quiz_system'));
    const ahead = await migrate('status', '--json');
    assert.equal(ahead.code, 0);
    assert.match(ahead.stdout, /^\{.*\}\n$/);
    const { migrations } = JSON.parse(ahead.stdout) as { migrations: Record<string, unknown>[] };
    assert.deepEqual(
      migrations.map(({ version, name, state, reversible }) => [version, name, state, reversible]),
      [
        [1, '001_initial_schema', 'applied', true],
        [2, '002_quiz_system', 'applied', false],
        [3, '003_enhanced_logging', 'applied', true],
        [4, '004_newer', 'unknown', false],
      ],
    );
    assert.match(String(migrations[0]?.['appliedAt']), /^\d{4}-\d{2}-\d{2}T[\d:.]+Z$/);
  });

  test('status --json tells what is pending, by exit code too', async () => {
    const before = await migrate('status', '--json');
    assert.equal(before.code, 2);
    const { migrations } = JSON.parse(before.stdout) as { migrations: Record<string, unknown>[] };
    assert.deepEqual(
      migrations.map(({ name, state, appliedAt }) => [name, state, appliedAt]),
      NAMES.map((name) => [name, 'pending', null]),
    );
  });

  test('rollback undoes the last one, or everything above a version, and up does it again', async () => {
    await migrate('up');
    const last = await migrate('rollback');
    assert.deepEqual([last.code, last.stdout], [0, 'Rolled back 003_enhanced_logging\nThe database is at version 002\n']);
    assert(!(await tables()).includes('event_log'));
    const rest = await migrate('rollback', '--to', '000');
    assert.equal(rest.code, 0);
    assert.deepEqual(await tables(), ['schema_migrations']);
    assert.match((await migrate('rollback')).stderr, /nothing to roll back/);
    assert.equal((await migrate('up')).code, 0);
    assert.equal((await rows()).length, 3);
  });

  test('rollback to the present version or a later one is refused', async () => {
    await migrate('up');
    const { code, stderr } = await migrate('rollback', '--to', '3');
    assert.equal(code, 1);
    assert.equal(stderr, '--to 003: the database is at version 003; name a lower one\n');
  });

  test('a missing or broken rollback script changes nothing', async () => {
    await migrate('up');
    rmSync(file('rollback/002_quiz_system'));
    const missing = await migrate('rollback', '--to', '1');
    assert.equal(missing.code, 1);
    assert.match(missing.stderr, /rollback\/002_quiz_system\.sql: cannot be read, so 002_quiz_system cannot be rolled back\. Nothing was changed/);
    writeFileSync(file('rollback/003_enhanced_logging'), 'DROP TABLE event_log; DROP TABLE users;');
    const broken = await migrate('rollback');
    assert.equal(broken.code, 1);
    assert.match(broken.stderr, /cannot drop table users .*still at version 003/s);
    assert((await tables()).includes('event_log'));
    assert.equal((await rows()).length, 3);
  });

  for (const args of [[], ['sideways'], ['up', 'now'], ['up', '--to', '1'], ['up', '--json'], ['rollback', '--to', 'x'], ['up', '--force']]) {
    test(`migrate ${args.join(' ')} is answered with the usage`, async () => {
      const { code, stderr } = await migrate(...args);
      assert.equal(code, 64);
      assert.match(stderr, /^Usage: migrate up \| status \[--json\] \| rollback/);
    });
  }

  test('a database that refuses us is not asked again', async () => {
    databaseUrl = databaseUrl.replace(/[^/]*$/, 'nowhere');
    const start = Date.now();
    const { code, stderr } = await migrate('up');
    assert.equal(code, 1);
    assert.match(stderr, /^Cannot reach the database at 127\.0\.0\.1:\d+\/nowhere: database "nowhere" does not exist\. Look at DATABASE_URL\.\n$/);
    assert(Date.now() - start < 10_000);
  });
});

test('a run that is killed leaves neither lock nor half a migration', async (t) => {
  const root = copyOfApp();
  t.after(() => { rmSync(root, { recursive: true }); });
  const databaseUrl = await migratedDatabase();
  writeFileSync(path.join(root, 'migrations', '004_slow.sql'), 'CREATE TABLE half (); SELECT pg_sleep(60);');
  const script = path.join(root, 'dist', 'migrate.js');
  const slow = spawn(process.execPath, [script, 'up'], { env: { DATABASE_URL: databaseUrl }, stdio: 'ignore' });
  const sleeping = "SELECT 1 FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%' AND pid <> pg_backend_pid()";
  await eventually('the migration runs', async () => (await execute(databaseUrl, sleeping)).length > 0);
  slow.kill('SIGKILL');
  const start = Date.now();
  assert.equal((await run('migrate.js', ['up'], { DATABASE_URL: databaseUrl })).code, 0);
  assert(Date.now() - start < 30_000, 'the lock is free long before the statement would have ended');
  assert.deepEqual(await execute(databaseUrl, "SELECT to_regclass('half') AS half"), [{ half: null }]);
});

test('a run whose connection is cut says that nothing was done', async (t) => {
  const root = copyOfApp();
  t.after(() => { rmSync(root, { recursive: true }); });
  const databaseUrl = await migratedDatabase();
  writeFileSync(path.join(root, 'migrations', '004_cut.sql'), 'SELECT pg_terminate_backend(pg_backend_pid());');
  const { code, stderr } = await run('migrate.js', ['up'], { DATABASE_URL: databaseUrl }, '', root);
  assert.equal(code, 1);
  assert.match(stderr, /004_cut\.sql: terminating connection .* still at version 003/s);
});
