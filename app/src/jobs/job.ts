/** What jobs have in common: a log, an end that can be asked for, and an exit code. */

import { constants } from 'node:os';
import type { Logger } from 'pino';
import { ConfigError, EXIT_CONFIG, readJobConfig, type JobConfig, type JobName } from '../config.ts';
import { consoleLogger } from '../logger.ts';

/** What a job is given. */
export interface Task<N extends JobName> {
  config: JobConfig<N>;
  logger: Logger;
  /** Aborted when the job is to end: it undoes what is half-done. */
  signal: AbortSignal;
}

/**
 * Run a job, and end the process: with 0 when all was done, 1 when not, 78 for a wrong environment, and
 * 128 and the number of the signal when it was asked to stop. A second signal ends it at once.
 */
export async function runJob<N extends JobName>(name: N, work: (task: Task<N>) => Promise<void>): Promise<never> {
  const stop = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      if (stop.signal.aborted) process.exit(exitCode(stop.signal));
      stop.abort(signal);
    });
  }
  process.exit(await outcome(name, work, stop.signal));
}

async function outcome<N extends JobName>(
  name: N,
  work: (task: Task<N>) => Promise<void>,
  signal: AbortSignal,
): Promise<number> {
  let logger: Logger;
  let config: JobConfig<N>;
  try {
    config = readJobConfig(name);
    logger = consoleLogger(config.LOG_LEVEL).child({ job: name });
  } catch (error) {
    console.error(messageOf(error));
    return error instanceof ConfigError ? EXIT_CONFIG : 1;
  }
  try {
    await work({ config, logger, signal });
    return 0;
  } catch (error) {
    if (signal.aborted) {
      logger.warn({ signal: signal.reason as string }, 'Stopped before the end');
      return exitCode(signal);
    }
    logger.error(`The job failed: ${messageOf(error)}`);
    return 1;
  }
}

function exitCode({ reason }: AbortSignal): number {
  return 128 + constants.signals[reason as NodeJS.Signals];
}

/** What went wrong, in one line. */
export function messageOf(error: unknown): string {
  if (error instanceof AggregateError) return messageOf(error.errors[0]);
  const said = error instanceof Error ? error.message || error.name : String(error);
  return error instanceof ConfigError ? said : said.trim().replace(/\s*\n\s*/g, '; ');
}
