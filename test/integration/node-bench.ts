import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openModelkeep, type Modelkeep, type OpenOptions } from '../../src/app/index.js';
import type { VersionStore } from '../../src/core/index.js';
import type { RunnerStats } from '../../src/runners/index.js';
import { openLocalStore } from '../../src/stores/index.js';

/** Folder of one of the small models. */
export function fixture(name: 'v1' | 'v2' | 'v3-head' | 'v4-bad'): string {
  return fileURLToPath(new URL(`../fixtures/sentiment/${name}`, import.meta.url));
}

/** A text with what transformers answered for it. */
export interface GoldenLine {
  readonly text: string;
  readonly label: string;
  readonly score: number;
}

/** The reference answers of one of the small models. */
export async function goldensOf(name: 'v1' | 'v2' | 'v3-head' | 'v4-bad'): Promise<GoldenLine[]> {
  const lines = await readFile(join(fixture(name), 'golden.jsonl'), 'utf8');
  return lines
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as GoldenLine);
}

/** A store with some of its members replaced. `undefined` takes an optional one away. */
export function wrapStore(
  store: VersionStore,
  replaced: { readonly [Name in keyof VersionStore]?: VersionStore[Name] | undefined },
): VersionStore {
  return new Proxy(store, {
    get(target, name) {
      const value: unknown = Object.hasOwn(replaced, name) ? Reflect.get(replaced, name) : Reflect.get(target, name);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

/** A store that records the names of the methods that are called, and what of a segment is read. */
export function recordCalls(store: VersionStore): {
  readonly store: VersionStore;
  readonly calls: string[];
  readonly segments: string[];
} {
  const calls: string[] = [];
  const segments: string[] = [];
  const recorded = new Proxy(store, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]): unknown => {
        calls.push(String(name));
        if (name === 'readSegment') segments.push((args[1] as { readonly digest: string }).digest);
        return Reflect.apply(value, target, args) as unknown;
      };
    },
  });
  return { store: recorded, calls, segments };
}

/** A local store and a cache in a temporary folder, and the nodes that a test opens on them. */
export class Bench {
  readonly folder: string;
  readonly store: VersionStore;
  readonly #nodes: Modelkeep[] = [];

  private constructor(folder: string, store: VersionStore) {
    this.folder = folder;
    this.store = store;
  }

  static async open(): Promise<Bench> {
    const folder = await mkdtemp(join(tmpdir(), 'modelkeep-node-'));
    return new Bench(folder, await openLocalStore({ directory: join(folder, 'store') }));
  }

  /** Opens a node with two runners of one thread, over the bench's store or another view of it. */
  async node(options: OpenOptions = {}): Promise<Modelkeep> {
    const own = { store: this.store, cacheDir: join(this.folder, 'cache'), runners: 2, threads: 1 };
    const keep = await openModelkeep({ ...own, ...options });
    this.#nodes.push(keep);
    return keep;
  }

  async close(): Promise<void> {
    await Promise.all(this.#nodes.map((keep) => keep.close()));
    await this.store.close();
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** What each runner of a node says of itself. */
export function statsOf({ parts: { pool } }: Modelkeep): Promise<RunnerStats[]> {
  return Promise.all(pool.runners.map(async (runner) => (await runner.call('stats', { op: 'stats' })).result));
}
