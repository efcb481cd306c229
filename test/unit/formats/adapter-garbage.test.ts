import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ModelkeepError } from '../../../src/core/index.js';
import { planSession } from '../../../src/formats/index.js';
import { adaptedFiles } from './adapted-folder.js';
import { compareFiles } from './golden-folder.js';

const ADAPTERS = join(import.meta.dirname, '../../fixtures/adapters-of-today');
const CONFIG = 'adapter_config.json';
const WEIGHTS = 'adapter_model.safetensors';

/** What may stand where something else belongs. */
const GARBAGE: readonly unknown[] = [
  undefined,
  null,
  true,
  false,
  0,
  -1,
  1.5,
  1e300,
  '',
  'garbage',
  '(((',
  '__proto__',
  [],
  ['garbage'],
  [[1]],
  [1, -1],
  {},
  { garbage: 1 },
  { query: { deep: [] } },
  JSON.parse('{"__proto__": 1, "constructor": 2}'),
];

/** The graph of a version, its weights inside; or why there is none. */
async function plannedWith(
  name: string,
  changes: Readonly<Record<string, Buffer>>,
): Promise<{ readonly graph: Buffer } | ModelkeepError> {
  try {
    const { graph } = await planSession(await adaptedFiles(join(ADAPTERS, name), changes));
    return { graph: Buffer.from(graph) };
  } catch (error) {
    if (error instanceof ModelkeepError) return error;
    throw error;
  }
}

/** Refused by name, or a graph that answers with numbers: what is wrong with an outcome; undefined for nothing. */
async function faultOf(
  name: string,
  changes: Readonly<Record<string, Buffer>>,
  named: (message: string) => boolean,
  unchanged: Buffer,
): Promise<string | undefined> {
  const outcome = await plannedWith(name, changes);
  if (outcome instanceof ModelkeepError) {
    const isCode = ['INVALID_ARTIFACT', 'UNSUPPORTED_FORMAT'].includes(outcome.code);
    return isCode && named(outcome.message) ? undefined : `${outcome.code}: ${outcome.message}`;
  }
  // Equal graphs give equal answers.
  if (outcome.graph.equals(unchanged)) return undefined;
  const { alone } = await compareFiles(await adaptedFiles(join(ADAPTERS, name), changes), join(ADAPTERS, name));
  return Number.isFinite(alone) ? undefined : 'it answers with what is no number';
}

function partsOf(name: string): { readonly fields: Record<string, unknown>; readonly weights: Buffer } {
  const read = (file: string): Buffer => readFileSync(join(ADAPTERS, name, file));
  return { fields: JSON.parse(read(CONFIG).toString()) as Record<string, unknown>, weights: read(WEIGHTS) };
}

async function graphOf(name: string): Promise<Buffer> {
  const outcome = await plannedWith(name, {});
  if (outcome instanceof ModelkeepError) throw outcome;
  return outcome.graph;
}

const NAMES = ['dora-bert', 'rows-bert', 'parameters-roberta', 'factors-bert', 'only-rows-bert', 'ranks-roberta'];

test.each(NAMES)(
  '%s with garbage in each setting answers, or is refused with the setting',
  { timeout: 60_000 },
  async (name) => {
    const { fields } = partsOf(name);
    const unchanged = await graphOf(name);
    const faults: string[] = [];
    for (const key of [...Object.keys(fields), 'of_next_year']) {
      for (const value of GARBAGE) {
        const bytes = Buffer.from(JSON.stringify({ ...fields, [key]: value }));
        const fault = await faultOf(name, { [CONFIG]: bytes }, (message) => message.includes(key), unchanged);
        if (fault !== undefined) faults.push(`${key} ${JSON.stringify(value)}: ${fault}`);
      }
    }
    expect(faults).toEqual([]);
  },
);

test.each(NAMES)('%s with a configuration that is cut off is refused with the file', async (name) => {
  const { fields } = partsOf(name);
  const whole = Buffer.from(JSON.stringify(fields));
  for (let end = 0; end < whole.length; end += 97) {
    const outcome = await plannedWith(name, { [CONFIG]: whole.subarray(0, end) });
    expect(outcome).toMatchObject({ code: 'INVALID_ARTIFACT', message: expect.stringContaining(CONFIG) });
  }
  for (const text of ['[]', 'null', '3', '"text"']) {
    const outcome = await plannedWith(name, { [CONFIG]: Buffer.from(text) });
    expect(outcome).toMatchObject({ code: 'INVALID_ARTIFACT', message: expect.stringContaining(CONFIG) });
  }
});

interface Entry {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data_offsets: readonly [number, number];
}

/** Weights with another header; the numbers stay where they are. */
function withEntries(weights: Buffer, change: (entries: [string, Entry][]) => [string, Entry][]): Buffer {
  const end = 8 + Number(weights.readBigUInt64LE(0));
  const { __metadata__: _, ...entries } = JSON.parse(weights.toString('utf8', 8, end)) as Record<string, Entry>;
  const header = Buffer.from(JSON.stringify(Object.fromEntries(change(Object.entries(entries)))));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  return Buffer.concat([length, header, weights.subarray(end)]);
}

const HARMS: readonly (readonly [string, (entry: [string, Entry]) => [string, Entry]])[] = [
  ['turned', ([name, one]) => [name, { ...one, shape: one.shape.toReversed() }]],
  ['flat', ([name, one]) => [name, { ...one, shape: [one.shape.reduce((a, b) => a * b, 1)] }]],
  ['of whole numbers', ([name, one]) => [name, { ...one, dtype: 'I32' }]],
  ['of another layer', ([name, one]) => [name.replace(/(layer|model)\./, '$1.other.'), one]],
  ['without its end', ([name, one]) => [name.replace(/\.[^.]*$/, ''), one]],
  ['of another kind', ([name, one]) => [name.replace(/(lora|ia3|trainable)_/, '$1_other_'), one]],
];

test.each(NAMES)('%s with each tensor harmed answers, or is refused', { timeout: 60_000 }, async (name) => {
  const { weights } = partsOf(name);
  const unchanged = await graphOf(name);
  const names = new Set<string>();
  withEntries(weights, (entries) => {
    for (const [one] of entries) names.add(one);
    return entries;
  });
  const faults: string[] = [];
  for (const tensor of names) {
    for (const [harm, change] of HARMS) {
      const bytes = withEntries(weights, (entries) => entries.map((one) => (one[0] === tensor ? change(one) : one)));
      const fault = await faultOf(name, { [WEIGHTS]: bytes }, (message) => message.length > 0, unchanged);
      if (fault !== undefined) faults.push(`${tensor} ${harm}: ${fault}`);
    }
  }
  expect(faults).toEqual([]);
});

test('a decoder that follows trained rows cannot be trained itself', async () => {
  const name = 'rows-bert';
  const { fields, weights } = partsOf(name);
  const outcome = await plannedWith(name, {
    [CONFIG]: Buffer.from(JSON.stringify({ ...fields, target_modules: ['query', 'decoder'] })),
    [WEIGHTS]: withEntries(weights, (entries) =>
      entries.map(([one, entry]) => [
        one.replace('bert.encoder.layer.1.attention.self.query', 'cls.predictions.decoder'),
        entry,
      ]),
    ),
  });
  expect(outcome).toMatchObject({
    code: 'UNSUPPORTED_FORMAT',
    message: expect.stringContaining('trainable_token_indices'),
  });
});
