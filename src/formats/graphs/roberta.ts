import { checkBert, encodeBert } from './bert.js';
import { BASE_SIZES, layersNamed, type Family } from './family.js';
import { answerQuestions, classifyAsRoberta, classifyTokens, fillMasksAsRoberta, plainEncoder } from './heads.js';

/** Layers of RoBERTa's masked language model; its bias by itself counts as one. */
export const LAYERS_OF_LM_HEAD = ['lm_head', 'lm_head.dense', 'lm_head.layer_norm', 'lm_head.decoder'];

/**
 * RoBERTa: Liu et al., "RoBERTa: A Robustly Optimized BERT Pretraining Approach" (2019). BERT with positions that begin
 * behind the padding id and skip padding, and a classification head of its own.
 */
export const roberta: Family = {
  className: 'Roberta',
  names: {
    prefix: 'roberta.',
    roots: ['embeddings', 'encoder', 'pooler'],
    words: 'embeddings.word_embeddings.weight',
    mark: 'encoder.layer.0.attention.self.query.weight',
    decoder: 'lm_head.decoder',
    pooler: 'pooler.dense',
    beside: layersNamed(...LAYERS_OF_LM_HEAD, 'classifier.dense', 'classifier.out_proj', 'classifier', 'qa_outputs'),
  },
  defaults: { ...BASE_SIZES, vocab_size: 50_265, pad_token_id: 1 },
  hasTokenTypes: (config) => config.size('type_vocab_size', 2) > 1,
  check: checkBert,
  encode: (c, config) => encodeBert(c, config, 'skip-padding'),
  heads: {
    ForSequenceClassification: classifyAsRoberta,
    ForTokenClassification: classifyTokens,
    ForQuestionAnswering: answerQuestions,
    ForMaskedLM: fillMasksAsRoberta,
    Model: plainEncoder('pooler.dense'),
  },
};
