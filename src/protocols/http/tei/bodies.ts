import { z } from 'zod';

/** Most texts of one request. The original's default is 32; its own setting goes far beyond. */
export const MAX_BATCH = 2_048;

const text = z.string();
const ids = z.array(z.number().int().nonnegative());
const truncate = z.boolean().nullish().describe('Whether to cut a text that is too long instead of refusing it.');
const direction = z
  .string()
  .transform((value) => value.toLowerCase())
  .pipe(z.enum(['left', 'right']))
  .nullish()
  .describe('The end at which a text is cut: right, or left.');
const promptName = z.string().nullish().describe('Name of a prompt of the model that goes before each text.');
const model = z.string().min(1).nullish().describe('Which model is asked, where neither path nor header say it.');

const common = { truncate, truncation_direction: direction, model };
const inputs = z.union([text, z.array(text), ids, z.array(ids)]);

/** Body of `/embed`. */
export const embedBody = z.object({
  inputs,
  ...common,
  prompt_name: promptName,
  normalize: z.boolean().nullish().describe('Whether vectors get length 1. Default: true.'),
  dimensions: z.number().int().positive().nullish().describe('How many of the first numbers of each vector to give.'),
});

/** Body of `/embed_all` and `/embed_sparse`. */
export const embedTokensBody = z.object({ inputs, ...common, prompt_name: promptName });

/** Body of `/rerank`. */
export const rerankBody = z.object({
  query: text,
  texts: z.array(text),
  ...common,
  raw_scores: z.boolean().nullish().describe('Whether to give logits instead of their logistic function.'),
  return_text: z.boolean().nullish().describe('Whether to repeat the text beside its score.'),
});

/** Body of `/predict`: a text, a pair, or a batch of one-element and two-element lists. */
export const predictBody = z.object({
  inputs: z.union([text, z.array(text).max(2), z.array(z.array(text).min(1).max(2))]),
  ...common,
  raw_scores: z.boolean().nullish().describe('Whether to give logits instead of scores.'),
});

/** Body of `/similarity`. */
export const similarityBody = z.object({
  inputs: z.object({ source_sentence: text, sentences: z.array(text) }),
  parameters: z.object({ truncate, truncation_direction: direction, prompt_name: promptName }).nullish(),
  model,
});

/** Body of `/tokenize`. */
export const tokenizeBody = z.object({
  inputs: z.union([text, z.array(text)]),
  add_special_tokens: z.boolean().nullish().describe('Default: true.'),
  prompt_name: promptName,
  model,
});

/** Body of `/decode`. */
export const decodeBody = z.object({
  ids: z.union([ids, z.array(ids)]),
  skip_special_tokens: z.boolean().nullish().describe('Default: true.'),
  model,
});
