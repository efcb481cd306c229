import { ModelkeepError } from '../../core/index.js';
import { bertEncoder, PREDICTIONS_OF_BERT } from './bert.js';
import { encode, layerNorm, multiply, type EncoderShape } from './blocks.js';
import type { Checkpoint } from './checkpoint.js';
import type { ModelConfig } from './config.js';
import { disentangled, type AttentionKind, type DistanceShape } from './disentangled.js';
import { embeddingShape, sumEmbeddings } from './embeddings.js';
import { layersNamed, type Family, type Head } from './family.js';
import { frameOf, type Frame } from './frame.js';
import { answerQuestions, classifyFirst, classifyTokens, fillMasksAsBert, plainEncoder } from './heads.js';

const KINDS: readonly AttentionKind[] = ['c2p', 'p2c'];

/** `pos_att_type`, a list or its parts with bars between them. @throws ModelkeepError `UNSUPPORTED_FORMAT` */
function kindsOf(config: ModelConfig): readonly AttentionKind[] {
  const value = config.raw('pos_att_type') ?? [];
  const parts = typeof value === 'string' ? value.toLowerCase().split('|') : value;
  const given = (Array.isArray(parts) ? (parts as readonly unknown[]) : [parts]).map((part) =>
    typeof part === 'string' ? part.trim() : part,
  );
  const wrong = given.find((part) => !KINDS.some((kind) => kind === part) && part !== '');
  if (wrong === undefined) return KINDS.filter((kind) => given.includes(kind));
  throw new ModelkeepError(
    'UNSUPPORTED_FORMAT',
    `config.json: pos_att_type has ${JSON.stringify(wrong)}, which is not supported; supported: ${KINDS.join(', ')}`,
  );
}

/** A number of positions; missing or below 1 stands for none. */
function positive(config: ModelConfig, name: string): number | undefined {
  const value = config.raw(name) ?? -1;
  return typeof value === 'number' && value < 1 ? undefined : config.size(name);
}

function distanceShape(config: ModelConfig): DistanceShape {
  return {
    kinds: kindsOf(config),
    buckets: positive(config, 'position_buckets'),
    farthest: positive(config, 'max_relative_positions') ?? config.size('max_position_embeddings'),
    positions: config.distances,
    normed: config.raw('norm_rel_ebd') === 'layer_norm',
    shared: config.raw('share_att_key') === true,
  };
}

function encoderShape(c: Checkpoint, config: ModelConfig, frame: Frame): EncoderShape {
  const base = bertEncoder(config);
  const distances = distanceShape(config);
  const named = {
    ...base,
    epsilon: config.number('layer_norm_eps', 1e-7),
    // The scores are a sum of so many products, and scaled as such.
    scale: 1 / Math.sqrt((base.hidden / base.heads) * (1 + distances.kinds.length)),
    names: {
      ...base.names,
      query: 'attention.self.query_proj',
      key: 'attention.self.key_proj',
      value: 'attention.self.value_proj',
    },
  };
  const relative = config.raw('relative_attention') === true && distances.kinds.length > 0;
  if (relative) return { ...named, relative: disentangled(c, frame, named, distances) };
  // Without distances their norm is in the checkpoint all the same.
  if (distances.normed) for (const name of ['weight', 'bias']) c.encoder(`encoder.LayerNorm.${name}`, [base.hidden]);
  return named;
}

function embedDeberta(c: Checkpoint, config: ModelConfig, frame: Frame, hidden: number) {
  const shape = {
    ...embeddingShape(config, config.raw('position_biased_input') === false ? 'none' : 'count'),
    size: config.size('embedding_size', hidden),
    types: config.count('type_vocab_size', 0),
  };
  const { state, words } = sumEmbeddings(c, shape, frame);
  const wide =
    shape.size === hidden
      ? state
      : multiply(c, state, { part: 'encoder', name: 'embeddings.embed_proj.weight', from: shape.size, to: hidden });
  const epsilon = config.number('layer_norm_eps', 1e-7);
  const normed = layerNorm(c, 'encoder', 'embeddings.LayerNorm', wide, hidden, epsilon);
  return { state: normed, words };
}

/** The newer head of DeBERTa's masks has other tensors. */
const fillMasksAsLegacy: Head = {
  ...fillMasksAsBert,
  author: (c, encoded) => {
    encoded.config.only('legacy', [true]);
    return fillMasksAsBert.author(c, encoded);
  },
};

/**
 * DeBERTa v2 and v3: He et al., "DeBERTa: Decoding-enhanced BERT with Disentangled Attention" (2020) and "DeBERTaV3"
 * (2021). BERT's layers, whose scores also weigh contents against relative positions.
 */
export const debertaV2: Family = {
  className: 'DebertaV2',
  names: {
    prefix: 'deberta.',
    roots: ['embeddings', 'encoder'],
    words: 'embeddings.word_embeddings.weight',
    mark: 'encoder.layer.0.attention.self.query_proj.weight',
    decoder: 'cls.predictions.decoder',
    beside: layersNamed(
      ...PREDICTIONS_OF_BERT,
      'lm_predictions.lm_head',
      'lm_predictions.lm_head.dense',
      'lm_predictions.lm_head.LayerNorm',
      'mask_predictions.dense',
      'mask_predictions.LayerNorm',
      'mask_predictions.classifier',
      'pooler.dense',
      'classifier',
      'qa_outputs',
    ),
    // Where positions do not go into the words, as in most checkpoints: training needed it.
    unused: /^embeddings\.position_embeddings\./,
  },
  defaults: {
    vocab_size: 128_100,
    hidden_size: 1536,
    num_hidden_layers: 24,
    num_attention_heads: 24,
    intermediate_size: 6144,
    max_position_embeddings: 512,
  },
  hasTokenTypes: (config) => config.count('type_vocab_size', 0) > 1,
  check: (config) => {
    config.only('conv_kernel_size', [0]);
    config.only('norm_rel_ebd', ['none', 'layer_norm']);
    config.only('attention_head_size', [config.size('hidden_size') / config.size('num_attention_heads')]);
    config.only('pooler_hidden_size', [config.size('hidden_size')]);
  },
  encode: (c, config) => {
    const hidden = config.size('hidden_size');
    const frame = frameOf(c.writer, config.size('num_attention_heads'));
    const { state, ...embedded } = embedDeberta(c, config, frame, hidden);
    const encoder = encoderShape(c, config, frame);
    return { ...embedded, config, frame, hidden, ...encode(c, encoder, frame, state) };
  },
  heads: {
    ForSequenceClassification: classifyFirst({
      dense: 'pooler.dense',
      activation: (config) => config.text('pooler_hidden_act', 'gelu'),
      output: 'classifier',
    }),
    ForTokenClassification: classifyTokens,
    ForQuestionAnswering: answerQuestions,
    ForMaskedLM: fillMasksAsLegacy,
    Model: plainEncoder(),
  },
};
