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

/** Where an answer differs from the expected one: numbers need only be close, and keys may be more. */
function* differences(wanted: unknown, got: unknown, at: string): Generator<string> {
  if (typeof wanted === 'number' && typeof got === 'number') {
    if (Math.abs(wanted - got) > 1e-4) yield `${at}: ${got} instead of ${wanted}`;
  } else if (Array.isArray(wanted) && Array.isArray(got) && wanted.length === got.length) {
    for (const [i, one] of wanted.entries()) yield* differences(one, got[i], `${at}[${i}]`);
  } else if (typeof wanted === 'object' && wanted !== null && typeof got === 'object' && got !== null) {
    for (const [key, one] of Object.entries(wanted)) {
      yield* differences(one, (got as Readonly<Record<string, unknown>>)[key], `${at}.${key}`);
    }
  } else if (wanted !== got) yield `${at}: ${JSON.stringify(got)} instead of ${JSON.stringify(wanted)}`;
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
        const got = await model.predict(inputs, { parameters });
        expect([...differences(expected, got, JSON.stringify(inputs))]).toEqual([]);
      }
    },
  );
});
