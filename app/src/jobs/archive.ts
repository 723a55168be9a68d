/** Job: an archive of the uploaded files into the bucket of backups. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Writable } from 'node:stream';
import { PARTIAL } from '../partial.ts';
import { packed } from './gzip.ts';
import { runJob, type Task } from './job.ts';
import { output } from './program.ts';
import { INTERNAL } from './restoration.ts';
import { stamped } from './stamps.ts';
import { store } from './storage.ts';
import { ArchiveEnd, demandDirectory } from './tar.ts';

/** Of GNU tar: all was archived, but something changed or went while it was read. */
const CHANGED = 1;

async function archive({ config, logger, signal }: Task<'archive'>): Promise<void> {
  const start = performance.now();
  await demandDirectory(config.UPLOAD_DIR);
  let warnings = 0;
  const env = { PATH: process.env['PATH'], LC_ALL: 'C' };
  const excluded = [
    // What is being uploaded has no document yet: it has one tomorrow.
    `--exclude=*${PARTIAL}`,
    ...INTERNAL.map((name) => `--exclude=./${name}`),
  ];
  const args = ['--create', `--directory=${config.UPLOAD_DIR}`, '--anchored', ...excluded, '.'];
  const files = output('tar', args, {
    env,
    signal,
    accepted: [0, CHANGED],
    complains: (line) => {
      warnings++;
      logger.warn(line);
    },
  });
  const inspector = new ArchiveInspector(env);
  const stored = await store(config, stamped('uploads.tar.gz'), packed(files, inspector));
  logger.info(
    { ...stored, files: inspector.files, warnings, ms: Math.round(performance.now() - start) },
    'Archived the uploads',
  );
}

/** Takes an archive; has it listed, and fails at its end unless it is whole. */
class ArchiveInspector extends Writable {
  files = 0;
  private readonly last = new ArchiveEnd();
  private readonly tar;
  private readonly ended: Promise<[number | null]>;

  constructor(env: NodeJS.ProcessEnv) {
    super();
    this.tar = spawn('tar', ['--list', '--file=-'], { env, stdio: ['pipe', 'pipe', 'ignore'] });
    this.ended = once(this.tar, 'close') as Promise<[number | null]>;
    this.ended.catch((error: unknown) => this.destroy(error as Error));
    // Ended early; its exit code says more.
    this.tar.stdin.on('error', () => undefined);
    this.tar.stdout.setEncoding('utf8').on('data', (text: string) => {
      // A directory's name ends in a slash; a line break in a name is written as \n.
      this.files += text.split('\n').length - 1 - (text.match(/\/\n/g)?.length ?? 0);
    });
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.last.see(chunk);
    if (this.tar.stdin.write(chunk) || this.tar.exitCode !== null) done();
    else void Promise.race([once(this.tar.stdin, 'drain'), this.ended]).then(() => { done(); }, () => { done(); });
  }

  override _final(done: (error?: Error) => void): void {
    this.tar.stdin.end();
    this.ended.then(
      ([code]) => {
        done(code === 0 && this.last.seen ? undefined : new Error('The archive is not whole: it cannot be read to its end'));
      },
      () => { done(); },
    );
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.tar.kill();
    done(error);
  }
}

await runJob('archive', archive);
