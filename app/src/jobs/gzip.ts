import { once } from 'node:events';
import { Readable, type Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';

/**
 * A stream, packed.
 *
 * What leaves here has been unpacked again and looked at: it is what arrives in storage that must be good, not
 * what we meant to write.
 *
 * @param inspector takes what was unpacked; fails, at its end, when that is not whole.
 * @throws before the last byte is out, when source, packing or inspection fails.
 */
export async function* packed(plain: AsyncIterable<Buffer>, inspector: Writable): AsyncGenerator<Buffer> {
  const source = Readable.from(plain, { objectMode: false });
  const gzip = createGzip();
  source.on('error', (error) => gzip.destroy(error)).pipe(gzip);
  const gunzip = createGunzip();
  gunzip.on('error', (error) => inspector.destroy(error)).pipe(inspector);
  inspector.on('error', (error) => gunzip.destroy(error));
  const inspected = finished(inspector);
  // Awaited below, but it may fail before.
  inspected.catch(() => undefined);
  try {
    for await (const chunk of gzip as AsyncIterable<Buffer>) {
      if (!gunzip.write(chunk)) await Promise.race([once(gunzip, 'drain'), inspected]);
      yield chunk;
    }
    gunzip.end();
    await inspected;
  } finally {
    for (const stream of [source, gzip, gunzip, inspector]) stream.destroy();
  }
}

/**
 * A packed stream, unpacked.
 *
 * @throws when it is cut off or damaged.
 */
export async function* unpacked(packed: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const source = Readable.from(packed, { objectMode: false });
  const gunzip = createGunzip();
  source.on('error', (error) => gunzip.destroy(error)).pipe(gunzip);
  try {
    for await (const chunk of gunzip as AsyncIterable<Buffer>) yield chunk;
  } finally {
    for (const stream of [source, gunzip]) stream.destroy();
  }
}
