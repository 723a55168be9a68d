import { Writable } from 'node:stream';

const END = '-- PostgreSQL database dump complete';

/** Bytes at the end of a dump among which the line is that says so. */
const TAIL = 512;

/** Characters of a line that are looked at: quoted, schema and table have 262 at most, of up to 4 bytes. */
const HEAD = 2048;

/** Takes a dump in SQL; fails at its end unless it is whole, with the data of these tables. */
export class DumpInspector extends Writable {
  private readonly missing: Set<string>;
  /** The line that is not finished, or how it begins. */
  private line = '';
  private tail = '';

  /** @param tables as pg_dump writes them: schema and name, quoted where need be. */
  constructor(tables: readonly string[]) {
    super();
    this.missing = new Set(tables.map((table) => Buffer.from(table).toString('latin1')));
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    // Bytes as they are: a character may end in the next chunk.
    const text = this.line + chunk.toString('latin1');
    for (let at = text.startsWith('COPY ') ? 0 : after(text, 0); at >= 0; at = after(text, at)) this.see(text, at);
    const last = text.lastIndexOf('\n') + 1;
    this.line = text.slice(last, last + HEAD);
    this.tail = (this.tail + chunk.toString('latin1')).slice(-TAIL);
    done();
  }

  override _final(done: (error?: Error) => void): void {
    const [table] = this.missing;
    if (!this.tail.split('\n').includes(END)) done(new Error('The dump is not whole: it does not come to an end'));
    else if (table !== undefined) done(new Error(`The dump is not whole: it lacks the table ${Buffer.from(table, 'latin1').toString()}`));
    else done();
  }

  /** A line that begins with COPY. Cut off, it comes again with its rest. */
  private see(text: string, at: number): void {
    const line = text.slice(at + 'COPY '.length, at + HEAD);
    for (const table of this.missing) {
      if (line.startsWith(`${table} `)) {
        this.missing.delete(table);
        return;
      }
    }
  }
}

/** Where the next line of COPY begins; -1 without one. */
function after(text: string, at: number): number {
  const found = text.indexOf('\nCOPY ', at);
  return found < 0 ? -1 : found + 1;
}
