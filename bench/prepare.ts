/**
 * Makes and publishes the models of the residency benchmark. In a process of its own, since the memory that it needs
 * must not be counted among what is measured afterwards.
 */
import { openStore, push } from '../src/app/index.js';
import type { VersionStore } from '../src/core/index.js';
import { BERT_BASE, BERT_MIDDLING, BERT_TINY, makeBert, type BertSize, type ModelSeeds } from './bert-base.js';
import { BENCH_FOLDER, STORE_URL } from './node.js';
import { exportOnnx } from './plain.js';

/** Versions that differ in their heads alone: `base-1` to `base-10`, with plain `.onnx` files of each. */
export const HEADS = 10;
/** Versions that share nothing: `full-1` to `full-4`. */
export const FINE_TUNES = 4;
/** Versions of 200 MB that share nothing: `middling-1` to `middling-6`. */
export const MIDDLING_VERSIONS = 6;
/** Small versions: `tiny-1` to `tiny-20`. */
export const TINY_VERSIONS = 20;
/** Versions of the model `swap`, which are in turn `full-1` and `full-2`: one for each 5 s of 2 minutes, and the first. */
export const SWAP_VERSIONS = 25;

async function provide(store: VersionStore, name: string, size: BertSize, seeds: ModelSeeds): Promise<string> {
  const folder = await makeBert(BENCH_FOLDER, name, size, seeds);
  const known = await store.listVersions({ model: name });
  if (known.length === 0) await push(store, folder, { name });
  return folder;
}

/** Provides all of them; what is there already is left as it is. */
export async function prepareModels(): Promise<void> {
  const store = await openStore(STORE_URL);
  try {
    for (let at = 1; at <= HEADS; at++) {
      await exportOnnx(await provide(store, `base-${at}`, BERT_BASE, { trunk: 1, head: 100 + at }));
    }
    const full: string[] = [];
    for (let at = 1; at <= FINE_TUNES; at++) {
      full.push(await provide(store, `full-${at}`, BERT_BASE, { trunk: 10 * at, head: 200 + at }));
    }
    for (let at = 1; at <= MIDDLING_VERSIONS; at++) {
      await provide(store, `middling-${at}`, BERT_MIDDLING, { trunk: 3_000 + at, head: 4_000 + at });
    }
    for (let at = 1; at <= TINY_VERSIONS; at++) {
      await provide(store, `tiny-${at}`, BERT_TINY, { trunk: 1_000 + at, head: 2_000 + at });
    }
    const known = await store.listVersions({ model: 'swap' });
    for (let at = known.length; at < SWAP_VERSIONS; at++) {
      await push(store, full[at % 2] ?? '', { name: 'swap', force: true });
    }
  } finally {
    await store.close();
  }
}
