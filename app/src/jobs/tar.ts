import { stat } from 'node:fs/promises';

/** Bytes of zeros that end an archive. Without them tar is content with what there is. */
const END = 1024;

/** Sees an archive pass, and whether it comes to its end. */
export class ArchiveEnd {
  private tail: Buffer = Buffer.alloc(0);

  see(chunk: Buffer): void {
    this.tail = Buffer.concat([this.tail, chunk.subarray(-END)]).subarray(-END);
  }

  get seen(): boolean {
    return this.tail.equals(Buffer.alloc(END));
  }
}

/** @throws unless the uploads are there: a directory that is not mounted is no empty one. */
export async function demandDirectory(directory: string): Promise<void> {
  const found = await stat(directory).catch(() => undefined);
  if (!found?.isDirectory()) throw new Error(`UPLOAD_DIR: there is no directory ${directory}`);
}
