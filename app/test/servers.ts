/** Real PostgreSQL and Redis for the tests, and moto in place of S3: own processes on free loopback ports, gone afterwards. */

import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { accessSync, chownSync, constants, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { createClient } from 'redis';

/** PostgreSQL refuses to run as root; nobody is on every machine. */
const NOBODY = 65534;
const unprivileged = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {};

const PATIENCE = 20_000;

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** An empty directory that the unprivileged servers may write to. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(path.join(tmpdir(), 'stromhaltig-'));
  if ('uid' in unprivileged) chownSync(directory, NOBODY, NOBODY);
  return directory;
}

/** Throws when a step of several seconds has not come true. */
export async function eventually(says: string, isTrue: () => Promise<boolean> | boolean, patience = PATIENCE): Promise<void> {
  const deadline = Date.now() + patience;
  while (!(await isTrue())) {
    if (Date.now() > deadline) throw new Error(`Not within ${patience / 1000} s: ${says}`);
    await sleep(30);
  }
}

/** A server process with a data directory of its own. */
abstract class TestServer {
  private process: ChildProcess | undefined;
  protected output = '';
  /** Who it runs as. */
  protected user: { uid?: number; gid?: number } = unprivileged;

  protected constructor(
    readonly port: number,
    protected readonly directory: string,
  ) {}

  protected abstract command(): [string, string[]];
  protected abstract stopSignal: NodeJS.Signals;
  protected abstract isReady(): Promise<boolean>;

  async start(): Promise<void> {
    const [executable, args] = this.command();
    const child = spawn(executable, args, { cwd: this.directory, stdio: ['ignore', 'pipe', 'pipe'], ...this.user });
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => { this.output += String(data); });
    this.process = child;
    await eventually(`${path.basename(executable)} is ready`, async () => {
      if (child.exitCode !== null) throw new Error(`${executable} ended:\n${this.output}`);
      return this.isReady();
    });
  }

  /** Hang: connections stay, and get no answer. */
  suspend(): void {
    this.process?.kill('SIGSTOP');
  }

  resume(): void {
    this.process?.kill('SIGCONT');
  }

  /** Stop, and keep the data. */
  async stop(): Promise<void> {
    const child = this.process;
    if (!child || child.exitCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill(this.stopSignal);
    // A suspended one would never hear of it.
    child.kill('SIGCONT');
    await ended;
    this.process = undefined;
  }

  async remove(): Promise<void> {
    await this.stop();
    rmSync(this.directory, { recursive: true });
  }
}

export class Postgres extends TestServer {
  protected stopSignal = 'SIGINT' as const;

  static async launch(): Promise<Postgres> {
    const directory = temporaryDirectory();
    execFileSync(find('initdb'), ['--pgdata', 'data', '--username', 'app', '--auth', 'trust', '--no-sync', '--encoding', 'UTF8', '--locale', 'C'], {
      cwd: directory,
      stdio: ['ignore', 'ignore', 'inherit'],
      ...unprivileged,
    });
    const server = new Postgres(await freePort(), directory);
    await server.start();
    return server;
  }

  protected command(): [string, string[]] {
    const settings = { port: this.port, listen_addresses: '127.0.0.1', unix_socket_directories: '', fsync: 'off' };
    const args = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    return [find('postgres'), ['-D', 'data', ...args]];
  }

  get url(): string {
    return `postgresql://app:unused@127.0.0.1:${this.port}/postgres`;
  }

  protected async isReady(): Promise<boolean> {
    return execute(this.url, 'SELECT 1').then(() => true, () => false);
  }
}

/** Run SQL on a connection of its own. */
export async function execute<T extends pg.QueryResultRow>(databaseUrl: string, sql: string): Promise<T[]> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  const { rows } = await client.query<T>(sql).finally(() => client.end());
  return rows;
}

/** The database on the shared server that has every migration. */
export const MIGRATED = 'migrated';

/** The address of a new database on the server that all tests share; empty, or a copy. */
export async function createDatabase(template = 'template1'): Promise<string> {
  const name = `test_${randomBytes(6).toString('hex')}`;
  const server = sharedPostgres();
  await execute(server, `CREATE DATABASE ${name} TEMPLATE ${template}`);
  return databaseOn(server, name);
}

/** @param server address of any of its databases. */
export function databaseOn(server: string, name: string): string {
  return server.replace(/[^/]*$/, name);
}

/** Where the server is that `npm test` starts once for all files, because making one takes seconds. */
export const SHARED_POSTGRES = 'TEST_POSTGRES';

function sharedPostgres(): string {
  const url = process.env[SHARED_POSTGRES];
  if (url === undefined) throw new Error('Run the tests with: npm test [FILE...]');
  return url;
}

/** Stands before a server, and does to connections what networks do. */
export class Interference {
  /** Nothing passes any more, and nobody is told. */
  silent = false;
  /** Whether to cut the connection instead of passing on what a side says. */
  cuts: (says: string, side: 'client' | 'server') => boolean = () => false;
  private readonly sockets = new Set<Socket>();
  private readonly listener = createServer((client) => {
    const server = connect(this.target, '127.0.0.1');
    for (const [from, to, side] of [[client, server, 'client'], [server, client, 'server']] as const) {
      this.sockets.add(from);
      from.on('error', () => undefined);
      from.on('close', () => {
        this.sockets.delete(from);
        if (!this.silent) to.destroy();
      });
      from.on('data', (data) => {
        if (this.cuts(String(data), side)) client.destroy();
        else if (!this.silent) to.write(data);
      });
    }
  });

  private constructor(private readonly target: number) {}

  /** @param target port of the server. */
  static async launch(target: number): Promise<Interference> {
    const interference = new Interference(target);
    await new Promise<void>((resolve) => interference.listener.listen(0, '127.0.0.1', resolve));
    return interference;
  }

  /** The address of the server, by way of here. */
  via(url: string): string {
    const { port } = this.listener.address() as AddressInfo;
    return url.replace(`:${this.target}`, `:${port}`);
  }

  close(): void {
    this.listener.close();
    for (const socket of this.sockets) socket.destroy();
  }
}

export class Redis extends TestServer {
  protected stopSignal = 'SIGTERM' as const;

  static async launch(): Promise<Redis> {
    const server = new Redis(await freePort(), temporaryDirectory());
    await server.start();
    return server;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  protected command(): [string, string[]] {
    return [find('redis-server'), ['--port', String(this.port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no']];
  }

  protected async isReady(): Promise<boolean> {
    const client = createClient({ url: this.url, socket: { reconnectStrategy: false } });
    client.on('error', () => undefined);
    try {
      await client.connect();
      await client.close();
      return true;
    } catch {
      return false;
    }
  }
}

/** S3, as far as moto carries it. */
export class Storage extends TestServer {
  protected stopSignal = 'SIGTERM' as const;
  // Python may be where only we can read.
  protected override user = {};

  static async launch(): Promise<Storage> {
    const server = new Storage(await freePort(), temporaryDirectory());
    await server.start();
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  protected command(): [string, string[]] {
    return [find('moto_server'), ['--host', '127.0.0.1', '--port', String(this.port)]];
  }

  protected async isReady(): Promise<boolean> {
    return fetch(this.url).then(() => true, () => false);
  }
}

/** The server's executable, from PATH or from where Debian puts PostgreSQL's. */
export function find(name: string): string {
  const debian = '/usr/lib/postgresql';
  const directories = (process.env['PATH'] ?? '').split(path.delimiter);
  try {
    directories.push(...readdirSync(debian).sort().reverse().map((version) => path.join(debian, version, 'bin')));
  } catch {
    // No PostgreSQL from Debian.
  }
  const found = directories.map((directory) => path.join(directory, name)).find(isExecutable);
  if (found === undefined) {
    throw new Error(
      `${name} is on neither PATH nor ${debian}/*/bin. Install PostgreSQL 15, Redis and moto, or, in the repository's root: ` +
        'export PATH="$(.venv/bin/python -m tools.servers postgres redis moto):$PATH"',
    );
  }
  return found;
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
