/** What many versions of BERT-base take of memory when they are resident at once. */
import { join } from 'node:path';
import { textOf } from './bert-base.js';
import type { Figures } from './figures.js';
import { BENCH_FOLDER, memoryOf, openNode, touch } from './node.js';
import { FINE_TUNES, HEADS } from './prepare.js';
import { loadPlain, plainFile } from './plain.js';

const MB = 1_000_000;
/** Bytes of one copy: 109,483,778 parameters in float32. */
const COPY_BYTES = 437_935_112;

/** Ten versions that differ in their heads alone, in two runners. */
export async function benchHeads(figures: Figures, quick: boolean): Promise<void> {
  figures.heading(`${HEADS} versions of BERT-base that differ in their heads, two runners, proportional set size`);
  // In their plain form, whatever was compiled before: a compiled version shares its pages with compiled ones alone.
  await using keep = await openNode({ compileAfter: 0 });
  const text = textOf(30);
  const sizes: number[] = [];
  for (let at = 1; at <= HEADS; at++) {
    const reference = `base-${at}:1`;
    await touch(keep, reference, text);
    globalThis.gc?.();
    sizes.push((await memoryOf(keep)) / MB);
  }
  const [first = 0] = sizes;
  const last = sizes.at(-1) ?? 0;
  figures.add({ name: 'one version', value: first, unit: 'MB' });
  figures.add({ name: 'all of them', value: last, unit: 'MB', bar: { most: 600 } });
  figures.add({ name: 'each further one', value: (last - first) / (HEADS - 1), unit: 'MB', bar: { most: 10 } });
  const plain: string[] = [];
  for (let at = 1; at <= (quick ? 2 : HEADS); at++) plain.push(plainFile(join(BENCH_FOLDER, `base-${at}`)));
  const sum = loadPlain(plain).pssBytes / MB;
  figures.add({ name: `${plain.length} plain sessions in one process`, value: sum, unit: 'MB' });
}

/** Four versions that share nothing, in two runners. */
export async function benchFineTunes(figures: Figures): Promise<void> {
  figures.heading(`${FINE_TUNES} full fine-tunes of BERT-base, two runners, proportional set size`);
  await using keep = await openNode({ compileAfter: 0 });
  const text = textOf(30);
  const empty = await memoryOf(keep);
  for (let at = 1; at <= FINE_TUNES; at++) {
    await touch(keep, `full-${at}:1`, text);
  }
  globalThis.gc?.();
  const all = await memoryOf(keep);
  figures.add({ name: 'the node before', value: empty / MB, unit: 'MB' });
  figures.add({ name: 'the node with all of them', value: all / MB, unit: 'MB' });
  figures.add({
    name: 'all / the bytes of single copies',
    value: all / (FINE_TUNES * COPY_BYTES),
    unit: '×',
    bar: { most: 1.15 },
  });
}
