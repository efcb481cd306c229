import { z } from 'zod';
import { paddingOf, type TaskContext, type TaskDefinition } from './definition.js';
import { inOrder, invalidInput, isObject, kindOf, parseParameters, textOf } from './input.js';
import { outputNamed } from './outputs.js';
import { sigmoid } from './scores.js';
import type { PreparedRequest, TaskRequest } from './task.js';
import { ModelkeepError } from '../core/index.js';

/** Schema of the parameters of text-ranking. */
export const TextRankingParametersSchema = z.strictObject({
  raw_scores: z.boolean().default(false).describe('Whether to give logits instead of their logistic function.'),
  return_text: z.boolean().default(false).describe('Whether to repeat the text beside its score.'),
  top_k: z
    .number()
    .int()
    .positive()
    .nullable()
    .optional()
    .describe('How many texts to give, best first. Default: all.'),
});

/** Parameters of text-ranking, as asked. */
export type TextRankingParameters = z.input<typeof TextRankingParametersSchema>;

/** A query and the texts to be ranked by it. */
export interface TextRankingInput {
  readonly query: string;
  readonly texts: readonly string[];
}

/** A text, by its place in `texts`, with its score. */
export interface RankedText {
  readonly index: number;
  readonly score: number;
  readonly text?: string;
}

/** The texts by falling score. */
export type TextRankingOutput = readonly RankedText[];

async function prepare(
  { tokenizer }: TaskContext,
  { inputs, parameters: asked }: TaskRequest,
): Promise<PreparedRequest> {
  const parameters = parseParameters(TextRankingParametersSchema, asked);
  if (!isObject(inputs)) throw invalidInput('inputs', `must be {query, texts}, not ${kindOf(inputs)}`);
  const query = textOf(inputs['query'], 'inputs.query');
  const { texts: given } = inputs;
  if (!Array.isArray(given)) throw invalidInput('inputs.texts', `must be a list, not ${kindOf(given)}`);
  const texts = given.map((each: unknown, i) => textOf(each, `inputs.texts[${i}]`));
  return {
    encodings: await inOrder(texts, (text) => tokenizer.encode(query, text)),
    finish: (outputs): TextRankingOutput => {
      const ranked = texts.map((text, index): RankedText => {
        const logit = outputNamed(outputs[index], 'logits').data[0] ?? 0;
        const score = parameters.raw_scores ? logit : sigmoid(logit);
        return parameters.return_text ? { index, score, text } : { index, score };
      });
      return ranked.toSorted((a, b) => b.score - a.score).slice(0, parameters.top_k ?? undefined);
    },
  };
}

/** Ranks texts by a query with a cross-encoder: a model of pairs with one label. */
export const textRanking: TaskDefinition = {
  name: 'text-ranking',
  summary: 'Ranks texts by how well they answer a query.',
  parameters: TextRankingParametersSchema,
  open: (context) => {
    const labels = context.config.labels?.length ?? 1;
    if (labels !== 1) {
      throw new ModelkeepError(
        'UNSUPPORTED_FORMAT',
        `Text ranking needs a model with one label, and this has ${labels}; publish with --task text-classification`,
      );
    }
    return {
      name: 'text-ranking',
      ...paddingOf(context.tokenizer),
      prepare: (request) => prepare(context, request),
    };
  },
};
