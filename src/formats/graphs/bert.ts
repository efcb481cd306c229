import { encode, type EncoderShape } from './blocks.js';
import type { Checkpoint } from './checkpoint.js';
import type { ModelConfig } from './config.js';
import { embed, embeddingShape, type EmbeddingShape } from './embeddings.js';
import { BASE_SIZES, layersNamed, type Encoded, type Family } from './family.js';
import { frameOf } from './frame.js';
import { answerQuestions, classifyPooled, classifyTokens, fillMasksAsBert, plainEncoder } from './heads.js';

/** The encoder's sizes, and its layers' names, as BERT and its nearest kin have them. */
export function bertEncoder(config: ModelConfig): EncoderShape {
  return {
    layers: config.size('num_hidden_layers'),
    heads: config.size('num_attention_heads'),
    hidden: config.size('hidden_size'),
    intermediate: config.size('intermediate_size'),
    activation: config.text('hidden_act', 'gelu'),
    epsilon: config.number('layer_norm_eps', 1e-12),
    layer: (index) => `encoder.layer.${index}`,
    names: {
      query: 'attention.self.query',
      key: 'attention.self.key',
      value: 'attention.self.value',
      attentionOutput: 'attention.output.dense',
      attentionNorm: 'attention.output.LayerNorm',
      up: 'intermediate.dense',
      down: 'output.dense',
      outputNorm: 'output.LayerNorm',
    },
  };
}

/** Refuses what the BERT graph has not. @throws ModelkeepError `UNSUPPORTED_FORMAT` */
export function checkBert(config: ModelConfig): void {
  config.only('position_embedding_type', ['absolute']);
  config.only('is_decoder', [false]);
  config.only('add_cross_attention', [false]);
}

/** Embeddings and layers of BERT and its nearest kin. */
export function encodeBert(c: Checkpoint, config: ModelConfig, counting: EmbeddingShape['counting']): Encoded {
  const shape = embeddingShape(config, counting);
  const encoder = bertEncoder(config);
  const frame = frameOf(c.writer, encoder.heads);
  const { state, words } = embed(c, shape, frame);
  return {
    config,
    frame,
    words,
    hidden: encoder.hidden,
    ...encode(c, encoder, frame, state),
  };
}

/** Layers of BERT's masked language model; its bias by itself counts as one. */
export const PREDICTIONS_OF_BERT = [
  'cls.predictions',
  'cls.predictions.decoder',
  'cls.predictions.transform.dense',
  'cls.predictions.transform.LayerNorm',
];

/** BERT: Devlin et al., "BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding" (2018). */
export const bert: Family = {
  className: 'Bert',
  names: {
    prefix: 'bert.',
    roots: ['embeddings', 'encoder', 'pooler'],
    words: 'embeddings.word_embeddings.weight',
    mark: 'encoder.layer.0.attention.self.query.weight',
    decoder: 'cls.predictions.decoder',
    pooler: 'pooler.dense',
    beside: layersNamed(...PREDICTIONS_OF_BERT, 'cls.seq_relationship', 'classifier', 'qa_outputs'),
  },
  defaults: { ...BASE_SIZES, vocab_size: 30_522 },
  hasTokenTypes: (config) => config.size('type_vocab_size', 2) > 1,
  check: checkBert,
  encode: (c, config) => encodeBert(c, config, 'count'),
  heads: {
    ForSequenceClassification: classifyPooled('pooler.dense'),
    ForTokenClassification: classifyTokens,
    ForQuestionAnswering: answerQuestions,
    ForMaskedLM: fillMasksAsBert,
    Model: plainEncoder('pooler.dense'),
  },
};
