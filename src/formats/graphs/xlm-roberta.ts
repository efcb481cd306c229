import type { Family } from './family.js';
import { roberta } from './roberta.js';

/**
 * XLM-RoBERTa: Conneau et al., "Unsupervised Cross-lingual Representation Learning at Scale" (2019). RoBERTa's network
 * with another vocabulary, and with RoBERTa's tensor names.
 */
export const xlmRoberta: Family = {
  ...roberta,
  className: 'XLMRoberta',
  defaults: { ...roberta.defaults, vocab_size: 30_522 },
};
