/** Longest word that is compared: what is longer is no slip of the pen, and comparing takes its square. */
const MAX_LENGTH = 64;

/** Letters alone, so that `topK`, `top-k` and `top_k` are one word. */
const lettersOf = (word: string): string => word.toLowerCase().replaceAll(/[_\-.\s]/g, '');

/** The least number of letters to add, drop, replace or swap with the next, that turns one word into the other. */
function distance(a: string, b: string): number {
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      const steps = [(row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, (row[j - 1] ?? 0) + (same ? 0 : 1)];
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) steps.push((before[j - 2] ?? 0) + 1);
      next.push(Math.min(...steps));
    }
    [before, row] = [row, next];
  }
  return row[b.length] ?? 0;
}

/** The known word that somebody meant who wrote another one: the one with the fewest slips, if they are few. */
export function nearestWord(word: string, known: Iterable<string>): string | undefined {
  if (word.length > MAX_LENGTH) return undefined;
  const letters = lettersOf(word);
  let nearest: string | undefined;
  // A slip in every third letter, and one in a short word.
  let least = Math.max(1, Math.floor(letters.length / 3)) + 1;
  for (const each of known) {
    const other = lettersOf(each);
    if (other.length > MAX_LENGTH || Math.abs(other.length - letters.length) >= least) continue;
    const steps = distance(letters, other);
    // A word of one or two letters that shares none with another is not that word.
    if (steps >= least || steps >= Math.max(letters.length, other.length)) continue;
    [nearest, least] = [each, steps];
  }
  return nearest;
}

/** The end of a sentence about a word that is not known: `; did you mean "top_k"?`, or nothing. */
export function didYouMean(word: string, known: Iterable<string>): string {
  const nearest = nearestWord(word, known);
  return nearest === undefined ? '' : `; did you mean "${nearest}"?`;
}

/** What a schema says of fields that it does not have, as far as {@link unknownFields} reads it. */
interface SchemaIssue {
  readonly code?: string | undefined;
  readonly keys?: readonly string[] | undefined;
  readonly inst?: unknown;
}

/** Names of the fields of the schema that found an issue. */
function fieldsOf(schema: unknown): readonly string[] {
  const { shape } = (schema ?? {}) as { readonly shape?: object };
  return Object.keys(shape ?? {});
}

/**
 * For `safeParse`: the message for fields that a strict schema does not have, with the one that may have been meant.
 * Other issues keep the message of the schema.
 */
export function unknownFields({ code, keys = [], inst }: SchemaIssue): string | undefined {
  const [first] = keys;
  if (code !== 'unrecognized_keys' || first === undefined) return undefined;
  const shown = keys.map((key) => JSON.stringify(key.slice(0, 100))).join(', ');
  return `there is no ${shown}${didYouMean(first, fieldsOf(inst))}`;
}
