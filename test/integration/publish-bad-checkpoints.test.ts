import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ModelkeepError } from '../../src/core/index.js';
import { push } from '../../src/registry/index.js';
import { openMemoryStore } from '../../src/stores/memory/open.js';
import { safetensors } from '../unit/formats/memory-files.js';
import { temporaryFolder } from '../unit/formats/temporary-folder.js';

const BERT = join(import.meta.dirname, '../fixtures/archs/bert');
const WORDS = 'bert.embeddings.word_embeddings.weight';
const BIAS = 'classifier.bias';

interface Stored {
  dtype: string;
  shape: number[];
  data_offsets: [number, number];
}
type Header = Record<string, Stored>;

/** Publishes a copy of archs/bert that `spoil` damaged; nothing may be stored of it. */
async function refusalOf(spoil: (folder: string) => void): Promise<ModelkeepError> {
  using folder = temporaryFolder();
  cpSync(BERT, folder.path, { recursive: true });
  spoil(folder.path);
  await using store = await openMemoryStore();
  const error = await push(store, folder.path, { name: 'm' }).catch((thrown: unknown) => thrown);
  expect(await store.listVersions()).toEqual([]);
  if (error instanceof ModelkeepError) return error;
  throw new Error(`It was published, or ended otherwise: ${String(error)}`);
}

function inHeader(change: (header: Header, tensor: (name: string) => Stored) => void) {
  return (folder: string): void => {
    const file = join(folder, 'model.safetensors');
    const bytes = readFileSync(file);
    const end = 8 + Number(bytes.readBigUInt64LE(0));
    const header = JSON.parse(bytes.toString('utf8', 8, end)) as Header;
    change(header, (name) => {
      const tensor = header[name];
      if (tensor === undefined) throw new Error(`The fixture has no ${name}`);
      return tensor;
    });
    writeFileSync(file, safetensors(JSON.stringify(header), bytes.subarray(end)));
  };
}

/** The text of the header, which JSON.stringify would not write so. */
function inHeaderText(from: string, to: string) {
  return (folder: string): void => {
    const file = join(folder, 'model.safetensors');
    const bytes = readFileSync(file);
    const end = 8 + Number(bytes.readBigUInt64LE(0));
    writeFileSync(file, safetensors(bytes.toString('utf8', 8, end).replace(from, to), bytes.subarray(end)));
  };
}

function inJson(name: string, change: (json: Record<string, unknown>) => Record<string, unknown>) {
  return (folder: string): void => {
    const file = join(folder, name);
    writeFileSync(file, JSON.stringify(change(JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>)));
  };
}

const config = (changes: Readonly<Record<string, unknown>>) =>
  inJson('config.json', (json) => ({ ...json, ...changes }));

function headerLength(length: bigint) {
  return (folder: string): void => {
    const file = join(folder, 'model.safetensors');
    const bytes = readFileSync(file);
    bytes.writeBigUInt64LE(length);
    writeFileSync(file, bytes);
  };
}

const FILE = 'model.safetensors';

describe('a checkpoint is refused at publish, with what is wrong by its name:', () => {
  test.each<[string, (folder: string) => void, string, readonly string[]]>([
    ['a header of 2^60 bytes', headerLength(2n ** 60n), 'INVALID_ARTIFACT', [FILE]],
    ['a header of 2^64 - 1 bytes', headerLength(2n ** 64n - 1n), 'INVALID_ARTIFACT', [FILE]],
    [
      'a tensor of 2^60 bytes',
      inHeader((_, tensor) => Object.assign(tensor(BIAS), { shape: [2 ** 58], data_offsets: [0, 2 ** 60] })),
      'INVALID_ARTIFACT',
      [FILE, BIAS],
    ],
    [
      'a tensor past the end',
      inHeader((_, tensor) => (tensor(BIAS).data_offsets = [2 ** 30, 2 ** 30 + 12])),
      'INVALID_ARTIFACT',
      [FILE, BIAS],
    ],
    [
      'a tensor over another',
      inHeader((_, tensor) => (tensor(BIAS).data_offsets = [0, 12])),
      'INVALID_ARTIFACT',
      [FILE, 'bert.embeddings.LayerNorm.bias', 'data_offsets'],
    ],
    [
      'a dtype that is not known',
      inHeader((_, tensor) => (tensor(BIAS).dtype = 'F13')),
      'INVALID_ARTIFACT',
      [FILE, BIAS, 'F13'],
    ],
    ['a name twice', inHeaderText(`"${BIAS}"`, '"classifier.weight"'), 'INVALID_ARTIFACT', [FILE, 'classifier.weight']],
    ['a tensor that is missing', inHeaderText(`"${BIAS}"`, '"classifier.bios"'), 'INVALID_ARTIFACT', [BIAS]],
    [
      'a tensor that nothing uses',
      inHeaderText(`"bert.pooler.dense.bias"`, '"bert.pooler.dense.bios"'),
      'INVALID_ARTIFACT',
      ['bert.pooler.dense.bias'],
    ],
    [
      'a width that the tensors do not have',
      config({ hidden_size: 64 }),
      'INVALID_ARTIFACT',
      [WORDS, '[1500, 48]', 'hidden_size 64'],
    ],
    [
      'a vocabulary that the table does not have',
      config({ vocab_size: 1_400 }),
      'INVALID_ARTIFACT',
      [WORDS, 'vocab_size 1400'],
    ],
    [
      'more labels than the head has',
      config({ id2label: { 0: 'a', 1: 'b', 2: 'c', 3: 'd' } }),
      'INVALID_ARTIFACT',
      ['classifier.weight'],
    ],
    [
      'a tokenizer that gives ids beyond the table',
      inJson('tokenizer.json', (json) => ({
        ...json,
        added_tokens: [...(json['added_tokens'] as object[]), { id: 1_500, content: '[NEW]' }],
      })),
      'INVALID_ARTIFACT',
      ['tokenizer.json', '1500', 'vocab_size'],
    ],
  ])('%s', async (_what, spoil, code, names) => {
    const { code: given, message } = await refusalOf(spoil);
    expect(given).toBe(code);
    for (const name of names) expect(message).toContain(name);
  });

  const FAMILIES = 'albert, bert, camembert, deberta-v2, distilbert, electra, modernbert, mpnet, roberta, xlm-roberta';
  test.each<[string, (folder: string) => void, readonly string[]]>([
    ['a family that is not served', config({ model_type: 'llama' }), ['"llama"', FAMILIES]],
    ['code of its own', config({ auto_map: { AutoModel: 'x.Y' } }), ['auto_map', FAMILIES]],
    [
      'a head that is not served',
      config({ architectures: ['BertForMultipleChoice'] }),
      ['BertForMultipleChoice', '--task', 'feature-extraction', 'sentence-embeddings'],
    ],
    ['relative positions', config({ position_embedding_type: 'relative_key' }), ['relative_key', 'absolute']],
    ['an activation that is not served', config({ hidden_act: 'mish' }), ['mish', 'gelu']],
    [
      'a pickle',
      (folder) => {
        rmSync(join(folder, FILE));
        writeFileSync(join(folder, 'pytorch_model.bin'), 'pickle');
      },
      ['pytorch_model.bin', 'safe_serialization=True'],
    ],
  ])('%s, and what is served is listed', async (_what, spoil, names) => {
    const { code, message } = await refusalOf(spoil);
    expect(code).toBe('UNSUPPORTED_FORMAT');
    for (const name of names) expect(message).toContain(name);
  });
});
