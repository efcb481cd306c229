import { activate, doubled, exactLinear, halved, lookUpWords, multiply, statesOf, type Words } from './blocks.js';
import type { Checkpoint, Part } from './checkpoint.js';
import { ModelkeepError, type TensorInfo } from '../../core/index.js';
import type { ModelConfig } from './config.js';
import { layersNamed, type Encoded, type Family } from './family.js';
import { frameOf, headPlaces, joinHeads, LOWEST_FLOAT32, maskOf, splitHeads, unflatten, type Frame } from './frame.js';
import { decode, labelsOf, named, plainEncoder, startsAndEnds } from './heads.js';
import { rotaryOf, viewsOf, type View } from './layer-views.js';
import { rotate, rotationOf, type Rotation } from './rotary.js';

/** How the layers of one kind see other tokens. */
interface Sight {
  readonly rotation: Rotation;
  /** Added to the scores: 0, or the lowest float for what is not seen. */
  readonly bias: string;
}

interface Layers {
  readonly c: Checkpoint;
  readonly config: ModelConfig;
  readonly hidden: number;
  readonly heads: number;
  /** By layer. */
  readonly sights: readonly Sight[];
  readonly frame: Frame;
  /** Where the heads of queries, keys and values lie: all three are beside one another in a row. */
  readonly split: { readonly query: string; readonly key: string; readonly value: string };
}

/** A linear layer that may have no bias. */
function project(
  c: Checkpoint,
  part: Part,
  name: string,
  x: string,
  sizes: readonly [number, number],
  biased: boolean,
) {
  const [from, to] = sizes;
  const bias = biased ? c[part](`${name}.bias`, [to]) : undefined;
  return multiply(c, x, { part, name: `${name}.weight`, from, to }, bias);
}

/** Layer normalisation that may have no bias. */
function norm(c: Checkpoint, config: ModelConfig, part: Part, name: string, x: string): string {
  const size = config.size('hidden_size');
  const bias = config.raw('norm_bias') === true ? [c[part](`${name}.bias`, [size])] : [];
  const inputs = [x, c[part](`${name}.weight`, [size]), ...bias];
  const epsilon = { float: config.number('norm_eps', 1e-5) };
  return c.writer.node('LayerNormalization', inputs, { axis: { int: -1 }, epsilon });
}

/** The lowest float for tokens farther than half of the window, and for padding. */
function windowOf({ writer }: Checkpoint, padding: string, window: number): string {
  const length = writer.node('Gather', [writer.node('Shape', ['input_ids']), writer.int(1)]);
  const range = writer.node('Range', [writer.int(0), length, writer.int(1)]);
  const rows = writer.node('Unsqueeze', [range, writer.ints([1])]);
  const distance = writer.node('Abs', [writer.node('Sub', [range, rows])]);
  const far = writer.node('Greater', [distance, writer.int(Math.trunc(window / 2))]);
  const bias = writer.node('Where', [far, writer.float(LOWEST_FLOAT32), writer.float(0)]);
  // Not a sum: twice the lowest float is infinite, and a row of those is no number.
  return writer.node('Min', [padding, bias]);
}

function attention({ c, config, hidden, heads, frame, split, sights }: Layers, layer: number, x: string): string {
  const { writer } = c;
  const width = hidden / heads;
  const sight = sights[layer];
  if (sight === undefined) throw new ModelkeepError('INTERNAL', `Layer ${layer} has no type`);
  const { rotation, bias } = sight;
  const biased = config.raw('attention_bias') === true;
  const joint = project(c, 'encoder', `layers.${layer}.attn.Wqkv`, x, [hidden, 3 * hidden], biased);
  const of = (places: string): string => splitHeads(writer, places, joint, width);
  const query = rotate(writer, rotation, of(split.query), width);
  const key = writer.node('Transpose', [rotate(writer, rotation, of(split.key), width)], {
    perm: { ints: [0, 1, 3, 2] },
  });
  const scaled = writer.node('Mul', [writer.node('MatMul', [query, key]), writer.float(1 / Math.sqrt(width))]);
  const weights = writer.node('Softmax', [writer.node('Add', [scaled, bias])], { axis: { int: -1 } });
  const joined = joinHeads(writer, frame, writer.node('MatMul', [weights, of(split.value)]), heads, width);
  return project(c, 'encoder', `layers.${layer}.attn.Wo`, joined, [hidden, hidden], biased);
}

/** GeGLU: Shazeer, "GLU Variants Improve Transformer" (2020). */
function gated({ c, config, hidden }: Layers, layer: number, x: string): string {
  const { writer } = c;
  const size = config.size('intermediate_size');
  const biased = config.raw('mlp_bias') === true;
  const both = project(c, 'encoder', `layers.${layer}.mlp.Wi`, x, [hidden, 2 * size], biased);
  const half = (from: number): string =>
    writer.node('Slice', [both, writer.ints([from]), writer.ints([from + size]), writer.ints([1])]);
  const active = activate(writer, config.text('hidden_activation', 'gelu'), half(0));
  const product = writer.node('Mul', [active, half(size)]);
  return project(c, 'encoder', `layers.${layer}.mlp.Wo`, product, [size, hidden], biased);
}

function encodeModernBert(c: Checkpoint, config: ModelConfig): Encoded {
  const { writer } = c;
  const hidden = config.size('hidden_size');
  const heads = config.size('num_attention_heads');
  const frame = frameOf(writer, heads);
  const placesOf = (index: number): string =>
    headPlaces(writer, frame, { inRow: 3 * heads, from: index * heads, count: heads });
  const sights: Readonly<Record<View, Sight>> = {
    full_attention: {
      rotation: rotationOf(writer, 'global_frequencies', hidden / heads, rotaryOf(config, 'full_attention')),
      bias: frame.bias,
    },
    sliding_attention: {
      rotation: rotationOf(writer, 'local_frequencies', hidden / heads, rotaryOf(config, 'sliding_attention')),
      bias: windowOf(c, frame.bias, config.size('local_attention', 128)),
    },
  };
  const layers: Layers = {
    c,
    config,
    hidden,
    heads,
    frame,
    split: { query: placesOf(0), key: placesOf(1), value: placesOf(2) },
    sights: viewsOf(config).map((view) => sights[view]),
  };
  const words: Words = { name: 'embeddings.tok_embeddings.weight', shape: [config.size('vocab_size'), hidden] };
  const looked = lookUpWords(c, words, frame);
  let state = norm(c, config, 'encoder', 'embeddings.norm', looked);
  for (let layer = 0; layer < config.size('num_hidden_layers'); layer++) {
    // The embeddings of the first layer are normalised already.
    const before = layer === 0 ? state : norm(c, config, 'encoder', `layers.${layer}.attn_norm`, state);
    state = writer.node('Add', [state, attention(layers, layer, before)]);
    const middle = norm(c, config, 'encoder', `layers.${layer}.mlp_norm`, state);
    state = writer.node('Add', [state, gated(layers, layer, middle)]);
  }
  const last = norm(c, config, 'encoder', 'final_norm', state);
  return { config, frame, words, hidden, ...statesOf(writer, frame, last, hidden) };
}

/** The layer that all heads begin with. */
function transform(c: Checkpoint, { config, hidden }: Encoded, x: string): string {
  const dense = project(c, 'head', 'head.dense', x, [hidden, hidden], config.raw('classifier_bias') === true);
  return norm(c, config, 'head', 'head.norm', activate(c.writer, config.text('classifier_activation', 'gelu'), dense));
}

/** The mean of the states of all tokens that are not padding. */
function meanOfTokens(c: Checkpoint, { frame, all }: Encoded): string {
  const { writer } = c;
  const mask = maskOf(writer);
  const wide = writer.node('Unsqueeze', [mask, writer.ints([2])]);
  const masked = writer.node('Mul', [unflatten(writer, frame, all()), wide]);
  const total = writer.node('ReduceSum', [masked, writer.ints([1])], { keepdims: { int: 0 } });
  return writer.node('Div', [total, writer.node('ReduceSum', [mask, writer.ints([1])], { keepdims: { int: 1 } })]);
}

function classify(c: Checkpoint, encoded: Encoded): readonly TensorInfo[] {
  const { config, first, hidden } = encoded;
  config.only('classifier_pooling', ['cls', 'mean']);
  const labels = labelsOf(c, encoded, 'classifier.weight');
  const mean = config.raw('classifier_pooling') === 'mean';
  const pooled = mean ? doubled(c.writer, meanOfTokens(c, encoded), hidden) : first();
  const active = transform(c, encoded, pooled);
  const logits = exactLinear(c, 'head', 'classifier', active, [hidden, labels]);
  return [named(c, 'logits', halved(c.writer, logits, labels), [-1, labels])];
}

function classifyTokens(c: Checkpoint, encoded: Encoded): readonly TensorInfo[] {
  const labels = labelsOf(c, encoded, 'classifier.weight');
  const active = transform(c, encoded, encoded.all());
  const logits = exactLinear(c, 'head', 'classifier', active, [encoded.hidden, labels]);
  return [named(c, 'logits', unflatten(c.writer, encoded.frame, logits), [-1, -1, labels])];
}

function answerQuestions(c: Checkpoint, encoded: Encoded): readonly TensorInfo[] {
  const active = transform(c, encoded, encoded.all());
  return startsAndEnds(c, encoded.frame, exactLinear(c, 'head', 'classifier', active, [encoded.hidden, 2]));
}

function fillMasks(c: Checkpoint, encoded: Encoded): readonly TensorInfo[] {
  const { config, words, frame } = encoded;
  const [vocabulary] = words.shape;
  const bias = config.raw('decoder_bias') === false ? undefined : 'decoder.bias';
  const x = transform(c, encoded, encoded.all());
  const logits = decode(c, { config, words, decoder: 'decoder', bias }, x);
  return [named(c, 'logits', unflatten(c.writer, frame, logits), [-1, -1, vocabulary])];
}

/** The transform is that of every head: the decoder tells. */
function needsOfMasks(config: ModelConfig): readonly string[] {
  if (config.raw('decoder_bias') !== false) return ['head.dense.weight', 'decoder.bias'];
  return ['head.dense.weight', ...(config.raw('tie_word_embeddings') === false ? ['decoder.weight'] : [])];
}

/** What all heads but the plain encoder have. */
const CLASSIFIER = ['head.dense.weight', 'classifier.weight'];

/**
 * ModernBERT: Warner et al., "Smarter, Better, Faster, Longer: A Modern Bidirectional Encoder" (2024). Normalisation
 * before each block, rotary positions, GeGLU, and a window of tokens in all but every third layer.
 */
export const modernbert: Family = {
  className: 'ModernBert',
  names: {
    prefix: 'model.',
    roots: ['embeddings', 'layers', 'final_norm'],
    words: 'embeddings.tok_embeddings.weight',
    mark: 'layers.0.attn.Wqkv.weight',
    decoder: 'decoder',
    beside: layersNamed('head.dense', 'head.norm', 'decoder', 'classifier'),
  },
  defaults: {
    vocab_size: 50_368,
    hidden_size: 768,
    num_hidden_layers: 22,
    num_attention_heads: 12,
    intermediate_size: 1152,
    max_position_embeddings: 8192,
  },
  hasTokenTypes: () => false,
  check: (config) => {
    const width = config.size('hidden_size') / config.size('num_attention_heads');
    if (width % 2 !== 0) {
      throw new ModelkeepError(
        'INVALID_ARTIFACT',
        `config.json: hidden_size / num_attention_heads is ${width}; rotary positions turn pairs of features, so it must be even`,
      );
    }
    config.only('head_dim', [width]);
  },
  encode: encodeModernBert,
  heads: {
    ForSequenceClassification: { needs: CLASSIFIER, author: classify },
    ForTokenClassification: { needs: CLASSIFIER, author: classifyTokens },
    ForQuestionAnswering: { needs: CLASSIFIER, author: answerQuestions },
    ForMaskedLM: { needs: needsOfMasks, author: fillMasks },
    Model: plainEncoder(),
  },
};
