/** Job: the files of an archive from the bucket of backups, back among the uploads. */

import { createHash } from 'node:crypto';
import { parseArgs } from 'node:util';
import { unpacked } from './gzip.ts';
import { messageOf, runJob, type Task } from './job.ts';
import { feed } from './program.ts';
import { Restoration } from './restoration.ts';
import { stored } from './storage.ts';
import { ArchiveEnd, demandDirectory } from './tar.ts';

const USAGE = 'npm run job:unpack -- ARCHIVE [--replace] [--sha256=HEX]';

/** What tar shall not complain of: clocks, and what other programs note beside a file. */
const QUIET = ['--warning=no-timestamp', '--warning=no-unknown-keyword'];

interface Wanted {
  /** Of an archive below the prefix. */
  name: string;
  /** Whether files that are not in it go. */
  replace: boolean;
  /** What the archive must be, when somebody has examined it before. */
  sha256: string | undefined;
}

async function unpack({ config, logger, signal }: Task<'unpack'>): Promise<void> {
  const start = performance.now();
  const wanted = readArguments(process.argv.slice(2));
  await demandDirectory(config.UPLOAD_DIR);
  const restoration = new Restoration(config.UPLOAD_DIR);
  if (await moving(restoration.begin())) logger.warn('Finished what a run had begun that was killed');
  let files: number;
  try {
    await load(stored(config, wanted.name), wanted, restoration.loading, signal);
    files = await restoration.inspect(wanted.replace);
    signal.throwIfAborted();
  } catch (error) {
    await restoration.abandon();
    throw new Error(`${messageOf(error)}. The files are as they were`, { cause: error });
  }
  // From here on it goes to its end, also when asked to stop: that is nearer than the way back.
  const kept = await moving(restoration.commit(wanted.replace));
  logger.info({ archive: wanted.name, files, kept, ms: Math.round(performance.now() - start) }, 'Restored the uploads');
}

/** Say of a failure among files that move what it means. */
async function moving<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw new Error(`${messageOf(error)}. Not all files are in place, and none is lost: run it again, it goes on`, { cause: error });
  }
}

function readArguments(args: string[]): Wanted {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { replace: { type: 'boolean', default: false }, sha256: { type: 'string' } },
  });
  const [name, ...rest] = positionals;
  if (name === undefined || rest.length > 0 || !/^[A-Za-z0-9._-]+$/.test(name)) throw new Error(`Name one archive: ${USAGE}`);
  return { name, replace: values.replace, sha256: values.sha256 };
}

/** tar writes nowhere else, whatever names it reads; what it would not write as it reads it, it complains of. */
async function load(packed: AsyncIterable<Buffer>, { sha256 }: Wanted, directory: string, signal: AbortSignal): Promise<void> {
  const env = { PATH: process.env['PATH'], LC_ALL: 'C' };
  const args = ['--extract', '--file=-', `--directory=${directory}`, '--no-same-owner', '--no-same-permissions', ...QUIET];
  const complaints: string[] = [];
  await feed('tar', args, whole(unpacked(verified(packed, sha256))), {
    env,
    signal,
    complains: (line) => complaints.push(line),
  });
  if (complaints[0] !== undefined) throw new Error(`The archive is refused: ${complaints[0]}`);
}

async function* verified(packed: AsyncIterable<Buffer>, expected: string | undefined): AsyncGenerator<Buffer> {
  const hash = createHash('sha256');
  for await (const chunk of packed) {
    hash.update(chunk);
    yield chunk;
  }
  if (expected !== undefined && hash.digest('hex') !== expected) {
    throw new Error('The archive is not the one that was examined: its SHA-256 is another');
  }
}

async function* whole(plain: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const end = new ArchiveEnd();
  for await (const chunk of plain) {
    end.see(chunk);
    yield chunk;
  }
  if (!end.seen) throw new Error('The archive is not whole: it does not come to its end');
}

await runJob('unpack', unpack);
