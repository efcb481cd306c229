import { encode, type EncoderShape } from './blocks.js';
import type { ModelConfig } from './config.js';
import { embed, type EmbeddingShape } from './embeddings.js';
import type { Family } from './family.js';
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
  prefix: 'distilbert.',
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
    ForSequenceClassification: classifyFirst('pre_classifier', 'relu', 'classifier'),
    ForTokenClassification: classifyTokens,
    ForQuestionAnswering: answerQuestions,
    // Its activation is that of the encoder under DistilBERT's name for it.
    ForMaskedLM: (c, encoded) =>
      fillMasks({
        dense: 'vocab_transform',
        norm: 'vocab_layer_norm',
        bias: 'vocab_projector.bias',
        decoder: 'vocab_projector.weight',
        activation: encoded.config.text('activation', 'gelu'),
        epsilon: EPSILON,
      })(c, encoded),
    Model: plainEncoder,
  },
};
