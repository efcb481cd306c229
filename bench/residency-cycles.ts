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

/** Cycles after which growth is looked at: the bar's, and one by which code and heaps have settled. */
const LOOKS = [100, 400];

function addGrowth(figures: Figures, since: number, early: Held, late: Held): void {
  const bar = since === LOOKS[0] ? { bar: { most: 2 } } : {};
  const add = (name: string, value: number): void =>
    figures.add({ name: `${name}, since cycle ${since}`, value, unit: '%', ...bar });
  add('proportional set size', growth(late.bytes, early.bytes));
  add('file descriptors', growth(late.files, early.files));
  add('mappings', growth(late.mappings, early.mappings));
}

/** 1,000 cycles over 20 small versions: growth from cycle 100 to the last, and from cycle 400. */
export async function benchCycles(figures: Figures, quick: boolean): Promise<void> {
  const cycles = quick ? 300 : 1_000;
  figures.heading(`${cycles} cycles of loading and letting go over ${TINY_VERSIONS} versions: growth`);
  await using keep = await openNode({ compileAfter: 0 });
  const references = Array.from({ length: TINY_VERSIONS }, (_, at) => `tiny-${at + 1}:1`);
  const text = textOf(5);
  const held = new Map<number, Held>();
  for (let cycle = 1; cycle <= cycles; cycle++) {
    const model = await keep.load(references[cycle % TINY_VERSIONS] ?? '');
    await model.predict(text);
    await keep.parts.residency.release(model.record.id);
    if (LOOKS.includes(cycle)) held.set(cycle, await heldBy(keep));
  }
  const late = await heldBy(keep);
  for (const [since, early] of held) addGrowth(figures, since, early, late);
}
