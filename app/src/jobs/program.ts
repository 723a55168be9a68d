import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';

interface Options {
  env: NodeJS.ProcessEnv;
  signal: AbortSignal;
  /** Exit codes that are no failure. */
  accepted?: readonly number[];
  /** Called for each line of standard error. */
  complains?: (line: string) => void;
}

/** Characters of standard error that are kept for the message of a failure. */
const KEPT = 1000;

/**
 * What a program writes to its standard output.
 *
 * @throws after the last of it, when the program failed: whoever takes what comes for the whole, waits for the end.
 */
export async function* output(program: string, args: readonly string[], options: Options): AsyncGenerator<Buffer> {
  const { env, signal, accepted = [0], complains = () => undefined } = options;
  const child = spawn(program, args, { env, signal, stdio: ['ignore', 'pipe', 'pipe'] });
  const closed = once(child, 'close') as Promise<Ending>;
  // Awaited below, but it may fail before.
  closed.catch(() => undefined);
  const said = remember(child.stderr, complains);
  try {
    for await (const chunk of child.stdout) yield chunk as Buffer;
    demandSuccess(program, await closed, accepted, said());
  } finally {
    child.kill();
  }
}

/**
 * Let a program read a stream from its standard input, and read that to its end. The program has ended afterwards.
 *
 * @throws when the program or the stream failed.
 */
export async function feed(
  program: string,
  args: readonly string[],
  source: AsyncIterable<Buffer>,
  options: Options,
): Promise<void> {
  const { env, signal, accepted = [0], complains = () => undefined } = options;
  const child = spawn(program, args, { env, signal, stdio: ['pipe', 'ignore', 'pipe'] });
  const gone = new Promise((resolve) => child.once('close', resolve));
  const closed = once(child, 'close') as Promise<Ending>;
  // Awaited below, but it may fail before.
  closed.catch(() => undefined);
  // That it takes no more is told by how it ended.
  child.stdin.on('error', () => undefined);
  const said = remember(child.stderr, complains);
  try {
    for await (const chunk of source) {
      if (child.exitCode || child.signalCode) break;
      if (!child.stdin.write(chunk)) {
        await Promise.race([new Promise((resolve) => child.stdin.once('drain', resolve)), gone]);
      }
    }
    child.stdin.end();
    demandSuccess(program, await closed, accepted, said());
  } finally {
    child.kill();
    await gone;
  }
}

type Ending = [code: number | null, killedBy: NodeJS.Signals | null];

function demandSuccess(program: string, [code, killedBy]: Ending, accepted: readonly number[], said: string): void {
  if (code !== null && accepted.includes(code)) return;
  throw new Error(`${program} ended with ${code ?? killedBy ?? 'nothing'}: ${said || 'it says nothing'}`);
}

/** Hand on line after line. @returns a function that gives the last of what was said. */
function remember(stream: Readable, each: (line: string) => void): () => string {
  let kept = '';
  let line = '';
  stream.setEncoding('utf8').on('data', (text: string) => {
    kept = (kept + text).slice(-KEPT);
    const lines = (line + text).split('\n');
    line = (lines.pop() ?? '').slice(-KEPT);
    for (const whole of lines) if (whole !== '') each(whole);
  });
  return () => kept.trim();
}
