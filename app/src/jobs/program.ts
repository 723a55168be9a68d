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
  const closed = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>;
  // Awaited below, but it may fail before.
  closed.catch(() => undefined);
  const said = remember(child.stderr, complains);
  try {
    for await (const chunk of child.stdout) yield chunk as Buffer;
    const [code, killedBy] = await closed;
    if (code === null || !accepted.includes(code)) {
      throw new Error(`${program} ended with ${code ?? killedBy ?? 'nothing'}: ${said() || 'it says nothing'}`);
    }
  } finally {
    child.kill();
  }
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
