/** Backups into S3, whole or not at all, and out of it. */

import { Readable } from 'node:stream';
import { crc32 } from 'node:zlib';
import { GetObjectCommand, HeadObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import type { BackupConfig } from '../config.ts';

/** Bytes of a part. S3 takes 10,000 of them: 156 GiB, packed. */
export const PART_SIZE = 16 * 1024 ** 2;

/** Parts under way at once; with the one being filled, 48 MiB of memory. */
const PARTS_AT_ONCE = 2;

/** Milliseconds to connect to S3, and of silence after which a request is tried again. */
const CONNECT_TIMEOUT = 5000;
const SILENCE = 60_000;

const ATTEMPTS = 5;

export interface Stored {
  bucket: string;
  key: string;
  bytes: number;
  /** Of the whole object, as S3 shows it: base64. */
  crc32: string;
}

/**
 * Upload a stream, and make sure that S3 holds just that.
 *
 * Nothing is there under the name unless the stream came to its end: until then S3 only holds parts, and those are
 * given back when anything fails. S3 checks each part by its checksum as it arrives. That the object as a whole is
 * what was sent is compared afterwards. A mismatch then would be somebody else's doing, so we remove nothing,
 * and need no right to.
 */
export async function store(config: BackupConfig, name: string, body: AsyncIterable<Buffer>): Promise<Stored> {
  const client = connect(config);
  const place = { Bucket: config.BACKUP_BUCKET, Key: config.BACKUP_PREFIX + name };
  const sent = { bytes: 0, crc32: 0 };
  try {
    await new Upload({
      client,
      params: {
        ...place,
        Body: Readable.from(counted(body, sent)),
        ContentType: 'application/gzip',
        ChecksumAlgorithm: 'CRC32',
        ChecksumType: 'FULL_OBJECT',
      },
      partSize: PART_SIZE,
      queueSize: PARTS_AT_ONCE,
    }).done();
    const head = await client.send(new HeadObjectCommand({ ...place, ChecksumMode: 'ENABLED' }));
    const stored = { bucket: place.Bucket, key: place.Key, bytes: sent.bytes, crc32: base64(sent.crc32) };
    if (head.ContentLength !== stored.bytes || head.ChecksumCRC32 !== stored.crc32) {
      throw new Error(
        `s3://${place.Bucket}/${place.Key} is not what was sent: ${head.ContentLength ?? 'no'} bytes with CRC-32 ` +
          `${head.ChecksumCRC32 ?? 'unknown'}, instead of ${stored.bytes} with ${stored.crc32}. Do not rely on it`,
      );
    }
    return stored;
  } finally {
    client.destroy();
  }
}

/**
 * What is stored under a name.
 *
 * @throws when it is not there or may not be read, and, after its last byte, when it is not what was stored: the SDK
 * compares the checksum.
 */
export async function* stored(config: BackupConfig, name: string): AsyncGenerator<Buffer> {
  const client = connect(config);
  const place = { Bucket: config.BACKUP_BUCKET, Key: config.BACKUP_PREFIX + name };
  try {
    const { Body } = await client.send(new GetObjectCommand(place));
    for await (const chunk of Body as Readable) yield chunk as Buffer;
  } catch (error) {
    throw new Error(`s3://${place.Bucket}/${place.Key} cannot be read: ${(error as Error).message}`, { cause: error });
  } finally {
    client.destroy();
  }
}

function connect(config: BackupConfig): S3Client {
  return new S3Client({
    region: config.AWS_REGION,
    maxAttempts: ATTEMPTS,
    requestHandler: { connectionTimeout: CONNECT_TIMEOUT, socketTimeout: SILENCE },
  });
}

async function* counted(body: AsyncIterable<Buffer>, sent: { bytes: number; crc32: number }): AsyncGenerator<Buffer> {
  for await (const chunk of body) {
    sent.bytes += chunk.length;
    sent.crc32 = crc32(chunk, sent.crc32);
    yield chunk;
  }
}

function base64(checksum: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(checksum);
  return bytes.toString('base64');
}
