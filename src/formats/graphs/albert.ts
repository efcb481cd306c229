import { bertEncoder, checkBert } from './bert.js';
import { encode, linear, type EncoderShape } from './blocks.js';
import type { ModelConfig } from './config.js';
import { embed, embeddingShape } from './embeddings.js';
import { layersNamed, type Family } from './family.js';
import { frameOf } from './frame.js';
import { answerQuestions, classifyPooled, classifyTokens, fillMasks, plainEncoder } from './heads.js';

/** Most passes through the layers: they share their weights, so no tensor that is missing would end them. */
const MAX_PASSES = 64;

/** The order in which groups of shared layers are passed: each pass through a group goes through all of its layers. */
function passes(config: ModelConfig): readonly string[] {
  const count = config.size('num_hidden_layers', undefined, MAX_PASSES);
  const groups = config.size('num_hidden_groups', 1);
  const inner = config.size('inner_group_num', 1, MAX_PASSES);
  return Array.from({ length: count * inner }, (_, index) => {
    const group = Math.trunc(Math.trunc(index / inner) / (count / groups));
    return `encoder.albert_layer_groups.${group}.albert_layers.${index % inner}`;
  });
}

function encoderShape(config: ModelConfig): EncoderShape {
  const layers = passes(config);
  return {
    ...bertEncoder(config),
    activation: config.text('hidden_act', 'gelu_new'),
    layers: layers.length,
    layer: (index) => layers[index] ?? '',
    names: {
      query: 'attention.query',
      key: 'attention.key',
      value: 'attention.value',
      attentionOutput: 'attention.dense',
      attentionNorm: 'attention.LayerNorm',
      up: 'ffn',
      down: 'ffn_output',
      outputNorm: 'full_layer_layer_norm',
    },
  };
}

/**
 * ALBERT: Lan et al., "ALBERT: A Lite BERT for Self-supervised Learning of Language Representations" (2019). BERT whose
 * layers share their weights and whose embeddings are narrow and always projected.
 */
export const albert: Family = {
  className: 'Albert',
  names: {
    prefix: 'albert.',
    roots: ['embeddings', 'encoder', 'pooler'],
    words: 'embeddings.word_embeddings.weight',
    mark: 'encoder.albert_layer_groups.0.albert_layers.0.attention.query.weight',
    decoder: 'predictions.decoder',
    pooler: 'pooler',
    beside: layersNamed(
      'predictions',
      'predictions.dense',
      'predictions.LayerNorm',
      'predictions.decoder',
      'sop_classifier.classifier',
      'classifier',
      'qa_outputs',
    ),
  },
  defaults: {
    vocab_size: 30_000,
    hidden_size: 4096,
    num_hidden_layers: 12,
    num_attention_heads: 64,
    intermediate_size: 16_384,
    max_position_embeddings: 512,
  },
  hasTokenTypes: (config) => config.size('type_vocab_size', 2) > 1,
  check: checkBert,
  encode: (c, config) => {
    const encoder = encoderShape(config);
    const { hidden } = encoder;
    const shape = { ...embeddingShape(config, 'count'), size: config.size('embedding_size', 128) };
    const frame = frameOf(c.writer, encoder.heads);
    const { state, words } = embed(c, shape, frame);
    const wide = linear(c, 'encoder', 'encoder.embedding_hidden_mapping_in', state, [shape.size, hidden]);
    return { config, frame, words, hidden, ...encode(c, encoder, frame, wide) };
  },
  heads: {
    ForSequenceClassification: classifyPooled('pooler'),
    ForTokenClassification: classifyTokens,
    ForQuestionAnswering: answerQuestions,
    ForMaskedLM: fillMasks({
      dense: 'predictions.dense',
      norm: 'predictions.LayerNorm',
      bias: 'predictions.bias',
      decoder: 'predictions.decoder',
    }),
    Model: plainEncoder('pooler'),
  },
};
