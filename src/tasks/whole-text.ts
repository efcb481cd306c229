import { invalidInput } from './input.js';
import type { Assembled } from './tokenizer/template.js';
import type { TextTokenizer } from './tokenizer/tokenizer.js';

/**
 * Tokenizes a text, or a pair, for a task that may be told not to cut texts.
 *
 * @param truncation true to cut what is too long
 * @throws ModelkeepError `INVALID_INPUT` naming `field` for what is too long otherwise
 */
export async function encodeWhole(
  tokenizer: TextTokenizer,
  texts: readonly [text: string, pair?: string],
  field: string,
  truncation: boolean,
): Promise<Assembled> {
  const [text, pair] = texts;
  if (truncation) return tokenizer.encode(text, pair);
  const room = tokenizer.maxTokens - tokenizer.added(pair !== undefined);
  const [ids, pairIds] = await Promise.all([
    tokenizer.ids(text, room),
    pair === undefined ? undefined : tokenizer.ids(pair, room),
  ]);
  if (ids.length + (pairIds?.length ?? 0) > room) {
    throw invalidInput(
      field,
      `has more than the ${tokenizer.maxTokens} tokens the model takes; set parameters.truncation`,
    );
  }
  return tokenizer.assemble(ids, pairIds);
}
