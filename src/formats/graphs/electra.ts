import { bertEncoder, checkBert } from './bert.js';
import { encode, linear } from './blocks.js';
import { embed, embeddingShape } from './embeddings.js';
import { layersNamed, type Family } from './family.js';
import { frameOf } from './frame.js';
import { answerQuestions, classifyFirst, classifyTokens, fillMasks, plainEncoder } from './heads.js';

/**
 * ELECTRA: Clark et al., "ELECTRA: Pre-training Text Encoders as Discriminators Rather Than Generators" (2020). BERT
 * without a pooler, whose embeddings may be narrower than its layers and are projected then.
 */
export const electra: Family = {
  className: 'Electra',
  names: {
    prefix: 'electra.',
    roots: ['embeddings', 'embeddings_project', 'encoder'],
    words: 'embeddings.word_embeddings.weight',
    mark: 'encoder.layer.0.attention.self.query.weight',
    decoder: 'generator_lm_head',
    beside: layersNamed(
      'generator_predictions.dense',
      'generator_predictions.LayerNorm',
      'generator_lm_head',
      'discriminator_predictions.dense',
      'discriminator_predictions.dense_prediction',
      'sequence_summary.summary',
      'classifier.dense',
      'classifier.out_proj',
      'classifier',
      'qa_outputs',
    ),
  },
  defaults: {
    vocab_size: 30_522,
    embedding_size: 128,
    hidden_size: 256,
    num_hidden_layers: 12,
    num_attention_heads: 4,
    intermediate_size: 1024,
    max_position_embeddings: 512,
  },
  hasTokenTypes: (config) => config.size('type_vocab_size', 2) > 1,
  check: (config) => {
    checkBert(config);
    config.only('summary_type', ['first']);
    config.only('summary_activation', ['gelu']);
  },
  encode: (c, config) => {
    const encoder = bertEncoder(config);
    const { hidden } = encoder;
    const shape = { ...embeddingShape(config, 'count'), size: config.size('embedding_size', hidden) };
    const frame = frameOf(c.writer, encoder.heads);
    const { state, words } = embed(c, shape, frame);
    const wide =
      shape.size === hidden ? state : linear(c, 'encoder', 'embeddings_project', state, [shape.size, hidden]);
    return { config, frame, words, hidden, ...encode(c, encoder, frame, wide) };
  },
  heads: {
    ForSequenceClassification: classifyFirst({
      dense: 'classifier.dense',
      activation: () => 'gelu',
      output: 'classifier.out_proj',
    }),
    ForTokenClassification: classifyTokens,
    ForQuestionAnswering: answerQuestions,
    ForMaskedLM: fillMasks({
      dense: 'generator_predictions.dense',
      norm: 'generator_predictions.LayerNorm',
      bias: 'generator_lm_head.bias',
      decoder: 'generator_lm_head',
      activation: () => 'gelu',
    }),
    Model: plainEncoder(),
  },
};
