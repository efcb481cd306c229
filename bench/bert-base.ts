/**
 * Models of the size of BERT-base (12 layers of 768, 30522 tokens, 438 MB in float32) with random weights from a seed:
 * a trunk with several heads, or several of which no two share a large tensor. Nothing is downloaded.
 */
import { existsSync } from 'node:fs';
import { mkdir, open, rename, rm, writeFile, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';

/** The shape of a model to make. */
export interface BertSize {
  readonly layers: number;
  readonly hidden: number;
  readonly vocabulary: number;
  /** Longest sequence, in tokens. */
  readonly positions: number;
}

/** BERT-base uncased. */
export const BERT_BASE: BertSize = Object.freeze({ layers: 12, hidden: 768, vocabulary: 30_522, positions: 512 });
/** A third of the layers and nine tenths of the vocabulary: 200 MB in float32. */
export const BERT_MIDDLING: BertSize = Object.freeze({ layers: 4, hidden: 768, vocabulary: 27_400, positions: 512 });
/** Small enough that a thousand loads take seconds. */
export const BERT_TINY: BertSize = Object.freeze({ layers: 2, hidden: 128, vocabulary: 2_000, positions: 128 });

/** What distinguishes one model from another: models of the same trunk seed share every tensor but the head. */
export interface ModelSeeds {
  readonly trunk: number;
  readonly head: number;
}

interface TensorShape {
  readonly name: string;
  readonly dims: readonly number[];
  readonly part: keyof ModelSeeds;
}

/** Values from which tensors are cut: 2^22 floats, 16 MiB. */
const POOL_VALUES = 2 ** 22;
/** Standard deviation of BERT's initial weights (`initializer_range`). */
const SPREAD = 0.02;

/** A generator of numbers in [0, 1): Mulberry32 by Tommy Ettinger, public domain. */
export function randomNumbers(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Floats of about the normal distribution (the sum of three uniform numbers), with the spread of BERT's weights. */
function valuePool(seed: number): Float32Array {
  const random = randomNumbers(seed);
  return Float32Array.from({ length: POOL_VALUES }, () => (random() + random() + random() - 1.5) * 2 * SPREAD);
}

function tensorsOf({ layers, hidden, vocabulary, positions }: BertSize): readonly TensorShape[] {
  const tensors: TensorShape[] = [];
  const add = (name: string, dims: readonly number[], part: keyof ModelSeeds = 'trunk'): void => {
    tensors.push({ name, dims, part });
  };
  const linear = (name: string, inner: number, outer: number, part: keyof ModelSeeds = 'trunk'): void => {
    add(`${name}.weight`, [outer, inner], part);
    add(`${name}.bias`, [outer], part);
  };
  const norm = (name: string): void => {
    add(`${name}.weight`, [hidden]);
    add(`${name}.bias`, [hidden]);
  };
  add('bert.embeddings.word_embeddings.weight', [vocabulary, hidden]);
  add('bert.embeddings.position_embeddings.weight', [positions, hidden]);
  add('bert.embeddings.token_type_embeddings.weight', [2, hidden]);
  norm('bert.embeddings.LayerNorm');
  for (let layer = 0; layer < layers; layer++) {
    const at = `bert.encoder.layer.${layer}`;
    for (const name of ['query', 'key', 'value']) linear(`${at}.attention.self.${name}`, hidden, hidden);
    linear(`${at}.attention.output.dense`, hidden, hidden);
    norm(`${at}.attention.output.LayerNorm`);
    linear(`${at}.intermediate.dense`, hidden, 4 * hidden);
    linear(`${at}.output.dense`, 4 * hidden, hidden);
    norm(`${at}.output.LayerNorm`);
  }
  linear('bert.pooler.dense', hidden, hidden, 'head');
  linear('classifier', hidden, 2, 'head');
  return tensors;
}

function countOf({ dims }: TensorShape): number {
  return dims.reduce((product, dim) => product * dim, 1);
}

/** Writes `count` values that begin at a place of the pool that is the tensor's own. */
async function writeValues(file: FileHandle, pool: Float32Array, from: number, count: number): Promise<void> {
  for (let written = 0, at = from; written < count; at = 0) {
    const part = pool.subarray(at, Math.min(POOL_VALUES, at + count - written));
    await file.write(new Uint8Array(part.buffer, part.byteOffset, part.byteLength));
    written += part.length;
  }
}

async function writeWeights(path: string, size: BertSize, seeds: ModelSeeds): Promise<void> {
  const tensors = tensorsOf(size);
  const pools = { trunk: valuePool(seeds.trunk), head: valuePool(seeds.head) };
  const header: Record<string, unknown> = { __metadata__: { format: 'pt' } };
  let end = 0;
  for (const tensor of tensors) {
    const begin = end;
    end += 4 * countOf(tensor);
    header[tensor.name] = { dtype: 'F32', shape: tensor.dims, data_offsets: [begin, end] };
  }
  const text = JSON.stringify(header);
  const json = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.byteLength));
  const file = await open(path, 'w');
  try {
    await file.write(Buffer.concat([length, json]));
    const places = { trunk: randomNumbers(seeds.trunk + 1), head: randomNumbers(seeds.head + 1) };
    for (const tensor of tensors) {
      const count = countOf(tensor);
      if (tensor.name.endsWith('LayerNorm.weight'))
        await file.write(new Uint8Array(new Float32Array(count).fill(1).buffer));
      else await writeValues(file, pools[tensor.part], Math.floor(places[tensor.part]() * POOL_VALUES), count);
    }
  } finally {
    await file.close();
  }
}

const SPECIAL = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'];

function word(index: number): string {
  return SPECIAL[index] ?? `w${index}`;
}

function piece(id: string, type: number): object {
  return { SpecialToken: { id, type_id: type } };
}

function sequence(id: string, type: number): object {
  return { Sequence: { id, type_id: type } };
}

function special(id: string): object {
  return { id, ids: [SPECIAL.indexOf(id)], tokens: [id] };
}

function tokenizerOf(vocabulary: number): object {
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: SPECIAL.map((content, id) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: {
      type: 'BertNormalizer',
      clean_text: true,
      handle_chinese_chars: true,
      strip_accents: null,
      lowercase: true,
    },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: {
      type: 'TemplateProcessing',
      single: [piece('[CLS]', 0), sequence('A', 0), piece('[SEP]', 0)],
      pair: [piece('[CLS]', 0), sequence('A', 0), piece('[SEP]', 0), sequence('B', 1), piece('[SEP]', 1)],
      special_tokens: { '[CLS]': special('[CLS]'), '[SEP]': special('[SEP]') },
    },
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    model: {
      type: 'WordPiece',
      unk_token: '[UNK]',
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
      vocab: Object.fromEntries(Array.from({ length: vocabulary }, (_, index) => [word(index), index])),
    },
  };
}

function configOf({ layers, hidden, vocabulary, positions }: BertSize): object {
  return {
    architectures: ['BertForSequenceClassification'],
    model_type: 'bert',
    hidden_act: 'gelu',
    hidden_size: hidden,
    intermediate_size: 4 * hidden,
    num_attention_heads: hidden / 64,
    num_hidden_layers: layers,
    max_position_embeddings: positions,
    type_vocab_size: 2,
    vocab_size: vocabulary,
    layer_norm_eps: 1e-12,
    pad_token_id: 0,
    position_embedding_type: 'absolute',
    torch_dtype: 'float32',
    id2label: { 0: 'NEGATIVE', 1: 'POSITIVE' },
    label2id: { NEGATIVE: 0, POSITIVE: 1 },
  };
}

/**
 * Makes a model as training leaves it (`config.json`, `model.safetensors`, `tokenizer.json`), unless it is there already.
 *
 * @param folder where models lie; the model becomes a folder in it
 * @returns absolute path of the model's folder
 */
export async function makeBert(folder: string, name: string, size: BertSize, seeds: ModelSeeds): Promise<string> {
  const path = join(folder, name);
  if (existsSync(path)) return path;
  const unfinished = `${path}.unfinished`;
  await rm(unfinished, { recursive: true, force: true });
  await mkdir(unfinished, { recursive: true });
  await writeFile(join(unfinished, 'config.json'), JSON.stringify(configOf(size)));
  await writeFile(join(unfinished, 'tokenizer.json'), JSON.stringify(tokenizerOf(size.vocabulary)));
  await writeFile(
    join(unfinished, 'tokenizer_config.json'),
    JSON.stringify({ tokenizer_class: 'BertTokenizer', model_max_length: size.positions, do_lower_case: true }),
  );
  await writeWeights(join(unfinished, 'model.safetensors'), size, seeds);
  await rename(unfinished, path);
  return path;
}

/** A text of `words` words that the tokenizer of these models turns into one token each. */
export function textOf(words: number, seed = 1): string {
  const random = randomNumbers(seed);
  return Array.from({ length: words }, () => `w${5 + Math.floor(random() * 1_900)}`).join(' ');
}
