import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { differenceOf, openTaskModel } from './tasks-model.js';

interface SentenceGolden {
  readonly texts: readonly string[];
  readonly requests: readonly { parameters: Record<string, unknown>; embeddings: number[][] }[];
  /** Of the first text with the others. */
  readonly similarities: readonly number[];
}

/** Where a folder of sentence-transformers with a golden.json answers otherwise; undefined if nowhere. */
export async function differenceOfModules(folder: string): Promise<string | undefined> {
  const { texts, requests, similarities } = JSON.parse(
    readFileSync(join(folder, 'golden.json'), 'utf8'),
  ) as SentenceGolden;
  const vectors = await openTaskModel(folder, 'sentence-embeddings');
  for (const { parameters, embeddings } of requests) {
    const found = differenceOf(
      await vectors.ask({ inputs: texts, parameters }),
      embeddings,
      JSON.stringify(parameters),
    );
    if (found !== undefined) return found;
  }
  await vectors.close();
  const [source_sentence, ...sentences] = texts;
  const alike = await openTaskModel(folder, 'sentence-similarity');
  const answer = (await alike.ask({ inputs: { source_sentence, sentences } })) as readonly number[];
  await alike.close();
  // Sums of many products: the numbers of a dot are as large as they want.
  const scale = Math.max(1, ...similarities.map(Math.abs));
  return differenceOf(
    answer.map((each) => each / scale),
    similarities.map((each) => each / scale),
    'similarities',
  );
}
