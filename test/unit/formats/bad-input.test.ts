import { copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { ModelkeepError } from '../../../src/core/index.js';
import { inspectArtifact, planSession, readSafetensorsHeader, validateArtifact } from '../../../src/formats/index.js';
import { memoryFiles, safetensors } from './memory-files.js';
import { temporaryFolder } from './temporary-folder.js';

const FIXTURES = join(import.meta.dirname, '../../fixtures');
const BERT = join(FIXTURES, 'archs/bert');
const weights = readFileSync(join(BERT, 'model.safetensors'));
const config = JSON.parse(readFileSync(join(BERT, 'config.json'), 'utf8')) as Record<string, unknown>;

function readHeader(bytes: Buffer) {
  const files = memoryFiles({ m: bytes });
  return readSafetensorsHeader('m', bytes.length, (start, end) => files.read('m', { start, end }));
}

function planBert(changes: Record<string, unknown>) {
  const changed = Buffer.from(JSON.stringify({ ...config, ...changes }));
  return planSession(memoryFiles({ 'config.json': changed, 'model.safetensors': weights }));
}

/** How reading a damaged file may end; a read outside of the file is `INTERNAL`, a crash is `crashed`. */
const OUTCOMES = ['read', 'INVALID_ARTIFACT', 'UNSUPPORTED_FORMAT'];

async function outcomeOf(read: () => Promise<unknown>): Promise<string> {
  try {
    await read();
    return 'read';
  } catch (error) {
    return error instanceof ModelkeepError ? error.code : `crashed: ${String(error)}`;
  }
}

const one = (fields: string): string => `{"a":{${fields}}}`;

test.each([
  ['no JSON', 'x'],
  ['a list', '[]'],
  ['an unknown dtype', one('"dtype":"F13","shape":[1],"data_offsets":[0,4]')],
  ['a shape that contradicts the offsets', one('"dtype":"F32","shape":[2],"data_offsets":[0,4]')],
  ['offsets past the end', one('"dtype":"F32","shape":[2],"data_offsets":[0,8]')],
  ['2^60 bytes', one('"dtype":"U8","shape":[1152921504606846976],"data_offsets":[0,1152921504606846976]')],
  ['sizes that overflow', one('"dtype":"F32","shape":[4294967296,4294967296,0],"data_offsets":[4,0]')],
  ['a negative offset', one('"dtype":"F32","shape":[1],"data_offsets":[-4,0]')],
  ['a gap', one('"dtype":"U8","shape":[2],"data_offsets":[2,4]')],
  ['bytes of no tensor', one('"dtype":"U8","shape":[2],"data_offsets":[0,2]')],
  [
    'an overlap',
    '{"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},"b":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}}',
  ],
  [
    'a repeated name',
    '{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"\\u0061":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}',
  ],
])('a safetensors header with %s is refused', async (_what, header) => {
  const reading = readHeader(safetensors(header, new Uint8Array(4)));
  await expect(reading).rejects.toMatchObject({ code: 'INVALID_ARTIFACT' });
});

test('a header length of 2^60 bytes is refused', async () => {
  const bytes = Buffer.alloc(16);
  bytes.writeBigUInt64LE(2n ** 60n);
  await expect(readHeader(bytes)).rejects.toMatchObject({ code: 'INVALID_ARTIFACT' });
});

test.each([
  ['an unknown family', { model_type: 'llama' }, 'UNSUPPORTED_FORMAT'],
  ['relative positions', { position_embedding_type: 'relative_key' }, 'UNSUPPORTED_FORMAT'],
  ['custom code', { auto_map: { AutoModel: 'x.Y' } }, 'UNSUPPORTED_FORMAT'],
  ['an unknown head', { architectures: ['BertForMultipleChoice'] }, 'UNSUPPORTED_FORMAT'],
  ['architectures that are no list', { architectures: false }, 'UNSUPPORTED_FORMAT'],
  ['an unknown activation', { hidden_act: 'mish' }, 'UNSUPPORTED_FORMAT'],
  ['another width', { hidden_size: 64 }, 'INVALID_ARTIFACT'],
  ['more layers than tensors', { num_hidden_layers: 3 }, 'INVALID_ARTIFACT'],
  ['fewer layers than tensors', { num_hidden_layers: 1 }, 'INVALID_ARTIFACT'],
  ['another number of labels', { id2label: { 0: 'a', 1: 'b' } }, 'INVALID_ARTIFACT'],
  ['heads that do not divide', { num_attention_heads: 5 }, 'INVALID_ARTIFACT'],
  ['no vocabulary', { vocab_size: undefined }, 'INVALID_ARTIFACT'],
  ['a padding id beyond all numbers', { pad_token_id: 2 ** 64 }, 'INVALID_ARTIFACT'],
  ['half a token type', { type_vocab_size: 1.5 }, 'INVALID_ARTIFACT'],
])('a config.json with %s is refused', async (_what, changes, code) => {
  await expect(planBert(changes)).rejects.toMatchObject({ code });
});

test('ids of the tokenizer beyond the table of words are refused at publish', async () => {
  using folder = temporaryFolder();
  for (const name of ['config.json', 'model.safetensors']) copyFileSync(join(BERT, name), join(folder.path, name));
  const tokenizer = { model: { vocab: { hello: 1499 } }, added_tokens: [{ id: 1500, content: '[NEW]' }] };
  writeFileSync(join(folder.path, 'tokenizer.json'), JSON.stringify(tokenizer));
  const artifact = await inspectArtifact(folder.path);
  await expect(validateArtifact(artifact)).rejects.toMatchObject({ code: 'INVALID_ARTIFACT' });
});

test('directories without a model that can be served are refused', async () => {
  using folder = temporaryFolder();
  await expect(inspectArtifact(folder.path)).rejects.toMatchObject({ code: 'INVALID_ARTIFACT' });
  await expect(inspectArtifact(join(folder.path, 'none'))).rejects.toMatchObject({ code: 'INVALID_ARTIFACT' });
  copyFileSync(join(BERT, 'config.json'), join(folder.path, 'config.json'));
  writeFileSync(join(folder.path, 'pytorch_model.bin'), 'pickle');
  await expect(inspectArtifact(folder.path)).rejects.toMatchObject({ code: 'UNSUPPORTED_FORMAT' });
});

test('a link that leaves the directory is refused', async () => {
  using folder = temporaryFolder();
  const model = join(folder.path, 'model');
  mkdirSync(model);
  writeFileSync(join(folder.path, 'secret.json'), '{}');
  symlinkSync(join(folder.path, 'secret.json'), join(model, 'config.json'));
  await expect(inspectArtifact(model)).rejects.toMatchObject({ code: 'INVALID_ARTIFACT' });
});

test('a damaged safetensors header is refused or read, and nothing else happens', async () => {
  const headerEnd = 8 + Number(weights.readBigUInt64LE(0));
  const change = fc.record({ at: fc.nat(headerEnd - 1), byte: fc.nat(255) });
  const property = fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 8 }), async (changes) => {
    const bytes = Buffer.from(weights);
    for (const { at, byte } of changes) bytes[at] = byte;
    expect(OUTCOMES).toContain(await outcomeOf(() => readHeader(bytes)));
  });
  await fc.assert(property, { interruptAfterTimeLimit: 3_000, numRuns: 500 });
});

test.each(['iris/mymodel_v1.onnx', 'iris/mymodel_v2.onnx'])('a damaged %s is refused or read', async (name) => {
  const whole = readFileSync(join(FIXTURES, name));
  const change = fc.record({ at: fc.nat(whole.length - 1), byte: fc.nat(255) });
  const property = fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 8 }), async (changes) => {
    const bytes = Buffer.from(whole);
    for (const { at, byte } of changes) bytes[at] = byte;
    expect(OUTCOMES).toContain(await outcomeOf(() => planSession(memoryFiles({ 'model.onnx': bytes }))));
  });
  await fc.assert(property, { interruptAfterTimeLimit: 3_000, numRuns: 500 });
});

test.each([
  ['lists in lists', (count: number) => `${'['.repeat(count)}${']'.repeat(count)}`],
  ['a tensor of a million dimensions', (count: number) => `{"a":{"dtype":"U8","shape":[${'1,'.repeat(count)}1]}}`],
  ['metadata of lists', (count: number) => `{"__metadata__":{${'"":[],'.repeat(count)}"":[]}}`],
  ['tensors without fields', (count: number) => `{${'"a":{},'.repeat(count)}"b":{}}`],
])('a header with %s is refused before it takes memory', async (_what, headerOf) => {
  const bytes = safetensors(headerOf(1_000_000), new Uint8Array(1));
  const before = process.memoryUsage().heapUsed;
  await expect(readHeader(bytes)).rejects.toMatchObject({ code: 'INVALID_ARTIFACT' });
  // JSON.parse would take fifty times the bytes of nested lists.
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(2 * bytes.length);
});

test('an ONNX file of fields alone is refused before it takes memory', async () => {
  // A field of two bytes: a number that no message knows.
  const bytes = Buffer.alloc(4_000_000).fill(Buffer.from([0x78, 0x01]));
  const planned = planSession(memoryFiles({ 'model.onnx': bytes }));
  await expect(planned).rejects.toMatchObject({ code: 'INVALID_ARTIFACT' });
});
