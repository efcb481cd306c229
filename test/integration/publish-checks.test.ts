import { copyFileSync, cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ModelkeepError, parseReference } from '../../src/core/index.js';
import { push, show, type PushOptions } from '../../src/registry/index.js';
import { openMemoryStore } from '../../src/stores/memory/open.js';
import { oneNodeModel, type OneNode } from '../unit/formats/onnx-model.js';
import { safetensors } from '../unit/formats/memory-files.js';
import { temporaryFolder } from '../unit/formats/temporary-folder.js';

const FIXTURES = join(import.meta.dirname, '../fixtures');
const BERT = join(FIXTURES, 'archs/bert');

/** Pushes to an empty store, and says what is in it then, or why nothing is. */
async function pushed(path: string, options: Partial<PushOptions> = {}) {
  await using store = await openMemoryStore();
  const { warnings } = await push(store, path, { name: 'm', ...options });
  const { record } = await show(store, parseReference('m'));
  return { warnings, record };
}

/** The error of a push that is refused. */
async function refusal(pushing: Promise<unknown>): Promise<ModelkeepError> {
  try {
    await pushing;
  } catch (error) {
    if (error instanceof ModelkeepError) return error;
    throw error;
  }
  throw new Error('It was published');
}

async function pushNode(node: OneNode, options: Partial<PushOptions> = {}) {
  using folder = temporaryFolder();
  const path = join(folder.path, 'model.onnx');
  writeFileSync(path, oneNodeModel(node));
  return await pushed(path, options);
}

/** Writes NaN over part of a tensor of a copy of archs/bert. */
async function pushSpoiled(tensor: string, from: number, to: number) {
  using folder = temporaryFolder();
  cpSync(BERT, folder.path, { recursive: true });
  const file = join(folder.path, 'model.safetensors');
  const bytes = readFileSync(file);
  const headerEnd = 8 + Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString('utf8', 8, headerEnd)) as Record<string, { data_offsets: number[] }>;
  const [begin = 0, end = 0] = header[tensor]?.data_offsets ?? [];
  for (let at = headerEnd + begin + from; at < Math.min(headerEnd + end, headerEnd + begin + to); at += 4)
    bytes.writeUInt32LE(0x7fc00000, at);
  writeFileSync(file, bytes);
  return await pushed(folder.path);
}

describe('ONNX files', () => {
  test('that the runtime opens are published', async () => {
    expect((await pushNode({ op: 'Relu' })).warnings).toEqual([]);
    expect((await pushNode({ op: 'Gelu', domain: 'com.microsoft' })).warnings).toEqual([]);
  });

  const FOO = { op: 'Foo', domain: 'com.example', opsets: { '': 20, 'com.example': 1 } };

  test.each<[string, OneNode, readonly string[]]>([
    ['an operator that ONNX does not have', { op: 'Foo' }, ['Foo', 'ai.onnx', '20']],
    ['one that came with a newer opset', { op: 'Gelu', opsets: { '': 18 } }, ['Gelu', 'ai.onnx', '18']],
    ['one that a known domain does not have', { op: 'Bar', domain: 'com.microsoft' }, ['Bar', 'com.microsoft']],
    ['a custom operator', FOO, ['Foo', 'com.example']],
    ['an opset of the future', { op: 'Relu', opsets: { '': 27 } }, ['27', '26']],
    [
      'an opset of the future of another domain',
      { op: 'Scaler', domain: 'ai.onnx.ml', opsets: { '': 20, 'ai.onnx.ml': 99 } },
      ['99', 'ai.onnx.ml', '5'],
    ],
  ])('with %s are refused, and it is named', async (_what, node, names) => {
    const { code, message } = await refusal(pushNode(node));
    expect(code).toBe('UNSUPPORTED_FORMAT');
    for (const name of names) expect(message).toContain(name);
  });

  test('with nodes that lack what they need are refused', async () => {
    await expect(pushNode({ op: 'Cast' })).rejects.toMatchObject({ code: 'INVALID_ARTIFACT' });
  });

  test('with custom operators are kept where that is allowed, and say so', async () => {
    const { warnings, record } = await pushNode(FOO, { allowCustomOperators: true });
    expect(warnings).toEqual([expect.stringContaining('com.example:Foo')]);
    expect(record.metadata['warnings']).toEqual(warnings);
  });
});

describe('weights that are no numbers', () => {
  test.each([
    ['one number of a small tensor', 'bert.encoder.layer.0.output.LayerNorm.weight', 8, 12],
    ['all of a large tensor', 'bert.embeddings.word_embeddings.weight', 0, Infinity],
    ['the end of a large tensor', 'bert.embeddings.word_embeddings.weight', 150_000, Infinity],
  ])('%s: published with a warning that is kept', async (_what, tensor, from, to) => {
    const { warnings, record } = await pushSpoiled(tensor, from, to);
    expect(warnings).toEqual([expect.stringContaining(tensor)]);
    expect(record.metadata['warnings']).toEqual(warnings);
  });

  test('sound weights are published without', async () => {
    const { warnings, record } = await pushed(BERT);
    expect([warnings, record.metadata['warnings']]).toEqual([[], undefined]);
  });
});

describe('directories', () => {
  test.each([
    ['hidden_size', 64, ['hidden_size 64']],
    ['intermediate_size', 128, ['intermediate_size 128']],
    ['vocab_size', 1501, ['vocab_size 1501']],
    ['max_position_embeddings', 63, ['max_position_embeddings 63']],
    ['type_vocab_size', 3, ['type_vocab_size 3']],
  ])('whose %s contradicts the tensors are refused, and it is named', async (field, value, names) => {
    using folder = temporaryFolder();
    cpSync(BERT, folder.path, { recursive: true });
    const file = join(folder.path, 'config.json');
    const config = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
    writeFileSync(file, JSON.stringify({ ...config, [field]: value }));
    const { code, message } = await refusal(pushed(folder.path));
    expect(code).toBe('INVALID_ARTIFACT');
    for (const name of names) expect(message).toContain(name);
  });

  test('whose tokenizer.json gives ids beyond the table of words are refused', async () => {
    using folder = temporaryFolder();
    cpSync(BERT, folder.path, { recursive: true });
    const path = join(folder.path, 'tokenizer.json');
    const json = JSON.parse(readFileSync(path, 'utf8')) as { added_tokens: object[] };
    json.added_tokens.push({ id: 9_999, content: '[NEW]' });
    writeFileSync(path, JSON.stringify(json));
    await expect(pushed(folder.path)).rejects.toMatchObject({ code: 'INVALID_ARTIFACT' });
  });

  test('whose vocab.txt alone gives ids beyond the table of words are refused', async () => {
    using folder = temporaryFolder();
    cpSync(BERT, folder.path, { recursive: true });
    rmSync(join(folder.path, 'tokenizer.json'));
    const path = join(folder.path, 'vocab.txt');
    const { record } = await pushed(folder.path);
    writeFileSync(path, `${readFileSync(path, 'utf8')}one\ntoo\nmany\n`);
    expect(record.task).toBe('text-classification');
    await expect(pushed(folder.path)).rejects.toMatchObject({ code: 'INVALID_ARTIFACT' });
  });

  test('whose weights hold whole numbers are refused', async () => {
    using folder = temporaryFolder();
    copyFileSync(join(BERT, 'config.json'), join(folder.path, 'config.json'));
    const name = 'bert.embeddings.word_embeddings.weight';
    const tensor = { [name]: { dtype: 'I8', shape: [1500, 48], data_offsets: [0, 72_000] } };
    const weights = safetensors(JSON.stringify(tensor), new Uint8Array(72_000));
    writeFileSync(join(folder.path, 'model.safetensors'), weights);
    await expect(pushed(folder.path)).rejects.toMatchObject({ code: 'UNSUPPORTED_FORMAT' });
  });
});
