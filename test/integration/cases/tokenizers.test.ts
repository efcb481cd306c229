import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CaseBench } from './case-bench.js';
import { TOKENIZER_FOLDERS } from './tokenizer-folders.js';

interface Request {
  readonly inputs: unknown;
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly expected: unknown;
}

/** What pipelines of transformers 4.46 and 5.24 answer for the same folders. */
const ANSWERS = JSON.parse(readFileSync(new URL('tokenizers.json', import.meta.url), 'utf8')) as Readonly<
  Record<string, readonly Request[]>
>;

let cases: CaseBench;
beforeAll(async () => {
  cases = await CaseBench.open();
});
afterAll(() => cases.close());

/** The expected answer, where numbers need only be close. */
function close(value: unknown): unknown {
  if (typeof value === 'number' && !Number.isInteger(value)) return expect.closeTo(value, 4);
  if (Array.isArray(value)) return value.map(close);
  if (typeof value !== 'object' || value === null) return value;
  return expect.objectContaining(Object.fromEntries(Object.entries(value).map(([key, one]) => [key, close(one)])));
}

describe('a tokenizer is the one that AutoTokenizer makes of the same files:', () => {
  it.each(TOKENIZER_FOLDERS.map((folder) => [folder.id, folder.trait, folder] as const))(
    '%s, %s',
    async (id, _, { make }) => {
      const { record } = await cases.publish(make(cases));
      const model = await cases.keep.load(record.model);
      const requests = ANSWERS[id] ?? [];
      expect(requests.length).toBeGreaterThan(0);
      for (const { inputs, parameters, expected } of requests) {
        expect(await model.predict(inputs, { parameters })).toEqual(close(expected));
      }
    },
  );
});
