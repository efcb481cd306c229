import { invalidInput, tooLong } from './input.js';
import type { Tokenizing } from './tokenizer-arguments.js';
import type { Assembled } from './tokenizer/template.js';
import type { TextTokenizer } from './tokenizer/tokenizer.js';

/**
 * Tokenizes a text, or a pair, for a task that may be told not to cut texts.
 *
 * @throws ModelkeepError `INVALID_INPUT` naming `field` for what is too long and may not be cut, or has no token
 */
export async function encodeWhole(
  tokenizer: TextTokenizer,
  texts: readonly [text: string, pair?: string],
  field: string,
  { truncate, ...options }: Tokenizing,
): Promise<Assembled> {
  const [text, pair] = texts;
  if (truncate) return withTokens(await tokenizer.encode(text, pair, options), field);
  const room = tokenizer.maxTokens - (options.special === false ? 0 : tokenizer.added(pair !== undefined));
  const [ids, pairIds] = await Promise.all([
    tokenizer.ids(text, room),
    pair === undefined ? undefined : tokenizer.ids(pair, room),
  ]);
  if (ids.length + (pairIds?.length ?? 0) > room) throw tooLong(field, tokenizer.maxTokens);
  return withTokens(tokenizer.assemble(ids, pairIds, options.special), field);
}

function withTokens(encoding: Assembled, field: string): Assembled {
  if (encoding.ids.length > 0) return encoding;
  throw invalidInput(field, 'has no token: give a text, or leave parameters.add_special_tokens out');
}
