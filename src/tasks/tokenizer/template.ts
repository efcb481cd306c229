import type { Encoding } from '../task.js';
import type { Library } from './library.js';

/** A run of special tokens, or the place of a sequence, in the order in which the post-processor puts them. */
type Part =
  | { readonly sequence: 'a' | 'b'; readonly typeId: number }
  | { readonly id: number; readonly typeId: number };

/** What wraps the tokens of one text, or of a pair: `[CLS] A [SEP] B [SEP]`. */
export interface Template {
  readonly parts: readonly Part[];
  /** Number of special tokens it adds. */
  readonly added: number;
  /** False if the post-processor gives no segment ids. */
  readonly hasTypeIds: boolean;
}

// Private-use text that no vocabulary holds marks where the sequences go.
const MARK_A = '\u{F0000}a';
const MARK_B = '\u{F0000}b';

/** Learns the template of a post-processor by wrapping two marks. */
export function templateOf(post: Library['post_processor'], pair: boolean, idOf: (token: string) => number): Template {
  const wrapped = post?.([MARK_A], pair ? [MARK_B] : null, true) ?? { tokens: pair ? [MARK_A, MARK_B] : [MARK_A] };
  const parts = wrapped.tokens.map((token, i): Part => {
    const typeId = wrapped.token_type_ids?.[i] ?? 0;
    if (token === MARK_A) return { sequence: 'a', typeId };
    return token === MARK_B ? { sequence: 'b', typeId } : { id: idOf(token), typeId };
  });
  const added = parts.filter((part) => 'id' in part).length;
  return { parts, added, hasTypeIds: wrapped.token_type_ids !== undefined };
}

/** An encoding with the places of its sequences. */
export interface Assembled extends Encoding {
  /** Index of the first token of the first sequence. */
  readonly startA: number;
  /** Index of the first token of the second sequence; the number of ids where there is none. */
  readonly startB: number;
}

/** Puts token ids into a template. */
export function assemble(
  template: Template,
  a: readonly number[],
  b: readonly number[],
  withTypeIds: boolean,
): Assembled {
  const ids: number[] = [];
  const typeIds: number[] = [];
  let startA = 0;
  let startB: number | undefined;
  for (const part of template.parts) {
    if ('id' in part) {
      ids.push(part.id);
      typeIds.push(part.typeId);
      continue;
    }
    if (part.sequence === 'a') startA = ids.length;
    else startB = ids.length;
    for (const id of part.sequence === 'a' ? a : b) {
      ids.push(id);
      typeIds.push(part.typeId);
    }
  }
  return { ids, startA, startB: startB ?? ids.length, ...(withTypeIds && template.hasTypeIds && { typeIds }) };
}
