import { invalidInput } from './input.js';
import type { Assembled } from './tokenizer/template.js';
import type { TextTokenizer } from './tokenizer/tokenizer.js';

/**
 * Tokenizes a text for a task whose pipeline does not cut texts.
 *
 * @param truncation true to cut a text that is too long
 * @throws ModelkeepError `INVALID_INPUT` naming `field` for a text that is too long otherwise
 */
export function encodeWhole(tokenizer: TextTokenizer, text: string, field: string, truncation: boolean): Assembled {
  if (truncation) return tokenizer.encode(text);
  const room = tokenizer.maxTokens - tokenizer.added(false);
  const ids = tokenizer.ids(text, room);
  if (ids.length > room) {
    throw invalidInput(
      field,
      `has more than the ${tokenizer.maxTokens} tokens the model takes; set parameters.truncation`,
    );
  }
  return tokenizer.assemble(ids);
}
