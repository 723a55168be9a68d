/** Directories of uploads: made, and looked at. */

import { mkdirSync, readdirSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';

export type Tree = Record<string, string>;

/** Files by name, folders with a slash at the end, and links with an arrow. */
export function tree(root: string, folder = ''): Tree {
  const found: Tree = {};
  for (const entry of readdirSync(path.join(root, folder), { withFileTypes: true })) {
    const name = path.join(folder, entry.name);
    if (entry.isSymbolicLink()) found[name] = `-> ${readlinkSync(path.join(root, name))}`;
    else if (entry.isDirectory()) Object.assign(found, { [`${name}/`]: '' }, tree(root, name));
    else found[name] = readFileSync(path.join(root, name), 'utf8');
  }
  return found;
}

export function plant(root: string, files: Tree): void {
  mkdirSync(root, { recursive: true });
  for (const [name, content] of Object.entries(files)) {
    const file = path.join(root, name);
    mkdirSync(name.endsWith('/') ? file : path.dirname(file), { recursive: true });
    if (content.startsWith('-> ')) symlinkSync(content.slice(3), file);
    else if (!name.endsWith('/')) writeFileSync(file, content);
  }
}

/** What is in the directory, but for what a restoration keeps there. */
export function visible(uploads: string): Tree {
  return Object.fromEntries(Object.entries(tree(uploads)).filter(([name]) => !/^\.(before-|restore)/.test(name)));
}

/** All that was kept, of every restoration. */
export function kept(uploads: string): Tree {
  const folders = readdirSync(uploads).filter((name) => name.startsWith('.before-'));
  return Object.assign({}, ...folders.sort().reverse().map((name) => tree(path.join(uploads, name)))) as Tree;
}

export const OLD = { 'a': 'old a', 'gone': 'old gone', 'in/b': 'old b', 'in/': '', 'in/c': 'old c', 'alone/': '', 'alone/d': 'old d', 'kind': 'old kind' };
export const NEW = { 'a': 'new a', 'in/': '', 'in/b': 'new b', 'link': '-> in/b', 'none/': '', 'kind/': '', 'kind/e': 'new e', '-rf': 'new -rf', 'zwei\nZeilen, ä': 'new z' };

/** A tree but for these names. */
export function without(files: Tree, ...names: string[]): Tree {
  return Object.fromEntries(Object.entries(files).filter(([name]) => !names.includes(name)));
}
