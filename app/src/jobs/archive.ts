/** Job: an archive of the uploaded files into the bucket of backups. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { stat } from 'node:fs/promises';
import { Writable } from 'node:stream';
import { PARTIAL } from '../partial.ts';
import { packed } from './gzip.ts';
import { runJob, type Task } from './job.ts';
import { output } from './program.ts';
import { stamped, store } from './storage.ts';

/** Of GNU tar: all was archived, but something changed or went while it was read. */
const CHANGED = 1;

/** Bytes of zeros that end an archive. Without them `tar --list` is content with what there is. */
const END = 1024;

async function archive({ config, logger, signal }: Task<'archive'>): Promise<void> {
  const start = performance.now();
  const found = await stat(config.UPLOAD_DIR).catch(() => undefined);
  if (!found?.isDirectory()) throw new Error(`UPLOAD_DIR: there is no directory ${config.UPLOAD_DIR}`);
  let warnings = 0;
  const env = { PATH: process.env['PATH'], LC_ALL: 'C' };
  // What is being uploaded has no document yet: it has one tomorrow.
  const args = ['--create', `--directory=${config.UPLOAD_DIR}`, `--exclude=*${PARTIAL}`, '.'];
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
  private tail: Buffer = Buffer.alloc(0);
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
    this.tail = Buffer.concat([this.tail, chunk.subarray(-END)]).subarray(-END);
    if (this.tar.stdin.write(chunk) || this.tar.exitCode !== null) done();
    else void Promise.race([once(this.tar.stdin, 'drain'), this.ended]).then(() => { done(); }, () => { done(); });
  }

  override _final(done: (error?: Error) => void): void {
    this.tar.stdin.end();
    this.ended.then(
      ([code]) => {
        const whole = code === 0 && this.tail.equals(Buffer.alloc(END));
        done(whole ? undefined : new Error('The archive is not whole: it cannot be read to its end'));
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
