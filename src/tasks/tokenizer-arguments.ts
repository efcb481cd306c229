import { z } from 'zod';
import type { EncodeOptions } from './tokenizer/tokenizer.js';

/** Arguments of a tokenizer that the pipelines of transformers hand on to it. */
export const TOKENIZER_ARGUMENTS = {
  truncation: z
    .union([z.boolean(), z.enum(['longest_first', 'only_first', 'only_second', 'do_not_truncate'])])
    .optional()
    .describe('Whether to cut what is too long instead of refusing it, or which text of a pair gives way.'),
  max_length: z
    .number()
    .int()
    .positive()
    .max(1_000_000)
    .optional()
    .describe('Most tokens of a sequence, special ones included; no more than the model takes. A longer one is cut.'),
  truncation_direction: z
    .enum(['right', 'left', 'Right', 'Left'])
    .transform((side) => side.toLowerCase() as 'right' | 'left')
    .optional()
    .describe('The end at which a text is cut. Default: what the tokenizer says.'),
  padding: z
    .union([z.boolean(), z.enum(['longest', 'max_length', 'do_not_pad'])])
    .optional()
    .describe('Accepted for compatibility: an answer never depends on padding.'),
  add_special_tokens: z
    .boolean()
    .optional()
    .describe('Whether the tokens that the model expects around a text are put there. Default: true.'),
};

const Arguments = z.object(TOKENIZER_ARGUMENTS);

/** How one request is tokenized. */
export interface Tokenizing extends EncodeOptions {
  /** False to refuse what is too long. */
  readonly truncate: boolean;
}

/**
 * What the arguments say together. As in transformers, a `max_length` cuts unless `truncation` says otherwise.
 *
 * @param truncates what holds where neither is given
 */
export function tokenizingOf(given: z.output<typeof Arguments>, truncates: boolean): Tokenizing {
  const { truncation = given.max_length === undefined ? truncates : true } = given;
  return {
    truncate: truncation !== false && truncation !== 'do_not_truncate',
    maxTokens: given.max_length,
    strategy: typeof truncation === 'string' && truncation !== 'do_not_truncate' ? truncation : undefined,
    side: given.truncation_direction,
    special: given.add_special_tokens,
  };
}
