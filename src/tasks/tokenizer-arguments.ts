import { z } from 'zod';
import { invalidInput } from './input.js';
import type { EncodeOptions } from './tokenizer/tokenizer.js';

const truncate = z
  .boolean()
  .optional()
  .describe('Another name of truncation, as Text Embeddings Inference has it: true or false.');
const truncationDirection = z
  .enum(['right', 'left', 'Right', 'Left'])
  .transform((side) => side.toLowerCase() as 'right' | 'left')
  .optional()
  .describe('The end at which a text is cut. Default: what the tokenizer says.');

/** How texts are cut by the tasks of sentence-transformers, which take no other argument of a tokenizer. */
export const TEXT_CUTTING = {
  truncate: z
    .boolean()
    .optional()
    .describe('Whether to cut a text that is too long instead of refusing it. Default: true.'),
  truncation: z
    .union([z.boolean(), z.enum(['longest_first', 'only_first', 'do_not_truncate'])])
    .optional()
    .describe('Another name of truncate, as the tokenizers of transformers have it.'),
  truncation_direction: truncationDirection,
};

/** Arguments of a tokenizer that the pipelines of transformers hand on to it. */
export const TOKENIZER_ARGUMENTS = {
  truncation: z
    .union([z.boolean(), z.enum(['longest_first', 'only_first', 'only_second', 'do_not_truncate'])])
    .optional()
    .describe('Whether to cut what is too long instead of refusing it, or which text of a pair gives way.'),
  truncate,
  max_length: z
    .number()
    .int()
    .positive()
    .max(1_000_000)
    .optional()
    .describe('Most tokens of a sequence, special ones included; no more than the model takes. A longer one is cut.'),
  truncation_direction: truncationDirection,
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
type Given = z.output<typeof Arguments>;

/** How one request is tokenized. */
export interface Tokenizing extends EncodeOptions {
  /** False to refuse what is too long. */
  readonly truncate: boolean;
}

/**
 * Whether the arguments ask to cut what is too long. As in transformers, a `max_length` cuts unless they say otherwise.
 *
 * @throws ModelkeepError `INVALID_INPUT` where `truncate` and `truncation` say opposite things
 */
function cuts({ truncate: said, truncation, max_length: longest }: Given, usual: boolean): boolean {
  const other = truncation === undefined ? undefined : truncation !== false && truncation !== 'do_not_truncate';
  if (said !== undefined && other !== undefined && said !== other) {
    throw invalidInput('parameters.truncate', `is ${said}, but truncation is ${truncation}: give one of them`);
  }
  return said ?? other ?? (longest === undefined ? usual : true);
}

/**
 * What the arguments say together.
 *
 * @param truncates what holds where none of them says it
 * @throws ModelkeepError `INVALID_INPUT` for arguments that contradict each other
 */
export function tokenizingOf(given: Given, truncates: boolean): Tokenizing {
  const { truncation } = given;
  return {
    truncate: cuts(given, truncates),
    maxTokens: given.max_length,
    strategy: typeof truncation === 'string' && truncation !== 'do_not_truncate' ? truncation : undefined,
    side: given.truncation_direction,
    special: given.add_special_tokens,
  };
}
