/** The models of the benchmark `checkpoints`: fine-tunes of one BERT-base that differ in their heads. */
import { join } from 'node:path';
import { openStore, push } from '../src/app/index.js';
import { SegmentCache } from '../src/cache/index.js';
import { parseReference, type Manifest, type VersionRecord } from '../src/core/index.js';
import { BERT_BASE, makeBert } from './bert-base.js';
import { BENCH_FOLDER, STORE_URL } from './node.js';
import { exportOnnx } from './plain.js';

/** Fine-tunes that are pushed one after another; one of them is exported too. */
export const CHECKPOINTS = 5;

/** Folder of a checkpoint, from 1. */
export function checkpointFolder(at: number): string {
  return join(BENCH_FOLDER, `base-${at}`);
}

/** Makes the checkpoints; those that are there are left as they are, since other benchmarks use them too. */
export async function prepareCheckpoints(): Promise<void> {
  for (let at = 1; at <= CHECKPOINTS; at++)
    await makeBert(BENCH_FOLDER, `base-${at}`, BERT_BASE, { trunk: 1, head: 100 + at });
  await exportOnnx(checkpointFolder(1));
  const store = await openStore(STORE_URL);
  try {
    if ((await store.listVersions({ model: 'base-1' })).length === 0)
      await push(store, checkpointFolder(1), { name: 'base-1' });
  } finally {
    await store.close();
  }
}

/** The first checkpoint in a cache of this disk. */
export interface CachedCheckpoint {
  readonly record: VersionRecord;
  readonly manifest: Manifest;
  readonly segmentsFolder: string;
  readonly cacheFolder: string;
}

/** Brings the first checkpoint into the benchmarks' cache. */
export async function cacheCheckpoint(): Promise<CachedCheckpoint> {
  const cacheFolder = join(BENCH_FOLDER, 'node');
  const store = await openStore(STORE_URL);
  try {
    const record = await store.resolve(parseReference('base-1:1'));
    const manifest = await store.readManifest(record);
    const cache = await SegmentCache.open({ directory: cacheFolder, maxBytes: 40_000_000_000 });
    await cache.pull(store, record, manifest);
    return { record, manifest, segmentsFolder: cache.folder, cacheFolder };
  } finally {
    await store.close();
  }
}
