import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { beforeEach, describe, test, type TestContext } from 'node:test';
import { ROOT } from './app.ts';
import { kept, NEW, OLD, plant, tree, visible } from './trees.ts';

let temporary: string;
let uploads: string;

beforeEach((t) => {
  temporary = mkdtempSync(path.join(tmpdir(), 'stromhaltig-restoration-'));
  (t as TestContext).after(() => { rmSync(temporary, { recursive: true }); });
  uploads = path.join(temporary, 'uploads');
});

/** Restore what is in a folder, in a process that is killed for good before its Nth change. @returns whether it was. */
async function killed(change: number, source: string): Promise<boolean> {
  const script = `
    import fs from 'node:fs';
    import { syncBuiltinESMExports } from 'node:module';
    let left = ${change};
    for (const name of ['chmod', 'link', 'mkdir', 'rename', 'rm']) {
      const real = fs.promises[name];
      fs.promises[name] = (...args) => {
        if (--left === 0) process.kill(process.pid, 'SIGKILL');
        return real(...args);
      };
    }
    syncBuiltinESMExports();
    const { Restoration } = await import('./dist/jobs/restoration.js');
    const restoration = new Restoration(${JSON.stringify(uploads)});
    await restoration.begin();
    fs.cpSync(${JSON.stringify(source)}, restoration.loading, { recursive: true, verbatimSymlinks: true });
    await restoration.inspect(true);
    await restoration.commit(true);
  `;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], { cwd: ROOT, stdio: 'inherit' });
  const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
  assert(signal === 'SIGKILL' || code === 0);
  return signal === 'SIGKILL';
}

describe('restoration', () => {
  test('killed for good at any moment, the next run finishes it, and nothing is lost or missed', async () => {
    const source = path.join(temporary, 'source');
    plant(source, NEW);
    const both = Object.keys(OLD).filter((name) => name in NEW && !name.endsWith('/'));
    let change = 0;
    for (let going = true; going;) {
      plant(uploads, OLD);
      going = await killed(++change, source);
      const [now, all] = [visible(uploads), Object.values(tree(uploads))];
      for (const name of both) assert([OLD[name as never], NEW[name as never]].includes(now[name] as never), `${name} is missed`);
      for (const content of Object.values(OLD)) assert(all.includes(content), `${content} is lost`);
      assert.equal(await killed(0, source), false);
      assert.deepEqual(visible(uploads), NEW);
      const aside = kept(uploads);
      for (const [name, content] of Object.entries(OLD)) assert.equal(aside[name], content, `${name} is not kept`);
      assert.equal(readdirSync(uploads).includes('.restore'), false);
      rmSync(uploads, { recursive: true });
    }
    assert(change > 15, `only ${change} changes were seen`);
  });
});
