import path from 'node:path';
import { pino, type Logger, type StreamEntry } from 'pino';
import { createStream } from 'rotating-file-stream';
import type { Config } from './config.ts';

/** Confidential wherever they turn up in a log record, at the top or one level down. */
const CONFIDENTIAL = ['password', 'token', 'secret', 'authorization', 'cookie'];

/** JSON lines on standard output, and in LOG_FILE when it is set. */
export function createLogger(config: Config): Logger {
  const { LOG_FILE, LOG_LEVEL } = config;
  return consoleLogger(LOG_LEVEL, LOG_FILE === undefined ? [] : [{ level: LOG_LEVEL, stream: rotatingFile(LOG_FILE, config) }]);
}

/** JSON lines on standard output, and wherever else. */
export function consoleLogger(level: Config['LOG_LEVEL'], others: StreamEntry[] = []): Logger {
  // Synchronous: what was logged before a crash or an exit is there.
  const streams: StreamEntry[] = [{ level, stream: pino.destination({ dest: 1, sync: true }) }, ...others];
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: {
        // A request body that could not be parsed hangs on the parser's error.
        paths: [...CONFIDENTIAL.flatMap((name) => [name, `*.${name}`]), 'err.body'],
        censor: '[redacted]',
      },
    },
    pino.multistream(streams),
  );
}

function rotatingFile(file: string, config: Config) {
  const stream = createStream(path.basename(file), {
    path: path.dirname(file),
    // In the library's own units, which are these: K, M, G and bytes.
    size: `${config.LOG_MAX_SIZE}B`,
    rotate: config.LOG_MAX_FILES,
  });
  // A full disk must not end the app: standard output has the record.
  stream.on('error', (error) => process.stderr.write(`Cannot write ${file}: ${error.message}\n`));
  return stream;
}
