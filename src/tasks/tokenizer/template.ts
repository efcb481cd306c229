import { ModelkeepError } from '../../core/index.js';
import type { Encoding } from '../task.js';
import type { Library } from './library.js';

/** A special token, or the place of a sequence, in the order in which the post-processor puts them. */
type Part =
  | { readonly sequence: 'a' | 'b'; readonly typeId: number }
  | { readonly id: number; readonly typeId: number };

/** What wraps the tokens of one text, or of a pair: `[CLS] A [SEP] B [SEP]`. */
export interface Template {
  readonly parts: readonly Part[];
  /** Number of special tokens it adds. */
  readonly added: number;
}

/** Texts of which at least one gives a token, whatever a normaliser takes out. */
const PROBES = ['a', 'A', '1', '.', '一', 'か', 'я', 'ا'];

/** Learns what the post-processor puts around one text, or around a pair, from what it does to a short one. */
export async function templateOf(library: Library, pair: boolean): Promise<Template> {
  for (const probe of PROBES) {
    const encoding = await library.encode(probe, pair ? probe : null, { addSpecialTokens: true });
    const sequences = encoding.getSequenceIds();
    if (!sequences.includes(0) || (pair && !sequences.includes(1))) continue;
    const ids = encoding.getIds();
    const typeIds = encoding.getTypeIds();
    const parts: Part[] = [];
    sequences.forEach((sequence, at) => {
      const typeId = typeIds[at] ?? 0;
      if (typeof sequence !== 'number') parts.push({ id: ids[at] ?? 0, typeId });
      // A probe of several tokens is one sequence.
      else if (sequences[at - 1] !== sequence) parts.push({ sequence: sequence === 0 ? 'a' : 'b', typeId });
    });
    return { parts, added: parts.filter((part) => 'id' in part).length };
  }
  throw new ModelkeepError(
    'INVALID_ARTIFACT',
    `tokenizer.json gives no token for any of ${PROBES.join(' ')}. Save the tokenizer with its vocabulary`,
  );
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
  return { ids, startA, startB: startB ?? ids.length, ...(withTypeIds && { typeIds }) };
}
