import { checkBert, encodeBert } from './bert.js';
import type { Family } from './family.js';
import { answerQuestions, classifyFirst, classifyTokens, fillMasksAsRoberta, plainEncoder } from './heads.js';

/**
 * RoBERTa: Liu et al., "RoBERTa: A Robustly Optimized BERT Pretraining Approach" (2019). BERT with positions that begin
 * behind the padding id and skip padding, and a classification head of its own.
 */
export const roberta: Family = {
  className: 'Roberta',
  prefix: 'roberta.',
  hasTokenTypes: (config) => config.size('type_vocab_size', 2) > 1,
  check: checkBert,
  encode: (c, config) => encodeBert(c, config, 'skip-padding'),
  heads: {
    ForSequenceClassification: classifyFirst('classifier.dense', 'tanh', 'classifier.out_proj'),
    ForTokenClassification: classifyTokens,
    ForQuestionAnswering: answerQuestions,
    ForMaskedLM: fillMasksAsRoberta,
    Model: plainEncoder,
  },
};
