import { chmod, link, lstat, mkdir, readdir, readlink, rename, rm } from 'node:fs/promises';
import type { Dirent, Stats } from 'node:fs';
import path from 'node:path';
import { PARTIAL } from '../partial.ts';
import { stamp } from './stamps.ts';

const WORK = '.restore';
const KEPT = '.before-';

/** What a restoration has in the directory of uploads, as patterns: no uploads. */
export const INTERNAL: readonly string[] = [WORK, `${KEPT}*`];

/**
 * New contents for a directory that may be a mount: it cannot change its name, so all happens inside.
 *
 * They are gathered in `.restore/loading`. The name of that says how far things are: as `replacing`, what they leave
 * no place for moves aside; as `merging`, they move in, file by file, and no file is ever missed. Killed while
 * loading, nothing has changed; killed later, the next run goes on where this one was. What was replaced is kept,
 * as `.before-STAMP`.
 */
export class Restoration {
  private readonly work: string;
  /** Where the new contents are put. */
  readonly loading: string;
  private readonly replacing: string;
  private readonly merging: string;
  private readonly before: string;

  constructor(private readonly directory: string) {
    this.work = path.join(directory, WORK);
    this.loading = path.join(this.work, 'loading');
    this.replacing = path.join(this.work, 'replacing');
    this.merging = path.join(this.work, 'merging');
    this.before = path.join(this.work, 'before');
  }

  /**
   * Begin, without what a killed run has left.
   *
   * @returns whether that had got so far that it was finished.
   */
  async begin(): Promise<boolean> {
    const moving = (await look(this.replacing)) ?? (await look(this.merging));
    if (moving) await this.finish();
    else await this.abandon();
    await mkdir(this.loading, { recursive: true, mode: 0o700 });
    return moving !== undefined;
  }

  /** Remove what was loaded. */
  async abandon(): Promise<void> {
    await unlock(this.loading);
    await rm(this.work, { recursive: true, force: true });
  }

  /**
   * See that what was loaded stays in its place, and can take it. Its owner may read and write all of it then.
   *
   * @param replace whether what is in its way goes.
   * @returns how many files they are.
   * @throws when it holds anything but files, folders, and links to what is inside.
   */
  async inspect(replace: boolean, folder = ''): Promise<number> {
    let files = 0;
    for (const { name, entry } of await list(this.loading, folder)) {
      if (isInternal(name)) throw new Error(`The archive holds "${name}", which is no upload`);
      const there = replace ? undefined : await look(path.join(this.directory, name));
      if (there && there.isDirectory() !== entry.isDirectory()) {
        throw new Error(`"${name}" is a ${there.isDirectory() ? 'folder' : 'file'} now, and the archive has the other: restore with --replace`);
      }
      if (entry.isSymbolicLink()) await this.demandInside(name);
      else await this.open(name, entry);
      files += entry.isDirectory() ? await this.inspect(replace, name) : Number(entry.isFile());
    }
    return files;
  }

  /**
   * Put in place what was loaded.
   *
   * @param replace whether other files go.
   * @returns where the files are kept that were replaced, if any were.
   */
  async commit(replace: boolean): Promise<string | undefined> {
    await rename(this.loading, replace ? this.replacing : this.merging);
    return this.finish();
  }

  private async finish(): Promise<string | undefined> {
    if (await look(this.replacing)) {
      await this.makeRoom();
      await rename(this.replacing, this.merging);
    }
    await this.moveIn();
    const kept = (await look(this.before)) && (await this.freePlace());
    if (kept !== undefined) await rename(this.before, kept);
    await rm(this.work, { recursive: true });
    return kept;
  }

  /** What is not among the new, or of another kind there, goes aside. Uploads that are being received stay. */
  private async makeRoom(folder = ''): Promise<void> {
    for (const { name, entry } of await list(this.directory, folder)) {
      if (isInternal(name) || (entry.isFile() && name.endsWith(PARTIAL))) continue;
      const coming = await look(path.join(this.replacing, name));
      if (coming?.isDirectory() !== entry.isDirectory()) {
        await this.aside(name, (from, to) => rename(from, to));
      } else if (entry.isDirectory()) {
        await this.makeRoom(name);
      }
    }
  }

  private async moveIn(folder = ''): Promise<void> {
    for (const { name, entry } of await list(this.merging, folder)) {
      const target = path.join(this.directory, name);
      if (entry.isDirectory()) {
        await mkdir(target, { recursive: true });
        await this.moveIn(name);
      } else {
        // A second name for what is there: the app never misses the file.
        if (await look(target)) await this.aside(name, (from, to) => link(from, to));
        await rename(path.join(this.merging, name), target);
      }
    }
  }

  private async aside(name: string, keep: (from: string, to: string) => Promise<void>): Promise<void> {
    const to = path.join(this.before, name);
    await mkdir(path.dirname(to), { recursive: true, mode: 0o700 });
    await keep(path.join(this.directory, name), to).catch((error: unknown) => {
      // Deleted in the app meanwhile; or kept by a run that was killed just then.
      if (!['ENOENT', 'EEXIST'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    });
  }

  /** Whatever the archive says, the app has to be able to use it. */
  private async open(name: string, entry: Dirent): Promise<void> {
    if (!entry.isFile() && !entry.isDirectory()) throw new Error(`"${name}" in the archive is neither file nor folder`);
    const file = path.join(this.loading, name);
    const { mode } = await lstat(file);
    const owners = entry.isDirectory() ? 0o700 : 0o600;
    if ((mode & owners) !== owners) await chmod(file, (mode & 0o777) | owners);
  }

  /** Steps up may only be at the beginning: behind another link they would lead elsewhere than they say. */
  private async demandInside(name: string): Promise<void> {
    const target = await readlink(path.join(this.loading, name));
    const down = target.replace(/^(\.\.(\/|$))+/, '').split('/');
    const [first] = path.join(path.dirname(name), target).split('/');
    if (path.isAbsolute(target) || down.includes('..') || first === '..') {
      throw new Error(`"${name}" in the archive is a link that leads out: ${target}`);
    }
  }

  private async freePlace(at = new Date()): Promise<string> {
    const place = path.join(this.directory, KEPT + stamp(at));
    return (await look(place)) ? this.freePlace(new Date(at.getTime() + 1000)) : place;
  }
}

function isInternal(name: string): boolean {
  return name === WORK || name.split('/')[0]?.startsWith(KEPT) === true;
}

/** Let its owner into a folder and all in it, whatever modes the archive had. */
async function unlock(folder: string): Promise<void> {
  if ((await look(folder)) === undefined) return;
  await chmod(folder, 0o700);
  for (const { name, entry } of await list(folder, '')) {
    if (entry.isDirectory()) await unlock(path.join(folder, name));
  }
}

async function look(file: string): Promise<Stats | undefined> {
  try {
    return await lstat(file);
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  }
}

/** What is in a folder below a root, with names from there. */
async function list(root: string, folder: string): Promise<{ name: string; entry: Dirent }[]> {
  const entries = await readdir(path.join(root, folder), { withFileTypes: true });
  return entries.map((entry) => ({ name: path.join(folder, entry.name), entry }));
}
