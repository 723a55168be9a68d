import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, beforeEach, describe, test, type TestContext } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import { Bucket, insteadOf, JobProcess, runJob } from './jobs.ts';
import { eventually } from './servers.ts';
import { kept, NEW, OLD, plant, tree, visible, without, type Tree } from './trees.ts';

const NAME = '20261129T023000Z-uploads.tar.gz';

const REAL_TAR = execFileSync('sh', ['-c', 'command -v tar'], { encoding: 'utf8' }).trim();

let bucket: Bucket;
let temporary: string;
let uploads: string;

before(async () => { bucket = await Bucket.launch(); });
after(() => bucket.remove());
beforeEach((t) => {
  temporary = mkdtempSync(path.join(tmpdir(), 'stromhaltig-jobs-'));
  (t as TestContext).after(() => { rmSync(temporary, { recursive: true }); });
  uploads = path.join(temporary, 'uploads');
});

function environment(more: Record<string, string | undefined> = {}) {
  const prefix = `${path.basename(temporary)}/`;
  return { ...bucket.environment(prefix), UPLOAD_DIR: uploads, npm_config_cache: path.join(temporary, 'npm'), ...more };
}

/** Put an archive into the bucket. @returns its SHA-256. */
async function store(content: Buffer): Promise<string> {
  await bucket.write(`${path.basename(temporary)}/${NAME}`, content);
  return createHash('sha256').update(content).digest('hex');
}

/** A directory as the job `archive` packs it. */
function packed(files: Tree, ...args: string[]): Buffer {
  const source = mkdtempSync(path.join(temporary, 'source-'));
  plant(source, files);
  return execFileSync('tar', ['--create', '--gzip', `--directory=${source}`, ...args, '.']);
}

/** An archive that tar itself would not make, of one member. */
function forged(name: string, type: string, target = ''): Buffer {
  const header = Buffer.alloc(512);
  const fields = [name.padEnd(100, '\0'), '0000644\0', '0000000\0', '0000000\0', '00000000000\0', '00000000000\0', ' '.repeat(8), type, target.padEnd(100, '\0'), 'ustar\0', '00'];
  header.write(fields.join(''), 'latin1');
  const sum = header.reduce((all, byte) => all + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return gzipSync(Buffer.concat([header, Buffer.alloc(10240 - 512)]));
}

describe('unpack', () => {
  test('the files of an archive come back, others stay, and what was replaced is kept', async () => {
    const old = without(OLD, 'kind');
    plant(uploads, { ...old, 'being-sent.part': 'half' });
    await store(packed(NEW));
    const job = await runJob('unpack', environment(), [NAME]);
    assert.equal(job.code, 0, job.output);
    assert.deepEqual(visible(uploads), { ...old, 'being-sent.part': 'half', ...NEW });
    assert.deepEqual(kept(uploads), { 'a': 'old a', 'in/': '', 'in/b': 'old b' });
    const [record] = job.logged('Restored the uploads');
    const [aside] = readdirSync(uploads).filter((name) => name.startsWith('.'));
    assert.deepEqual([record?.['files'], record?.['kept']], [5, path.join(uploads, String(aside))]);
  });

  test('with --replace nothing but them is there, nor what is being sent lost', async () => {
    plant(uploads, { ...OLD, 'being-sent.part': 'half' });
    await store(packed(NEW));
    const job = await runJob('unpack', environment(), [NAME, '--replace']);
    assert.equal(job.code, 0, job.output);
    assert.deepEqual(visible(uploads), { ...NEW, 'being-sent.part': 'half' });
    assert.deepEqual(kept(uploads), OLD);
  });

  test('into an empty directory it keeps nothing', async () => {
    plant(uploads, {});
    await store(packed(NEW));
    const job = await runJob('unpack', environment(), [NAME]);
    assert.equal(job.code, 0, job.output);
    assert.deepEqual(tree(uploads), NEW);
    assert.equal(job.logged('Restored the uploads')[0]?.['kept'], undefined);
  });

  test('what the job "archive" has made comes back, without what earlier restorations keep', async () => {
    plant(uploads, OLD);
    await store(packed(NEW));
    assert.equal((await runJob('unpack', environment(), [NAME, '--replace'])).code, 0);
    assert.equal((await runJob('archive', environment())).code, 0);
    const prefix = `${path.basename(temporary)}/`;
    const made = (await bucket.keys()).filter((key) => key.startsWith(prefix) && !key.endsWith(NAME));
    assert.equal(made.length, 1);
    const name = String(made[0]).slice(prefix.length);
    rmSync(uploads, { recursive: true });
    plant(uploads, {});
    const job = await runJob('unpack', environment(), [name]);
    assert.equal(job.code, 0, job.output);
    assert.deepEqual(tree(uploads), NEW);
  });

  test('a name that is long, hard links, and modes that shut out their owner come back usable', async () => {
    const source = path.join(temporary, 'odd');
    const long = `${'long/'.repeat(40)}${'n'.repeat(200)}`;
    plant(source, { [long]: 'kWh', 'shut/file': 'x' });
    execFileSync('ln', [path.join(source, 'shut/file'), path.join(source, 'second')]);
    chmodSync(path.join(source, 'shut/file'), 0o4);
    const content = execFileSync('tar', ['--create', '--gzip', '--mode=a-rwx', `--directory=${source}`, '.']);
    plant(uploads, {});
    await store(content);
    const job = await runJob('unpack', environment(), [NAME]);
    assert.equal(job.code, 0, job.output);
    const found = tree(uploads);
    assert.deepEqual([found[long], found['shut/file'], found['second']], ['kWh', 'x', 'x']);
    const modes = execFileSync('stat', ['--format=%a', path.join(uploads, 'shut'), path.join(uploads, 'second')], { encoding: 'utf8' });
    assert.equal(modes, '755\n600\n');
  });

  for (const [what, archive, says] of [
    ['a name with steps up', () => forged('../outside', '0'), /Member name contains '\.\.'/],
    ['an absolute name', () => forged('/etc/outside', '0'), /Removing leading `\/' from member names/],
    ['an absolute link', () => forged('link', '2', '/etc/passwd'), /"link" in the archive is a link that leads out: \/etc\/passwd/],
    ['a link with steps up', () => forged('in/link', '2', '../../outside'), /"in\/link" in the archive is a link that leads out/],
    ['a link that steps up behind another', () => packed({ 'in/root': '-> ..', 'link': '-> in/root/../outside' }), /"link" in the archive is a link that leads out/],
    ['a hard link that steps up', () => forged('hard', '1', '../outside'), /Removing leading `\.\.\/' from hard link targets/],
    ['a pipe', () => forged('pipe', '6'), /"pipe" in the archive is neither file nor folder/],
    ['a device', () => forged('device', '3'), /"device" in the archive is neither file nor folder|Cannot mknod/],
    ['a name of ours', () => packed({ '.restore/merging/a': 'x' }), /holds "\.restore", which is no upload/],
    ['a folder where a file is', () => packed({ 'a/b': 'x' }), /"a" is a file now, and the archive has the other: restore with --replace/],
    ['half of itself', () => packed({ big: 'x'.repeat(50_000) }).subarray(0, -20), /unexpected end of file/],
    ['no end', () => gzipSync(gunzipSync(packed(NEW)).subarray(0, 1024)), /does not come to its end/],
    ['nothing', () => Buffer.alloc(0), /unexpected end of file/],
    ['no archive', () => gzipSync('nonsense'.repeat(1000)), /does not look like a tar archive|does not come to its end/],
  ] as const) {
    test(`an archive with ${what} is refused, and all is as it was`, async () => {
      plant(uploads, OLD);
      await store(archive());
      const job = await runJob('unpack', environment(), [NAME]);
      assert.equal(job.code, 1, job.output);
      const [failure] = job.logged('error');
      assert.match(failure?.msg ?? '', says);
      assert.match(failure?.msg ?? '', /The files are as they were$/);
      assert.deepEqual(tree(uploads), OLD);
      assert.deepEqual(readdirSync(temporary).includes('outside'), false);
    });
  }

  test('another archive than the one that was examined is refused', async () => {
    plant(uploads, OLD);
    const sha256 = await store(packed(NEW));
    await store(packed({ other: 'x' }));
    const job = await runJob('unpack', environment(), [NAME, `--sha256=${sha256}`]);
    assert.equal(job.code, 1, job.output);
    assert.match(job.logged('error')[0]?.msg ?? '', /is not the one that was examined/);
    assert.deepEqual(tree(uploads), OLD);
    const right = await store(packed(NEW));
    assert.equal((await runJob('unpack', environment(), [NAME, '--replace', `--sha256=${right}`])).code, 0);
  });

  test('an archive that is not there is named', async () => {
    plant(uploads, OLD);
    const job = await runJob('unpack', environment(), ['nothing.tar.gz']);
    assert.equal(job.code, 1, job.output);
    assert.match(job.logged('error')[0]?.msg ?? '', /s3:\/\/backups\/.*\/nothing\.tar\.gz cannot be read/);
    assert.deepEqual(tree(uploads), OLD);
  });

  for (const args of [[], ['../dumps/x'], ['one', 'two'], ['--unknown', NAME]]) {
    test(`arguments ${JSON.stringify(args)} are refused`, async () => {
      plant(uploads, OLD);
      const job = await runJob('unpack', environment(), args);
      assert.equal(job.code, 1, job.output);
      assert.match(job.logged('error')[0]?.msg ?? '', /npm run job:unpack -- ARCHIVE|Unknown option '--unknown'/);
      assert.deepEqual(tree(uploads), OLD);
    });
  }

  test('a directory that is not mounted is no empty one', async () => {
    await store(packed(NEW));
    const job = await runJob('unpack', environment(), [NAME]);
    assert.equal(job.code, 1);
    assert.match(job.logged('error')[0]?.msg ?? '', /UPLOAD_DIR: there is no directory/);
  });

  test('no room for them leaves the files as they were', async (t) => {
    plant(uploads, OLD);
    // A limit of a file's size stands for the disk's: the error is alike.
    const fake = insteadOf('tar', `ulimit -f 100; trap '' XFSZ; exec ${REAL_TAR} "$@"`);
    t.after(fake.remove);
    await store(packed({ ...NEW, big: 'x'.repeat(500_000) }));
    const job = await runJob('unpack', environment({ PATH: fake.path }), [NAME]);
    assert.equal(job.code, 1, job.output);
    assert.match(job.logged('error')[0]?.msg ?? '', /big: (Cannot write|Wrote only).* The files are as they were$/);
    assert.deepEqual(tree(uploads), OLD);
  });

  test('stopped while it unpacks, it leaves the files as they were', async (t) => {
    plant(uploads, OLD);
    const fake = insteadOf('tar', `touch ${temporary}/waits; exec sleep 60`);
    t.after(fake.remove);
    await store(packed(NEW));
    const job = new JobProcess('unpack', environment({ PATH: fake.path }), [NAME]);
    await eventually('tar runs', () => readdirSync(temporary).includes('waits'));
    job.signal('SIGTERM');
    assert.equal(await job.ended, 143, job.output);
    assert.deepEqual(tree(uploads), OLD);
  });

  test('what a killed run had begun to move is finished by the job, and told, before its own', async () => {
    plant(uploads, { ...OLD, '.restore/merging/f': 'new f', '.restore/before/f': 'old f' });
    await store(packed(NEW));
    const job = await runJob('unpack', environment(), [NAME]);
    assert.equal(job.code, 1, job.output);
    assert.equal(job.logged('Finished what a run had begun that was killed').length, 1);
    assert.match(job.logged('error')[0]?.msg ?? '', /"kind" is a file now/);
    assert.deepEqual(visible(uploads), { ...OLD, f: 'new f' });
    assert.deepEqual(kept(uploads), { f: 'old f' });
  });

  test('it needs no database and no secret', async () => {
    plant(uploads, {});
    await store(packed(NEW));
    const job = await runJob('unpack', environment({ DATABASE_URL: undefined, JWT_SECRET: undefined }), [NAME]);
    assert.equal(job.code, 0, job.output);
  });
});
