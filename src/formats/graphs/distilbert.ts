import { encode, type EncoderShape } from './blocks.js';
import type { ModelConfig } from './config.js';
import { embed, type EmbeddingShape } from './embeddings.js';
import { layersNamed, type Family } from './family.js';
import { frameOf } from './frame.js';
import { answerQuestions, classifyFirst, classifyTokens, fillMasks, plainEncoder } from './heads.js';

/** transformers hard-codes DistilBERT's epsilon; config.json has none. */
const EPSILON = 1e-12;

function encoderShape(config: ModelConfig): EncoderShape {
  return {
    layers: config.size('n_layers'),
    heads: config.size('n_heads'),
    hidden: config.size('dim'),
    intermediate: config.size('hidden_dim'),
    activation: config.text('activation', 'gelu'),
    epsilon: EPSILON,
    layer: (index) => `transformer.layer.${index}`,
    names: {
      query: 'attention.q_lin',
      key: 'attention.k_lin',
      value: 'attention.v_lin',
      attentionOutput: 'attention.out_lin',
      attentionNorm: 'sa_layer_norm',
      up: 'ffn.lin1',
      down: 'ffn.lin2',
      outputNorm: 'output_layer_norm',
    },
  };
}

/**
 * DistilBERT: Sanh et al., "DistilBERT, a distilled version of BERT" (2019). BERT without token types and pooler. Its
 * sinusoidal positions, where chosen, are saved as a table like learned ones.
 */
export const distilbert: Family = {
  className: 'DistilBert',
  names: {
    prefix: 'distilbert.',
    roots: ['embeddings', 'transformer'],
    words: 'embeddings.word_embeddings.weight',
    mark: 'transformer.layer.0.attention.q_lin.weight',
    decoder: 'vocab_projector',
    beside: layersNamed(
      'vocab_transform',
      'vocab_layer_norm',
      'vocab_projector',
      'pre_classifier',
      'classifier',
      'qa_outputs',
    ),
  },
  defaults: { vocab_size: 30_522, dim: 768, n_layers: 6, n_heads: 12, hidden_dim: 3072, max_position_embeddings: 512 },
  aliases: { hidden_size: 'dim', num_attention_heads: 'n_heads', num_hidden_layers: 'n_layers' },
  hasTokenTypes: () => false,
  check: () => undefined,
  encode: (c, config) => {
    const encoder = encoderShape(config);
    const shape: EmbeddingShape = {
      size: encoder.hidden,
      vocabulary: config.size('vocab_size'),
      positions: config.size('max_position_embeddings'),
      types: 0,
      epsilon: EPSILON,
      counting: 'count',
      padId: 0,
    };
    const frame = frameOf(c.writer, encoder.heads);
    const { state, words } = embed(c, shape, frame);
    return { config, frame, words, hidden: encoder.hidden, ...encode(c, encoder, frame, state) };
  },
  heads: {
    ForSequenceClassification: classifyFirst({
      dense: 'pre_classifier',
      activation: () => 'relu',
      output: 'classifier',
    }),
    ForTokenClassification: classifyTokens,
    ForQuestionAnswering: answerQuestions,
    // Its activation is that of the encoder under DistilBERT's name for it.
    ForMaskedLM: fillMasks({
      dense: 'vocab_transform',
      norm: 'vocab_layer_norm',
      bias: 'vocab_projector.bias',
      decoder: 'vocab_projector',
      activation: (config) => config.text('activation', 'gelu'),
      epsilon: EPSILON,
    }),
    Model: plainEncoder(),
  },
};
