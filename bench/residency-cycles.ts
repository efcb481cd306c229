/** That loading and letting go again and again leaves nothing behind. */
import { readdir, readFile } from 'node:fs/promises';
import type { Modelkeep } from '../src/app/index.js';
import { textOf } from './bert-base.js';
import type { Figures } from './figures.js';
import { memoryOf, openNode, pidsOf } from './node.js';
import { TINY_VERSIONS } from './prepare.js';

interface Held {
  readonly bytes: number;
  readonly files: number;
  readonly mappings: number;
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}

function growth(now: number, then: number): number {
  return 100 * (now / then - 1);
}

async function heldBy(keep: Modelkeep): Promise<Held> {
  globalThis.gc?.();
  const pids = pidsOf(keep);
  const files = await Promise.all(pids.map(async (pid) => (await readdir(`/proc/${pid}/fd`)).length));
  const maps = await Promise.all(
    pids.map(async (pid) => (await readFile(`/proc/${pid}/maps`, 'utf8')).split('\n').length),
  );
  return { bytes: await memoryOf(keep), files: sum(files), mappings: sum(maps) };
}

/** 1,000 cycles over 20 small versions: growth from cycle 100 to the last. */
export async function benchCycles(figures: Figures, quick: boolean): Promise<void> {
  const cycles = quick ? 300 : 1_000;
  figures.heading(`${cycles} cycles of loading and letting go over ${TINY_VERSIONS} versions: growth since cycle 100`);
  await using keep = await openNode({ compileAfter: 0 });
  const references = Array.from({ length: TINY_VERSIONS }, (_, at) => `tiny-${at + 1}:1`);
  const text = textOf(5);
  let early: Held | undefined;
  for (let cycle = 1; cycle <= cycles; cycle++) {
    const model = await keep.load(references[cycle % TINY_VERSIONS] ?? '');
    await model.predict(text);
    await keep.parts.residency.release(model.record.id);
    if (cycle === 100) early = await heldBy(keep);
  }
  const late = await heldBy(keep);
  if (early === undefined) return;
  figures.add({ name: 'proportional set size', value: growth(late.bytes, early.bytes), unit: '%', bar: { most: 2 } });
  figures.add({ name: 'file descriptors', value: growth(late.files, early.files), unit: '%', bar: { most: 2 } });
  figures.add({ name: 'mappings', value: growth(late.mappings, early.mappings), unit: '%', bar: { most: 2 } });
}
