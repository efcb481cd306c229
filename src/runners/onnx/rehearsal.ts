import { ModelkeepError, type VersionFiles } from '../../core/index.js';

/** Sizes of the model: the smallest that has every part of a BERT. */
const SIZE = Object.freeze({ hidden: 4, heads: 2, layers: 1, positions: 8, intermediate: 8 });
const SPECIAL = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'];
/** Beside the special tokens: enough that what reads vocabularies is worth optimizing to the engine. */
const WORDS = 2_000;

/** The task that it has. */
export const REHEARSED_TASK = 'text-classification';

function configOf(vocabulary: number): object {
  return {
    architectures: ['BertForSequenceClassification'],
    model_type: 'bert',
    hidden_act: 'gelu',
    hidden_size: SIZE.hidden,
    intermediate_size: SIZE.intermediate,
    num_attention_heads: SIZE.heads,
    num_hidden_layers: SIZE.layers,
    max_position_embeddings: SIZE.positions,
    type_vocab_size: 2,
    vocab_size: vocabulary,
    id2label: { 0: 'NO', 1: 'YES' },
    label2id: { NO: 0, YES: 1 },
  };
}

function tokenizerOf(vocabulary: Readonly<Record<string, number>>): object {
  const special = (id: string) => ({ id, ids: [vocabulary[id]], tokens: [id] });
  const around = [{ SpecialToken: { id: '[CLS]', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }];
  const single = [...around, { SpecialToken: { id: '[SEP]', type_id: 0 } }];
  const second = [{ Sequence: { id: 'B', type_id: 1 } }, { SpecialToken: { id: '[SEP]', type_id: 1 } }];
  return {
    version: '1.0',
    added_tokens: SPECIAL.map((content, id) => {
      return { id, content, special: true, single_word: false, lstrip: false, rstrip: false, normalized: false };
    }),
    normalizer: { type: 'BertNormalizer', clean_text: true, handle_chinese_chars: true, lowercase: true },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: {
      type: 'TemplateProcessing',
      single,
      pair: [...single, ...second],
      special_tokens: { '[CLS]': special('[CLS]'), '[SEP]': special('[SEP]') },
    },
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    model: {
      type: 'WordPiece',
      unk_token: '[UNK]',
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
      vocab: vocabulary,
    },
  };
}

/** A tensor's name and sizes. */
type Shaped = readonly [name: string, shape: readonly number[]];

function linear(name: string, inner: number, outer: number): readonly Shaped[] {
  return [
    [`${name}.weight`, [outer, inner]],
    [`${name}.bias`, [outer]],
  ];
}

function norm(name: string): readonly Shaped[] {
  return ['weight', 'bias'].map((part) => [`${name}.LayerNorm.${part}`, [SIZE.hidden]]);
}

function* tensorsOf(vocabulary: number): Generator<Shaped> {
  const { hidden, intermediate, layers, positions } = SIZE;
  yield ['bert.embeddings.word_embeddings.weight', [vocabulary, hidden]];
  yield ['bert.embeddings.position_embeddings.weight', [positions, hidden]];
  yield ['bert.embeddings.token_type_embeddings.weight', [2, hidden]];
  yield* norm('bert.embeddings');
  for (let layer = 0; layer < layers; layer++) {
    const at = `bert.encoder.layer.${layer}`;
    for (const part of ['query', 'key', 'value']) yield* linear(`${at}.attention.self.${part}`, hidden, hidden);
    yield* linear(`${at}.attention.output.dense`, hidden, hidden);
    yield* norm(`${at}.attention.output`);
    yield* linear(`${at}.intermediate.dense`, hidden, intermediate);
    yield* linear(`${at}.output.dense`, intermediate, hidden);
    yield* norm(`${at}.output`);
  }
  yield* linear('bert.pooler.dense', hidden, hidden);
  yield* linear('classifier', hidden, 2);
}

/** A safetensors file of zeros. */
function weightsOf(vocabulary: number): Buffer {
  const header: Record<string, object> = {};
  let end = 0;
  for (const [name, shape] of tensorsOf(vocabulary)) {
    const begin = end;
    end += 4 * shape.reduce((product, dim) => product * dim, 1);
    header[name] = { dtype: 'F32', shape, data_offsets: [begin, end] };
  }
  const json = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, Buffer.alloc(end)]);
}

/**
 * The files of a BERT with nothing but zeros in it, in memory: what a runner loads and asks once before its first
 * version, so that compiling the code of it is not the first version's to wait for.
 */
export function rehearsalFiles(): VersionFiles {
  const words = [...SPECIAL, ...Array.from({ length: WORDS }, (_, at) => `word${at}`)];
  const vocabulary = Object.fromEntries(words.map((word, id) => [word, id]));
  const files = new Map<string, Buffer>([
    ['config.json', Buffer.from(JSON.stringify(configOf(words.length)))],
    ['model.safetensors', weightsOf(words.length)],
    ['tokenizer.json', Buffer.from(JSON.stringify(tokenizerOf(vocabulary)))],
  ]);
  return {
    paths: [...files.keys()],
    size: (path) => files.get(path)?.length,
    contentOf: () => undefined,
    read: async (path, { start, end } = {}) => {
      const bytes = files.get(path);
      if (bytes === undefined) throw new ModelkeepError('INTERNAL', `The rehearsal has no file ${path}`);
      return bytes.subarray(start, end);
    },
    locate: () => undefined,
  };
}
