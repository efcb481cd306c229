import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { readdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SegmentCache, type CompiledFile } from '../../../src/cache/index.js';
import {
  digestHex,
  digestOf,
  distinctPlaces,
  type Manifest,
  type VersionRecord,
  type VersionStore,
} from '../../../src/core/index.js';
import { contentsOf } from '../../../src/testing/index.js';

/** A version in a store. */
export interface Published {
  readonly record: VersionRecord;
  readonly manifest: Manifest;
  /** Hex digests of its segments: their names in a cache. */
  readonly names: readonly string[];
  readonly bytes: number;
}

/** Publishes a version of a few files of random-looking bytes, `segmentBytes` a segment. */
export async function publish(
  store: VersionStore,
  seed: string,
  sizes: readonly number[],
  segmentBytes = 1_000,
): Promise<Published> {
  const files = Object.fromEntries(sizes.map((size, i) => [`file-${i}`, noise(`${seed}/${i}`, size)]));
  const { manifest, source } = contentsOf(files, { segmentBytes });
  const { record } = await store.publish({ model: 'made-up', manifest, force: true }, source);
  const names = distinctPlaces(manifest).map(({ digest }) => digestHex(digest));
  return { record, manifest, names, bytes: sizes.reduce((sum, size) => sum + size, 0) };
}

/** Bytes that follow from a seed and look random. */
function noise(seed: string, size: number): Buffer {
  const blocks: Buffer[] = [];
  for (let i = 0; i * 32 < size; i++) blocks.push(Buffer.from(digestHex(digestOf(`${seed}#${i}`)), 'hex'));
  return Buffer.concat(blocks).subarray(0, size);
}

/** A store that tells where each read of a segment began. */
export function tellReads(store: VersionStore): { readonly store: VersionStore; readonly starts: number[] } {
  const starts: number[] = [];
  const told = new Proxy(store, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]): unknown => {
        if (name === 'readSegment') starts.push((args[2] as { readonly start?: number }).start ?? 0);
        return Reflect.apply(value, target, args) as unknown;
      };
    },
  });
  return { store: told, starts };
}

/** Writes a graph and tensors, as compiling does. */
export async function writeCompiled(
  folder: string,
  graph: string,
  tensors: readonly string[],
): Promise<readonly CompiledFile[]> {
  const files = new Map([['model.onnx', graph]]);
  for (const tensor of tensors) files.set(digestHex(digestOf(tensor)), tensor);
  for (const [name, content] of files) await writeFile(join(folder, name), content);
  return [...files].map(([name, content]) => ({ name, size: content.length, digest: digestOf(content) }));
}

/** A temporary folder for caches and stores. */
export class CacheBench {
  readonly folder = realpathSync(mkdtempSync(join(tmpdir(), 'modelkeep-cache-')));

  open(maxBytes = 1e9, name = 'cache'): Promise<SegmentCache> {
    return SegmentCache.open({ directory: join(this.folder, name), maxBytes });
  }

  /** Names of the files in one of the cache's two folders. */
  async names(of: 'segments' | 'partial' = 'segments'): Promise<string[]> {
    return (await readdir(join(this.folder, 'cache', of))).toSorted();
  }

  partial(name: string): string {
    return join(this.folder, 'cache', 'partial', name);
  }

  close(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
