import { lstat, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CompiledCache, DiskBudget, type CompiledFile, type Kept, type ListKept } from '../../../src/cache/index.js';
import { digestHex, digestOf } from '../../../src/core/index.js';
import { writeCompiled } from './cache-bench.js';

/** Things of which the test knows what became. */
function shelf(...kept: readonly Pick<Kept, 'bytes' | 'usedMs' | 'inUse'>[]) {
  const there = new Set(kept);
  const list = (): Promise<readonly Kept[]> =>
    Promise.resolve(
      [...there].map((one) => ({ ...one, remove: () => Promise.resolve(there.delete(one)).then(() => undefined) })),
    );
  return { list, left: () => [...there].map(({ bytes }) => bytes) };
}

describe('the bound on the disk', () => {
  it('lets go what was used longest ago, whatever part it is of, until it holds', async () => {
    const budget = new DiskBudget(100);
    const segments = shelf({ bytes: 60, usedMs: 2, inUse: false }, { bytes: 30, usedMs: 4, inUse: false });
    const forms = shelf({ bytes: 50, usedMs: 1, inUse: false }, { bytes: 40, usedMs: 3, inUse: false });
    budget.add(segments.list);
    budget.add(forms.list);
    await budget.enforce();
    expect([segments.left(), forms.left()]).toEqual([[30], [40]]);
  });

  it('keeps what is in use, even beyond itself', async () => {
    const budget = new DiskBudget(0);
    const segments = shelf({ bytes: 60, usedMs: 1, inUse: true }, { bytes: 30, usedMs: 2, inUse: false });
    budget.add(segments.list);
    await budget.enforce();
    expect(segments.left()).toEqual([60]);
  });

  it('holds again after a part of the cache could not be listed', async () => {
    const budget = new DiskBudget(0);
    const disk = { broken: true };
    const segments = shelf({ bytes: 1, usedMs: 1, inUse: false });
    budget.add(() => (disk.broken ? Promise.reject(new Error('EIO')) : segments.list()));
    await expect(budget.enforce()).rejects.toThrow('EIO');
    disk.broken = false;
    await budget.enforce();
    expect(segments.left()).toEqual([]);
  });
});

const compile =
  (...tensors: readonly string[]) =>
  (folder: string): Promise<readonly CompiledFile[]> =>
    writeCompiled(folder, 'graph', tensors);

describe('compiled forms under the bound', () => {
  let directory = '';
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'modelkeep-disk-'));
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  it('go with the tensors that no other form has; one in use and the new one stay', async () => {
    const used = new Set<string>();
    const budget = new DiskBudget(0);
    const cache = await CompiledCache.open({ directory, target: 'this', budget, inUse: () => used });
    const first = await cache.ensure(digestOf('1'), compile('shared', 'one'));
    used.add(first);
    const second = await cache.ensure(digestOf('2'), compile('shared', 'two'));
    expect((await readdir(join(directory, 'compiled'))).length).toBe(2);
    used.add(second);
    used.delete(first);
    await budget.enforce();
    expect(await cache.find(digestOf('1'))).toBeUndefined();
    expect(await cache.find(digestOf('2'))).toBe(second);
    const left = ['shared', 'two'].map((tensor) => digestHex(digestOf(tensor)));
    expect((await readdir(join(directory, 'tensors'))).toSorted()).toEqual(left.toSorted());
  });

  it('of another release of the runtime go too, and a tensor of several counts once', async () => {
    const lists: ListKept[] = [];
    class Watched extends DiskBudget {
      override add(list: ListKept): void {
        lists.push(list);
        super.add(list);
      }
    }
    const budget = new Watched(0);
    await (await CompiledCache.open({ directory, target: 'old' })).ensure(digestOf('1'), compile('shared'));
    const cache = await CompiledCache.open({ directory, target: 'new' });
    await cache.ensure(digestOf('1'), compile('shared'));
    await CompiledCache.open({ directory, target: 'new', budget });
    const kept = (await Promise.all(lists.map((list) => list()))).flat();
    expect(kept).toHaveLength(2);
    const folders = await readdir(join(directory, 'compiled'));
    const sizes = await Promise.all(folders.map((name) => smallFilesOf(join(directory, 'compiled', name))));
    const own = sizes.reduce((sum, size) => sum + size, 0);
    expect(kept.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(own + 'shared'.length);
    await budget.enforce();
    expect(await readdir(join(directory, 'compiled'))).toEqual([]);
    expect(await readdir(join(directory, 'tensors'))).toEqual([]);
  });
});

/** Bytes of an entry's graph and list: all but its tensors. */
async function smallFilesOf(folder: string): Promise<number> {
  const names = ['model.onnx', 'entry.json'];
  const states = await Promise.all(names.map((name) => lstat(join(folder, name))));
  return states.reduce((sum, { size }) => sum + size, 0);
}
