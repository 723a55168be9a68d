/** Jobs as processes of their own, and the bucket that their backups go to. */

import { spawn, type ChildProcess } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  CreateBucketCommand,
  GetObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { ROOT, type LogRecord } from './app.ts';
import { Interference, Storage } from './servers.ts';

const REGION = 'eu-central-1';
const KEYS = { AWS_ACCESS_KEY_ID: 'testing', AWS_SECRET_ACCESS_KEY: 'testing' };

type Variables = Record<string, string | undefined>;

/** A bucket in a server of its own. */
export class Bucket {
  private constructor(
    private readonly server: Storage,
    private readonly client: S3Client,
    /** Between the jobs and the server. */
    readonly network: Interference,
  ) {}

  static readonly NAME = 'backups';

  static async launch(): Promise<Bucket> {
    const server = await Storage.launch();
    const credentials = { accessKeyId: KEYS.AWS_ACCESS_KEY_ID, secretAccessKey: KEYS.AWS_SECRET_ACCESS_KEY };
    const client = new S3Client({ region: REGION, endpoint: server.url, credentials });
    await client.send(
      new CreateBucketCommand({ Bucket: Bucket.NAME, CreateBucketConfiguration: { LocationConstraint: REGION } }),
    );
    return new Bucket(server, client, await Interference.launch(server.port));
  }

  /** What a job has to know of it. */
  environment(prefix: string): Variables {
    return {
      ...KEYS,
      AWS_ENDPOINT_URL: this.network.via(this.server.url),
      AWS_REGION: REGION,
      BACKUP_BUCKET: Bucket.NAME,
      BACKUP_PREFIX: prefix,
    };
  }

  async keys(): Promise<string[]> {
    const { Contents = [] } = await this.client.send(new ListObjectsV2Command({ Bucket: Bucket.NAME }));
    return Contents.map(({ Key }) => Key ?? '');
  }

  async unfinished(): Promise<number> {
    const { Uploads = [] } = await this.client.send(new ListMultipartUploadsCommand({ Bucket: Bucket.NAME }));
    return Uploads.length;
  }

  async read(key: string): Promise<Buffer> {
    const { Body } = await this.client.send(new GetObjectCommand({ Bucket: Bucket.NAME, Key: key }));
    return Buffer.from((await Body?.transformToByteArray()) ?? []);
  }

  async write(key: string, body: Buffer): Promise<void> {
    await this.client.send(new PutObjectCommand({ Bucket: Bucket.NAME, Key: key, Body: body }));
  }

  async remove(): Promise<void> {
    this.network.close();
    this.client.destroy();
    await this.server.remove();
  }
}

/** A job that runs, as the platform starts it: by npm. */
export class JobProcess {
  output = '';
  private readonly process: ChildProcess;
  readonly ended: Promise<number | null>;

  constructor(name: string, env: Variables, args: readonly string[] = []) {
    this.process = spawn('npm', ['run', `job:${name}`, '--', ...args], {
      cwd: ROOT,
      env: { PATH: process.env['PATH'], NODE_ENV: 'production', npm_config_update_notifier: 'false', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [this.process.stdout, this.process.stderr]) {
      stream?.on('data', (data) => { this.output += String(data); });
    }
    this.ended = new Promise((resolve) => this.process.once('close', resolve));
  }

  signal(signal: NodeJS.Signals): void {
    this.process.kill(signal);
  }

  get logs(): LogRecord[] {
    const lines = this.output.split('\n').filter((line) => line.startsWith('{') && line.endsWith('}'));
    return lines.map((line) => JSON.parse(line) as LogRecord);
  }

  /** Records of this level or with this message. */
  logged(what: string): LogRecord[] {
    return this.logs.filter(({ level, msg }) => level === what || msg === what);
  }
}

/** A job, run to its end. */
export async function runJob(
  name: string,
  env: Variables,
  args: readonly string[] = [],
): Promise<JobProcess & { code: number | null }> {
  const job = new JobProcess(name, env, args);
  const code = await job.ended;
  return Object.assign(job, { code });
}

/** A PATH on which a shell script stands before the program of this name. @returns it, and how to remove it. */
export function insteadOf(program: string, script: string): { path: string; remove: () => void } {
  const directory = mkdtempSync(path.join(tmpdir(), 'stromhaltig-path-'));
  const file = path.join(directory, program);
  writeFileSync(file, `#!/bin/sh\n${script}\n`);
  chmodSync(file, 0o755);
  return {
    path: `${directory}${path.delimiter}${process.env['PATH'] ?? ''}`,
    remove: () => { rmSync(directory, { recursive: true }); },
  };
}
