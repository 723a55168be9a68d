/** The built app as a process of its own, and its command lines. */

import { spawn, type ChildProcess } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after } from 'node:test';
import { hashPassword } from '../src/passwords.ts';
import { createDatabase, eventually, execute, freePort, MIGRATED, temporaryDirectory } from './servers.ts';

export const ROOT = path.resolve(import.meta.dirname, '..');

export const PASSWORD = 'Sonnenstrom-2026';

type Variables = Record<string, string | undefined>;

export interface Outcome {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Run one of dist's scripts to its end. */
export async function run(script: string, args: string[], env: Variables, input = '', root = ROOT): Promise<Outcome> {
  const child = spawn(process.execPath, [path.join(root, 'dist', script), ...args], { env: environment(env) });
  const outcome = { stdout: '', stderr: '' };
  child.stdout.on('data', (data) => { outcome.stdout += String(data); });
  child.stderr.on('data', (data) => { outcome.stderr += String(data); });
  child.stdin.on('error', () => undefined).end(input);
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { code, ...outcome };
}

/** Nothing of the developer's own settings. */
function environment(env: Variables): NodeJS.ProcessEnv {
  return { PATH: process.env['PATH'], NODE_ENV: 'production', ...env };
}

/** A copy of the built app whose migrations and client can be changed. */
export function copyOfApp(): string {
  const root = mkdtempSync(path.join(tmpdir(), 'stromhaltig-app-'));
  for (const name of ['dist', 'migrations', 'package.json']) {
    cpSync(path.join(ROOT, name), path.join(root, name), { recursive: true });
  }
  symlinkSync(path.join(ROOT, 'node_modules'), path.join(root, 'node_modules'));
  return root;
}

export interface LogRecord {
  level: string;
  msg: string;
  [field: string]: unknown;
}

let addresses = 0;

/** Of a client that nobody knows yet, and no limit concerns. */
export function newAddress(): string {
  addresses++;
  return `198.51.${addresses >> 8}.${addresses & 255}`;
}

const launched: App[] = [];

// Also after a test that failed half-way.
after(async () => {
  for (const app of launched) await app.kill();
});

export class App {
  output = '';

  private constructor(
    private readonly process: ChildProcess,
    readonly port: number,
    readonly databaseUrl: string,
    private readonly directory: string,
  ) {
    for (const stream of [process.stdout, process.stderr]) {
      stream?.on('data', (data) => { this.output += String(data); });
    }
  }

  /** Start without waiting, on a free port; for apps that are not expected to come up. */
  static async spawn(env: Variables, root = ROOT): Promise<App> {
    const directory = temporaryDirectory();
    mkdirSync(path.join(directory, 'uploads'));
    const port = await freePort();
    const databaseUrl = env['DATABASE_URL'] ?? 'postgresql://127.0.0.1:1/none';
    const child = spawn(process.execPath, [path.join(root, 'dist', 'main.js')], {
      env: environment({
        HOST: '127.0.0.1',
        PORT: String(port),
        DATABASE_URL: databaseUrl,
        JWT_SECRET: 'a-secret-of-the-tests-with-enough-characters',
        UPLOAD_DIR: path.join(directory, 'uploads'),
        BCRYPT_SALT_ROUNDS: '10',
        HEALTH_CHECK_TOKEN: 'health-check-token',
        ...env,
      }),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const app = new App(child, port, databaseUrl, directory);
    launched.push(app);
    return app;
  }

  /** A running app; without DATABASE_URL on a new, migrated database. */
  static async launch(env: Variables = {}, root = ROOT): Promise<App> {
    const databaseUrl = env['DATABASE_URL'] ?? (await migratedDatabase());
    const app = await App.spawn({ ...env, DATABASE_URL: databaseUrl }, root);
    await app.ready();
    return app;
  }

  async ready(): Promise<void> {
    await eventually('the app listens', () => {
      if (this.process.exitCode !== null) throw new Error(`The app ended:\n${this.output}`);
      return this.logs.some(({ msg }) => msg === 'Listening');
    });
  }

  get uploads(): string {
    return path.join(this.directory, 'uploads');
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** What the app has logged so far. */
  get logs(): LogRecord[] {
    const lines = this.output.split('\n').filter((line) => line.startsWith('{') && line.endsWith('}'));
    return lines.map((line) => JSON.parse(line) as LogRecord);
  }

  async fetch(route: string, init: RequestInit = {}): Promise<Response> {
    return fetch(this.url + route, init);
  }

  async postJson(route: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> {
    return this.fetch(route, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', 'X-Forwarded-For': newAddress(), ...headers },
      body: JSON.stringify(body),
    });
  }

  /** Add a user and sign them in: the header that authorises. */
  async signIn(email: string): Promise<{ Authorization: string }> {
    await addUser(this.databaseUrl, email);
    const response = await this.postJson('/api/auth/login', { email, password: PASSWORD });
    const { token } = (await response.json()) as { token: string };
    return { Authorization: `Bearer ${token}` };
  }

  signal(signal: NodeJS.Signals): void {
    this.process.kill(signal);
  }

  /** The exit code, once the process has ended by itself or by a signal sent before. */
  async ended(): Promise<number | null> {
    if (this.process.exitCode === null && this.process.signalCode === null) {
      await new Promise((resolve) => this.process.once('exit', resolve));
    }
    return this.process.exitCode;
  }

  /** End it at once, and remove what it wrote. */
  async kill(): Promise<void> {
    this.process.kill('SIGKILL');
    await this.ended();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** A new database as the migrations leave it: a copy, because running them takes longer. */
export async function migratedDatabase(): Promise<string> {
  return createDatabase(MIGRATED);
}

export async function addUser(databaseUrl: string, email: string): Promise<void> {
  const hash = await hashPassword(PASSWORD, 10);
  await execute(databaseUrl, `INSERT INTO users (email, password_hash) VALUES ('${email}', '${hash}')`);
}
