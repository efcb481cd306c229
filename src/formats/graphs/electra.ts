import { bertEncoder, checkBert } from './bert.js';
import { encode, linear } from './blocks.js';
import { embed, embeddingShape } from './embeddings.js';
import type { Family } from './family.js';
import { frameOf } from './frame.js';
import { answerQuestions, classifyFirst, classifyTokens, fillMasks, plainEncoder } from './heads.js';

/**
 * ELECTRA: Clark et al., "ELECTRA: Pre-training Text Encoders as Discriminators Rather Than Generators" (2020). BERT
 * without a pooler, whose embeddings may be narrower than its layers and are projected then.
 */
export const electra: Family = {
  className: 'Electra',
  prefix: 'electra.',
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
    ForSequenceClassification: classifyFirst('classifier.dense', 'gelu', 'classifier.out_proj'),
    ForTokenClassification: classifyTokens,
    ForQuestionAnswering: answerQuestions,
    ForMaskedLM: fillMasks({
      dense: 'generator_predictions.dense',
      norm: 'generator_predictions.LayerNorm',
      bias: 'generator_lm_head.bias',
      decoder: 'generator_lm_head.weight',
      activation: 'gelu',
    }),
    Model: plainEncoder,
  },
};
