/** The environment: the only module that reads it. */

import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { isIP } from 'node:net';
import path from 'node:path';
import { z } from 'zod';

/** Directory of package.json, migrations and client, from src/ as from dist/. */
export const APP_ROOT = path.resolve(import.meta.dirname, '..');

/** Exit code for a wrong environment: EX_CONFIG of sysexits.h. */
export const EXIT_CONFIG = 78;

export type Environment = Record<string, string | undefined>;

/** Variables whose values are never shown; each can come from a file, named by NAME_FILE. */
const SECRETS: readonly string[] = [
  'DATABASE_URL',
  'JWT_SECRET',
  'JWT_SECRET_PREVIOUS',
  'GEMINI_API_KEY',
  'OPENAI_API_KEY',
  'SMTP_PASS',
  'SENTRY_DSN',
  'HEALTH_CHECK_TOKEN',
  'REDIS_URL',
];

/** Modes in which nothing confidential has a default. */
const DEPLOYED: readonly string[] = ['production', 'staging'];

/** Everything that is wrong with the environment, one line for each problem. */
export class ConfigError extends Error {
  constructor(readonly problems: readonly string[]) {
    super(['The environment is wrong:', ...problems.map((problem) => `  ${problem}`)].join('\n'));
  }
}

/** A variable that must be what `says` completes to "is not ...", parsed when it is. */
function variable<T>(says: string, accepts: (value: string) => boolean, parse: (value: string) => T) {
  return z.string(says).refine(accepts, says).transform(parse);
}

function matching(says: string, pattern: RegExp) {
  return variable(says, (value) => pattern.test(value), (value) => value);
}

function oneOf<const T extends string>(...choices: T[]) {
  return variable(`one of ${choices.join(', ')}`, (value) => choices.some((choice) => choice === value), (value) => value as T);
}

function integer(low: number, high: number) {
  const inRange = (value: string) =>
    /^(0|[1-9]\d{0,14})$/.test(value) && Number(value) >= low && Number(value) <= high;
  return variable(`a whole number from ${low} to ${high}`, inRange, Number);
}

function atLeast(length: number) {
  return variable(
    `at least ${length} characters long, without spaces around it`,
    (value) => value.length >= length && value === value.trim(),
    (value) => value,
  );
}

function address(says: string, pattern: RegExp) {
  return variable(says, (value) => pattern.test(value) && URL.canParse(value), (value) => value);
}

const BYTES = { KB: 1024, MB: 1024 ** 2, GB: 1024 ** 3 };
const SECONDS = { s: 1, m: 60, h: 3600, d: 86_400 };

function withUnit<U extends string>(says: string, units: Record<U, number>) {
  const pattern = new RegExp(`^([1-9]\\d*)(${Object.keys(units).join('|')})$`);
  return variable(says, (value) => pattern.test(value), (value) => {
    const [, amount, unit] = pattern.exec(value) as unknown as [string, string, U];
    // More than numbers hold is as good as no limit.
    return Math.min(Number(amount) * units[unit], Number.MAX_SAFE_INTEGER);
  });
}

const size = withUnit('a size like 100MB (KB, MB or GB)', BYTES);
const duration = withUnit('a duration like 24h (s, m, h or d)', SECONDS);
const boolean = variable('true or false', (value) => /^(true|false)$/.test(value), (value) => value === 'true');
const absolutePath = matching('an absolute path', /^(\/[A-Za-z0-9._-]+)+$/);
const present = matching('text without spaces around it', /^\S(.*\S)?$/);

/** The rules of the platform's contract; HOST, UPLOAD_DIR and LOG_FILE are freer, for machines that are no container. */
export const schema = z.object({
  NODE_ENV: oneOf('production', 'staging', 'development', 'test').prefault('development'),
  PORT: integer(1024, 65535).prefault('3001'),
  HOST: variable('an IP address', (value) => isIP(value) > 0, (value) => value).prefault('0.0.0.0'),
  DATABASE_URL: address('an address like postgresql://USER:PASSWORD@HOST/NAME', /^postgres(ql)?:\/\/\S+$/),
  DB_POOL_MIN: integer(0, 100).prefault('2'),
  DB_POOL_MAX: integer(1, 500).prefault('20'),
  /** Milliseconds. */
  DB_IDLE_TIMEOUT: integer(1000, 3_600_000).prefault('30000'),
  JWT_SECRET: atLeast(32),
  /** Signed sessions before JWT_SECRET was rotated. Accepted, and signs none. */
  JWT_SECRET_PREVIOUS: atLeast(32).optional(),
  /** Seconds. */
  JWT_EXPIRES_IN: duration.prefault('24h'),
  BCRYPT_SALT_ROUNDS: integer(10, 15).prefault('12'),
  RATE_LIMIT_WINDOW_MS: integer(1000, 86_400_000).prefault('900000'),
  RATE_LIMIT_MAX_REQUESTS: integer(1, 1_000_000).prefault('1000'),
  UPLOAD_DIR: absolutePath.prefault(path.join(APP_ROOT, 'uploads')),
  /** Bytes. */
  MAX_FILE_SIZE: size.prefault('100MB'),
  LOG_LEVEL: oneOf('error', 'warn', 'info', 'debug').prefault('info'),
  LOG_FILE: absolutePath.optional(),
  /** Bytes. */
  LOG_MAX_SIZE: size.prefault('100MB'),
  LOG_MAX_FILES: integer(1, 100).prefault('10'),
  GEMINI_API_KEY: present.optional(),
  OPENAI_API_KEY: present.optional(),
  SMTP_HOST: matching('a host name like smtp.example.org', /^(?=.{4,253}$)[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})+$/).optional(),
  SMTP_PORT: integer(1, 65535).prefault('587'),
  SMTP_USER: matching('a user name without spaces', /^\S+$/).prefault('noreply@stromhaltig.de'),
  SMTP_PASS: present.optional(),
  SENTRY_DSN: address('a DSN like https://KEY@HOST/PROJECT', /^https:\/\/[^\s@/]+@\S+\/\S+$/).optional(),
  HEALTH_CHECK_TOKEN: atLeast(16).optional(),
  REDIS_URL: address('a redis:// or rediss:// address', /^rediss?:\/\/\S+$/).optional(),
  ENABLE_COMPRESSION: boolean.prefault('true'),
  ENABLE_CACHE: boolean.prefault('false'),
  TRUSTED_PROXIES: integer(1, 3).prefault('1'),
});

export type Config = z.output<typeof schema>;

/** Where backups are. The rest of the way to S3 is the SDK's own: credentials come from the task's role. */
const backups = {
  BACKUP_BUCKET: matching('the name of a bucket', /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/),
  BACKUP_PREFIX: matching('a prefix like dumps/', /^([A-Za-z0-9._-]+\/)+$/),
  AWS_REGION: matching('a region like eu-central-1', /^[a-z]{2,}(-[a-z]+)+-\d+$/),
};

const job = schema.pick({ NODE_ENV: true, LOG_LEVEL: true });

/** What each job reads: no more than it needs, so that its task is given no more. */
export const jobSchemas = {
  dump: job.extend({ DATABASE_URL: schema.shape.DATABASE_URL, ...backups }),
  archive: job.extend({ UPLOAD_DIR: schema.shape.UPLOAD_DIR, ...backups }),
  unpack: job.extend({ UPLOAD_DIR: schema.shape.UPLOAD_DIR, ...backups }),
  maintain: job.extend({ DATABASE_URL: schema.shape.DATABASE_URL }),
};

export type JobName = keyof typeof jobSchemas;
export type JobConfig<N extends JobName> = z.output<(typeof jobSchemas)[N]>;

/** A place for backups. */
export type BackupConfig = { [K in keyof typeof backups]: string };

/**
 * Everything the server needs, checked, its directories included.
 *
 * @throws ConfigError with all problems at once.
 */
export function readConfig(env: Environment = process.env): Config {
  const config = check(schema, env);
  const problems = [...contradictions(config), ...unwritable(config)];
  if (problems.length > 0) throw new ConfigError(problems);
  return config;
}

/**
 * All that a command needs which only works on the database.
 *
 * @throws ConfigError with all problems at once.
 */
export function readDatabaseConfig(env: Environment = process.env): Pick<Config, 'DATABASE_URL' | 'BCRYPT_SALT_ROUNDS'> {
  return check(schema.pick({ NODE_ENV: true, DATABASE_URL: true, BCRYPT_SALT_ROUNDS: true }), env);
}

/**
 * All that a job needs.
 *
 * @throws ConfigError with all problems at once.
 */
export function readJobConfig<N extends JobName>(name: N, env: Environment = process.env): JobConfig<N> {
  const rules: Rules<unknown> = jobSchemas[name];
  return check(rules, env) as JobConfig<N>;
}

type Rules<T> = z.ZodType<T> & { shape: Record<string, unknown> };

function check<T>(rules: Rules<T>, env: Environment): T {
  const { values, problems } = withSecretsFromFiles(env, Object.keys(rules.shape));
  if (!DEPLOYED.includes(values['NODE_ENV'] ?? 'development')) {
    values['DATABASE_URL'] ??= 'postgresql://localhost/stromhaltig';
    // A new key at each start: it signs everybody out, and can leak from no repository.
    values['JWT_SECRET'] ??= randomBytes(32).toString('hex');
  }
  const result = rules.safeParse(values);
  for (const issue of result.error?.issues ?? []) {
    const name = String(issue.path[0]);
    if (!problems.has(name)) problems.set(name, describe(name, values[name], issue.message));
  }
  if (!result.success || problems.size > 0) throw new ConfigError([...problems.values()]);
  return result.data;
}

/** The environment with NAME filled from the file that NAME_FILE names, for secrets. */
function withSecretsFromFiles(env: Environment, names: readonly string[]) {
  const values = { ...env };
  const problems = new Map<string, string>();
  for (const name of SECRETS.filter((secret) => names.includes(secret))) {
    const file = env[`${name}_FILE`];
    if (file === undefined) continue;
    if (env[name] !== undefined) {
      problems.set(name, `${name}: both ${name} and ${name}_FILE are set. Remove one of them.`);
      continue;
    }
    try {
      values[name] = readFileSync(file, 'utf8').replace(/\r?\n$/, '');
    } catch (error) {
      problems.set(name, `${name}_FILE: cannot read "${file}" (${errorCode(error)}). Name a readable file.`);
    }
  }
  return { values, problems };
}

function describe(name: string, value: string | undefined, says: string): string {
  const remedy = SECRETS.includes(name) ? ` Set it, or ${name}_FILE to a file that holds it.` : ' Set it.';
  if (value === undefined) return `${name}: is missing, and must be ${says}.${remedy}`;
  if (value === '') return `${name}: is empty, and must be ${says}.${remedy}`;
  const shown = SECRETS.includes(name) ? 'the value (not shown)' : `"${value}"`;
  return `${name}: ${shown} is not ${says}.`;
}

function* contradictions(config: Config): Generator<string> {
  if (config.DB_POOL_MIN > config.DB_POOL_MAX) {
    yield `DB_POOL_MIN: ${config.DB_POOL_MIN} is more than DB_POOL_MAX, ${config.DB_POOL_MAX}. Lower it.`;
  }
  if (config.ENABLE_CACHE && config.REDIS_URL === undefined) {
    yield 'ENABLE_CACHE: "true" needs REDIS_URL. Set that, or ENABLE_CACHE to false.';
  }
}

function* unwritable(config: Config): Generator<string> {
  const directories = { UPLOAD_DIR: config.UPLOAD_DIR, LOG_FILE: config.LOG_FILE && path.dirname(config.LOG_FILE) };
  for (const [name, directory] of Object.entries(directories)) {
    if (directory === undefined) continue;
    try {
      mkdirSync(directory, { recursive: true });
      // Only a written file proves it: root passes every look at the permissions.
      const probe = path.join(directory, `.probe-${randomBytes(6).toString('hex')}`);
      writeFileSync(probe, '');
      rmSync(probe);
    } catch (error) {
      yield `${name}: cannot write to "${directory}" (${errorCode(error)}). Name a directory that this user may write to.`;
    }
  }
}

function errorCode(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? String(error);
}
