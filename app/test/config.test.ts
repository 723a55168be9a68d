import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { ConfigError, readConfig, readDatabaseConfig, type Environment } from '../src/config.ts';
import { run } from './app.ts';

const directory = mkdtempSync(path.join(tmpdir(), 'stromhaltig-config-'));
after(() => { rmSync(directory, { recursive: true }); });

const JWT_SECRET = 'x'.repeat(32);
const VALID = {
  NODE_ENV: 'production',
  DATABASE_URL: 'postgresql://app:geheim@db/stromhaltig?sslmode=require',
  JWT_SECRET,
  UPLOAD_DIR: directory,
};

function problems(env: Environment): readonly string[] {
  try {
    readConfig({ ...VALID, ...env });
  } catch (error) {
    assert(error instanceof ConfigError);
    return error.problems;
  }
  return [];
}

describe('configuration', () => {
  test('production needs only the database and the key; the rest has the defaults of the contract', () => {
    assert.deepEqual(readConfig(VALID), {
      ...VALID,
      PORT: 3001,
      HOST: '0.0.0.0',
      DB_POOL_MIN: 2,
      DB_POOL_MAX: 20,
      DB_IDLE_TIMEOUT: 30_000,
      JWT_EXPIRES_IN: 86_400,
      BCRYPT_SALT_ROUNDS: 12,
      RATE_LIMIT_WINDOW_MS: 900_000,
      RATE_LIMIT_MAX_REQUESTS: 1000,
      MAX_FILE_SIZE: 104_857_600,
      LOG_LEVEL: 'info',
      LOG_MAX_SIZE: 104_857_600,
      LOG_MAX_FILES: 10,
      SMTP_PORT: 587,
      SMTP_USER: 'noreply@stromhaltig.de',
      ENABLE_COMPRESSION: true,
      ENABLE_CACHE: false,
      TRUSTED_PROXIES: 1,
    });
  });

  test('every value that the contract accepts is read', () => {
    const config = readConfig({
      ...VALID,
      NODE_ENV: 'staging',
      JWT_EXPIRES_IN: '15m',
      MAX_FILE_SIZE: '5KB',
      LOG_FILE: path.join(directory, 'app.log'),
      SMTP_HOST: 'smtp.example.org',
      SENTRY_DSN: 'https://key@sentry.example.org/1',
      REDIS_URL: 'rediss://:geheim@cache:6379',
      ENABLE_CACHE: 'true',
    });
    assert.equal(config.JWT_EXPIRES_IN, 900);
    assert.equal(config.MAX_FILE_SIZE, 5120);
    assert.equal(config.ENABLE_CACHE, true);
  });

  for (const NODE_ENV of ['production', 'staging']) {
    test(`${NODE_ENV} refuses to start without database and key, and says how to give them`, () => {
      assert.deepEqual(problems({ NODE_ENV, DATABASE_URL: undefined, JWT_SECRET: undefined }), [
        'DATABASE_URL: is missing, and must be an address like postgresql://USER:PASSWORD@HOST/NAME. Set it, or DATABASE_URL_FILE to a file that holds it.',
        'JWT_SECRET: is missing, and must be at least 32 characters long, without spaces around it. Set it, or JWT_SECRET_FILE to a file that holds it.',
      ]);
    });
  }

  test('development makes up a key that differs at each start', () => {
    const read = () => readConfig({ UPLOAD_DIR: directory }).JWT_SECRET;
    assert.notEqual(read(), read());
  });

  const refused: [string, string, string][] = [
    ['NODE_ENV', 'prod', '"prod" is not one of production, staging, development, test.'],
    ['PORT', '80', '"80" is not a whole number from 1024 to 65535.'],
    ['PORT', '3001a', '"3001a" is not a whole number from 1024 to 65535.'],
    ['HOST', 'localhost', '"localhost" is not an IP address.'],
    ['DB_POOL_MAX', '0', '"0" is not a whole number from 1 to 500.'],
    ['DB_POOL_MIN', '30', '30 is more than DB_POOL_MAX, 20. Lower it.'],
    ['JWT_EXPIRES_IN', '3600', '"3600" is not a duration like 24h (s, m, h or d).'],
    ['BCRYPT_SALT_ROUNDS', '4', '"4" is not a whole number from 10 to 15.'],
    ['RATE_LIMIT_WINDOW_MS', '1e6', '"1e6" is not a whole number from 1000 to 86400000.'],
    ['UPLOAD_DIR', 'uploads', '"uploads" is not an absolute path.'],
    ['MAX_FILE_SIZE', '100', '"100" is not a size like 100MB (KB, MB or GB).'],
    ['LOG_LEVEL', '', 'is empty, and must be one of error, warn, info, debug. Set it.'],
    ['SMTP_HOST', 'mail', '"mail" is not a host name like smtp.example.org.'],
    ['ENABLE_COMPRESSION', 'yes', '"yes" is not true or false.'],
    ['ENABLE_CACHE', 'true', '"true" needs REDIS_URL. Set that, or ENABLE_CACHE to false.'],
  ];
  for (const [name, value, says] of refused) {
    test(`${name}="${value}" is refused`, () => {
      assert.deepEqual(problems({ [name]: value }), [`${name}: ${says}`]);
    });
  }

  for (const [name, value] of [
    ['DATABASE_URL', 'mysql://app:geheim@db/stromhaltig'],
    ['DATABASE_URL', 'postgresql://app:geheim@db:99999/stromhaltig'],
    ['JWT_SECRET', 'geheim'],
    ['JWT_SECRET', ` geheim${'x'.repeat(32)}`],
    ['OPENAI_API_KEY', ' geheim'],
    ['SENTRY_DSN', 'https://geheim/1'],
    ['HEALTH_CHECK_TOKEN', 'geheim'],
    ['REDIS_URL', 'http://:geheim@cache'],
  ] as const) {
    test(`a wrong ${name} is refused without being shown`, () => {
      const [problem, ...rest] = problems({ [name]: value });
      assert.match(problem ?? '', new RegExp(`^${name}: the value \\(not shown\\) is not `));
      assert.deepEqual(rest, []);
      assert.doesNotMatch(problem ?? '', /geheim/);
    });
  }

  test('all problems are told at once', () => {
    assert.equal(problems({ PORT: '1', JWT_SECRET: 'short', LOG_LEVEL: 'all' }).length, 3);
  });

  test('a directory that cannot be written to is refused', () => {
    const file = path.join(directory, 'file');
    writeFileSync(file, '');
    assert.deepEqual(problems({ UPLOAD_DIR: `${file}/uploads`, LOG_FILE: `${file}/app.log` }), [
      `UPLOAD_DIR: cannot write to "${file}/uploads" (ENOTDIR). Name a directory that this user may write to.`,
      `LOG_FILE: cannot write to "${file}" (EEXIST). Name a directory that this user may write to.`,
    ]);
  });

  test('looking whether a directory is writable leaves nothing behind', () => {
    const uploads = path.join(directory, 'new', 'uploads');
    readConfig({ ...VALID, UPLOAD_DIR: uploads });
    assert.deepEqual(readdirSync(uploads), []);
  });
});

describe('secrets from files', () => {
  function file(content: string): string {
    const name = path.join(directory, 'secret');
    writeFileSync(name, content);
    return name;
  }

  test('NAME_FILE is read, without one trailing newline', () => {
    const read = (content: string) =>
      readConfig({ ...VALID, JWT_SECRET: undefined, JWT_SECRET_FILE: file(content) }).JWT_SECRET;
    assert.equal(read(`${JWT_SECRET}\n`), JWT_SECRET);
    assert.equal(read(`${JWT_SECRET}\r\n`), JWT_SECRET);
    assert.equal(read(JWT_SECRET), JWT_SECRET);
    assert.throws(() => read(`${JWT_SECRET}\n\n`), ConfigError);
  });

  test('a secret that is given twice is refused', () => {
    assert.deepEqual(problems({ JWT_SECRET_FILE: file(JWT_SECRET) }), [
      'JWT_SECRET: both JWT_SECRET and JWT_SECRET_FILE are set. Remove one of them.',
    ]);
  });

  test('a file that is not there is named', () => {
    assert.deepEqual(problems({ SMTP_PASS_FILE: '/nowhere/pass' }), [
      'SMTP_PASS_FILE: cannot read "/nowhere/pass" (ENOENT). Name a readable file.',
    ]);
  });

  test('commands on the database read their address from a file too, and need no other secret', () => {
    const url = 'postgresql://db/stromhaltig';
    const env = { NODE_ENV: 'production', DATABASE_URL_FILE: file(`${url}\n`) };
    assert.equal(readDatabaseConfig(env).DATABASE_URL, url);
  });
});

test('a wrong environment ends the app with exit code 78 and everything that is wrong', async () => {
  const { code, stdout, stderr } = await run('main.js', [], { PORT: '1', JWT_SECRET: 'too-short-and-secret' });
  assert.equal(code, 78);
  assert.equal(stdout, '');
  assert.match(stderr, /^The environment is wrong:\n {2}PORT: .*\n {2}DATABASE_URL: .*\n {2}JWT_SECRET: .*\n$/);
  assert.doesNotMatch(stderr, /too-short-and-secret/);
});
