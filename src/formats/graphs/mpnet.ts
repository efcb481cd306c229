import { bertEncoder } from './bert.js';
import { encode } from './blocks.js';
import type { Checkpoint } from './checkpoint.js';
import type { ModelConfig } from './config.js';
import { byDistance } from './distances.js';
import { embed, embeddingShape } from './embeddings.js';
import { BASE_SIZES, layersNamed, type Family } from './family.js';
import { frameOf } from './frame.js';
import { answerQuestions, classifyAsRoberta, classifyTokens, fillMasksAsRoberta, plainEncoder } from './heads.js';
import { LAYERS_OF_LM_HEAD } from './roberta.js';

/** transformers reckons with 32 buckets and distances to 128 whatever config.json says. */
const BUCKETS = 32;
const FARTHEST = 128;

/** transformers fixes MPNet's padding id, behind which positions begin. */
const PAD_ID = 1;

/**
 * The bucket of a distance, as T5 has it (Raffel et al. 2019, section 2.1): half of the buckets look ahead; near
 * distances have one each, farther ones share them logarithmically. Rounded to float32 at each step as PyTorch does,
 * since a quotient that just reaches a whole number decides the bucket.
 */
export function mpnetBucket(distance: number): number {
  const half = BUCKETS / 2;
  const ahead = distance > 0 ? half : 0;
  const far = Math.abs(distance);
  const exact = half / 2;
  if (far < exact) return ahead + far;
  const ratio = Math.fround(Math.fround(Math.log(Math.fround(far / exact))) / Math.fround(Math.log(FARTHEST / exact)));
  return ahead + Math.min(half - 1, exact + Math.trunc(Math.fround(ratio * (half - exact))));
}

/** float32 [1, heads, sequence, sequence], shared by all layers. */
function positionBias(c: Checkpoint, config: ModelConfig, heads: number): string {
  const table = c.encoder('encoder.relative_attention_bias.weight', [BUCKETS, heads]);
  const buckets = byDistance(c, 'distance_buckets', config.distances, mpnetBucket);
  const values = c.writer.node('Gather', [table, buckets]);
  const split = c.writer.node('Transpose', [values], { perm: { ints: [2, 0, 1] } });
  return c.writer.node('Unsqueeze', [split, c.writer.ints([0])]);
}

/**
 * MPNet: Song et al., "MPNet: Masked and Permuted Pre-training for Language Understanding" (2020). RoBERTa without token
 * types, and with a learned number for each head and distance of two tokens that all layers share.
 */
export const mpnet: Family = {
  className: 'MPNet',
  names: {
    prefix: 'mpnet.',
    roots: ['embeddings', 'encoder', 'pooler'],
    words: 'embeddings.word_embeddings.weight',
    mark: 'encoder.layer.0.attention.attn.q.weight',
    decoder: 'lm_head.decoder',
    pooler: 'pooler.dense',
    beside: layersNamed(...LAYERS_OF_LM_HEAD, 'classifier.dense', 'classifier.out_proj', 'classifier', 'qa_outputs'),
  },
  defaults: { ...BASE_SIZES, vocab_size: 30_527 },
  hasTokenTypes: () => false,
  check: (config) => config.only('relative_attention_num_buckets', [BUCKETS]),
  encode: (c, config) => {
    const shape = { ...embeddingShape(config, 'skip-padding'), types: 0, padId: PAD_ID };
    const base = bertEncoder(config);
    const frame = frameOf(c.writer, base.heads);
    const { state, words } = embed(c, shape, frame);
    const bias = positionBias(c, config, base.heads);
    const encoder = {
      ...base,
      names: {
        ...base.names,
        query: 'attention.attn.q',
        key: 'attention.attn.k',
        value: 'attention.attn.v',
        attentionOutput: 'attention.attn.o',
        attentionNorm: 'attention.LayerNorm',
      },
      relative: () => bias,
    };
    return { config, frame, words, hidden: base.hidden, ...encode(c, encoder, frame, state) };
  },
  heads: {
    ForSequenceClassification: classifyAsRoberta,
    ForTokenClassification: classifyTokens,
    ForQuestionAnswering: answerQuestions,
    ForMaskedLM: fillMasksAsRoberta,
    Model: plainEncoder('pooler.dense'),
  },
};
