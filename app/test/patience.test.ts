import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import pg from 'pg';
import { App, copyOfApp, migratedDatabase, run } from './app.ts';
import { eventually, freePort, Interference, Postgres } from './servers.ts';

describe('waiting', { concurrency: true }, () => {
  test('a migration does not queue behind a busy table for ever', async () => {
    const root = copyOfApp();
    const databaseUrl = await migratedDatabase();
    writeFileSync(path.join(root, 'migrations', '004_alter.sql'), 'ALTER TABLE users ADD COLUMN name text;');
    const busy = new pg.Client({ connectionString: databaseUrl });
    await busy.connect();
    await busy.query('BEGIN; SELECT * FROM users');
    const { code, stderr } = await run('migrate.js', ['up'], { DATABASE_URL: databaseUrl }, '', root);
    await busy.end();
    rmSync(root, { recursive: true });
    assert.equal(code, 1);
    assert.match(stderr, /004_alter\.sql: canceling statement due to lock timeout \(55P03\)\nRolled back/);
  });

  test('a database that falls silent is given up, for each request and at the end', async (t) => {
    const databaseUrl = await migratedDatabase();
    const network = await Interference.launch(Number(new URL(databaseUrl).port));
    t.after(() => { network.close(); });
    const app = await App.launch({ DATABASE_URL: network.via(databaseUrl) });
    assert.equal((await app.fetch('/api/quizzes')).status, 200);
    network.silent = true;
    const [asked, health] = await Promise.all([app.fetch('/api/quizzes'), app.fetch('/api/health')]);
    assert.deepEqual([asked.status, health.status], [503, 503]);
    app.signal('SIGTERM');
    assert.equal(await app.ended(), 0);
    assert.equal(app.logs.at(-1)?.msg, 'Stopped');
  });

  test('the app waits for a database that comes up later', async (t) => {
    const postgres = await Postgres.launch();
    t.after(() => postgres.remove());
    await postgres.stop();
    const app = await App.spawn({ DATABASE_URL: postgres.url });
    await eventually('it waits', () =>
      app.logs.some(({ level, msg }) => level === 'warn' && /^Cannot reach the database at .* Next attempt in/.test(msg)),
    );
    await postgres.start();
    await app.ready();
    assert.equal((await app.fetch('/api/health')).status, 200);
  });

  for (const script of ['main.js', 'migrate.js']) {
    test(`${script} gives up on a database that stays away, and does not show its password`, async () => {
      const address = `127.0.0.1:${await freePort()}`;
      const env = {
        DATABASE_URL: `postgresql://app:geheim@${address}/stromhaltig`,
        JWT_SECRET: 'x'.repeat(32),
        UPLOAD_DIR: '/tmp',
        PORT: String(await freePort()),
      };
      const start = Date.now();
      const { code, stdout, stderr } = await run(script, script === 'migrate.js' ? ['up'] : [], env);
      const seconds = (Date.now() - start) / 1000;
      assert.equal(code, 1);
      assert.equal(
        stderr,
        `Cannot reach the database at ${address}/stromhaltig: connect ECONNREFUSED ${address}. Gave up after 30 s.\n`,
      );
      assert(seconds > 20 && seconds < 45, `${seconds} s`);
      assert.match(stdout, /Next attempt in 0\.5 s(.|\n)*Next attempt in 1 s(.|\n)*Next attempt in 5 s/);
      assert.doesNotMatch(stdout + stderr, /geheim/);
    });
  }
});
