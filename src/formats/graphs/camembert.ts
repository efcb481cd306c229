import type { Family } from './family.js';
import { roberta } from './roberta.js';

/** CamemBERT: Martin et al., "CamemBERT: a Tasty French Language Model" (2019). RoBERTa's network and tensor names. */
export const camembert: Family = {
  ...roberta,
  className: 'Camembert',
  defaults: { ...roberta.defaults, vocab_size: 30_522 },
};
