import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, beforeEach, describe, test, type TestContext } from 'node:test';
import { Bucket, insteadOf, runJob } from './jobs.ts';

let bucket: Bucket;
let temporary: string;
let uploads: string;

before(async () => { bucket = await Bucket.launch(); });
after(() => bucket.remove());
beforeEach((t) => {
  temporary = mkdtempSync(path.join(tmpdir(), 'stromhaltig-jobs-'));
  (t as TestContext).after(() => { rmSync(temporary, { recursive: true }); });
  uploads = path.join(temporary, 'uploads');
  mkdirSync(uploads);
});

function environment(more: Record<string, string | undefined> = {}) {
  const prefix = `${path.basename(temporary)}/`;
  return { ...bucket.environment(prefix), UPLOAD_DIR: uploads, npm_config_cache: path.join(temporary, 'npm'), ...more };
}

async function mine(): Promise<string[]> {
  return (await bucket.keys()).filter((key) => key.startsWith(path.basename(temporary)));
}

/** The one archive that was made, unpacked. */
async function unpacked(): Promise<string> {
  const [key, ...rest] = await mine();
  assert.deepEqual(rest, []);
  assert.match(key ?? '', /\/\d{8}T\d{6}Z-uploads\.tar\.gz$/);
  const directory = path.join(temporary, 'unpacked');
  mkdirSync(directory);
  execFileSync('tar', ['--extract', '--gzip', '--directory', directory], { input: await bucket.read(key ?? '') });
  return directory;
}

const REAL_TAR = execFileSync('sh', ['-c', 'command -v tar'], { encoding: 'utf8' }).trim();

/** A tar to which something happens, while it makes the archive, but not while it reads it. */
function tar(t: TestContext, makes: string): string {
  const fake = insteadOf('tar', `case "$1" in --create) ${makes};; *) exec ${REAL_TAR} "$@";; esac`);
  t.after(fake.remove);
  return fake.path;
}

/** While the first MB is read, in the order of names. */
function meanwhile(does: string): string {
  return `exec ${REAL_TAR} "$@" --sort=name --record-size=10240 --checkpoint=20 --checkpoint-action=exec="${does}"`;
}

describe('archive', () => {
  test('what it uploads unpacks to the same files, but for unfinished ones', async () => {
    mkdirSync(path.join(uploads, 'inner'));
    writeFileSync(path.join(uploads, 'one'), 'kWh');
    writeFileSync(path.join(uploads, 'inner', 'two\nlines, ä'), 'x'.repeat(100_000));
    writeFileSync(path.join(uploads, 'being-sent.part'), 'half');
    const job = await runJob('archive', environment());
    assert.equal(job.code, 0, job.output);
    const directory = await unpacked();
    execFileSync('diff', ['--recursive', '--exclude=*.part', uploads, directory]);
    assert.throws(() => statSync(path.join(directory, 'being-sent.part')));
    const [record] = job.logged('Archived the uploads');
    assert.deepEqual([record?.['files'], record?.['warnings']], [2, 0]);
  });

  test('an empty directory is an archive too', async () => {
    const job = await runJob('archive', environment());
    assert.equal(job.code, 0, job.output);
    await unpacked();
    assert.equal(job.logged('Archived the uploads')[0]?.['files'], 0);
  });

  test('a file that vanishes is told, and the others are archived', async (t) => {
    for (const name of ['a', 'b', 'c']) writeFileSync(path.join(uploads, name), name.repeat(1024 ** 2));
    const PATH = tar(t, meanwhile(`rm -f ${uploads}/b`));
    const job = await runJob('archive', environment({ PATH }));
    assert.equal(job.code, 0, job.output);
    assert.match(job.logged('warn')[0]?.msg ?? '', /\.\/b: File removed before we read it/);
    const [record] = job.logged('Archived the uploads');
    assert.deepEqual([record?.['files'], record?.['warnings']], [2, job.logged('warn').length]);
    assert.equal(readFileSync(path.join(await unpacked(), 'c'), 'utf8').length, 1024 ** 2);
  });

  test('a file that grows while it is read is told, and archived as it was', async (t) => {
    const file = path.join(uploads, 'grows');
    writeFileSync(file, 'x'.repeat(1024 ** 2));
    const PATH = tar(t, meanwhile(`echo more >> ${file}`));
    const job = await runJob('archive', environment({ PATH }));
    assert.equal(job.code, 0, job.output);
    assert.match(job.logged('warn')[0]?.msg ?? '', /grows: file changed as we read it/);
    assert.equal(job.logged('Archived the uploads')[0]?.['warnings'], 1);
    assert(readFileSync(path.join(await unpacked(), 'grows'), 'utf8').startsWith('x'.repeat(1024 ** 2)));
  });

  for (const [what, makes, says] of [
    ['fails', 'echo "tar: ./one: Cannot open: Permission denied" >&2; exit 2', /tar ended with 2: tar: \.\/one: Cannot open/],
    ['writes what is no archive', 'echo nonsense; exit 0', /The archive is not whole: it cannot be read to its end/],
    ['stops early and says that all is well', `${REAL_TAR} "$@" | head -c 700; exit 0`, /The archive is not whole: it cannot be read to its end/],
  ] as const) {
    test(`nothing is stored when tar ${what}`, async (t) => {
      writeFileSync(path.join(uploads, 'one'), 'x'.repeat(5000));
      const job = await runJob('archive', environment({ PATH: tar(t, makes) }));
      assert.equal(job.code, 1, job.output);
      assert.match(job.logged('error')[0]?.msg ?? '', says);
      assert.deepEqual(await mine(), []);
      assert.equal(await bucket.unfinished(), 0);
    });
  }

  test('a directory that is not mounted is no empty one', async () => {
    rmSync(uploads, { recursive: true });
    const job = await runJob('archive', environment());
    assert.equal(job.code, 1);
    assert.match(job.logged('error')[0]?.msg ?? '', /UPLOAD_DIR: there is no directory/);
  });

  test('it needs no database and no secret', async () => {
    const job = await runJob('archive', environment({ DATABASE_URL: undefined, JWT_SECRET: undefined }));
    assert.equal(job.code, 0, job.output);
  });
});
