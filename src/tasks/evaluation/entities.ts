import type { EntityGroup } from '../entities.js';
import { invalidInput, isObject, kindOf } from '../input.js';
import { f1Of } from '../metrics/classification.js';
import { strictSpans } from '../metrics/entity-f1.js';
import { pairedBootstrapOf, requireSameLength, type Statistic } from '../metrics/paired.js';
import type { DataRow } from '../rows.js';
import { byBootstrap, everyPlace, textField, type TaskEvaluation } from './evaluation.js';

/** Where the words of an example lie in its text, in code points; absent for entities given by offsets. */
interface Expected {
  readonly spans: ReadonlySet<string>;
  readonly words?: readonly { readonly start: number; readonly end: number }[];
}

interface EntityOutcome {
  readonly right: number;
  readonly given: number;
  readonly wanted: number;
}

const keyOf = (start: number, end: number, type: string): string => `${start} ${end} ${type}`;

function stringsOf(row: DataRow, field: string): readonly string[] {
  const value = row[field];
  if (!Array.isArray(value)) throw invalidInput(field, `must be a list, not ${kindOf(value)}`);
  return value.map((each: unknown, i) => {
    if (typeof each !== 'string') throw invalidInput(`${field}[${i}]`, `must be a text, not ${kindOf(each)}`);
    return each;
  });
}

function taggedWords(row: DataRow): { readonly text: string; readonly expected: Expected } {
  const tokens = stringsOf(row, 'tokens');
  const tags = stringsOf(row, 'tags');
  if (tokens.length !== tags.length) {
    throw invalidInput('tags', `has ${tags.length} tags for ${tokens.length} tokens; give one for each`);
  }
  let at = 0;
  const words = tokens.map((token) => {
    const start = at;
    const end = start + Array.from(token).length;
    at = end + 1;
    return { start, end };
  });
  const spans = strictSpans(tags).map(({ type, start, end }) => keyOf(start, end, type));
  return { text: tokens.join(' '), expected: { spans: new Set(spans), words } };
}

function offsetEntities(row: DataRow): { readonly text: string; readonly expected: Expected } {
  const { entities } = row;
  if (!Array.isArray(entities)) throw invalidInput('entities', `must be a list, not ${kindOf(entities)}`);
  const spans = entities.map((each: unknown, i) => {
    const { start, end, entity_group, label } = isObject(each) ? each : {};
    const type = entity_group ?? label;
    if (typeof start !== 'number' || typeof end !== 'number' || typeof type !== 'string') {
      throw invalidInput(`entities[${i}]`, 'must be {start, end, entity_group}, start and end in code points');
    }
    return keyOf(start, end, type);
  });
  return { text: textField(row, 'text'), expected: { spans: new Set(spans) } };
}

/** Groups as spans of words, as the tags of the words under them would give: an entity takes the words it touches. */
function overWords(groups: readonly EntityGroup[], words: NonNullable<Expected['words']>): Set<string> {
  const keys = groups.flatMap(({ start, end, entity_group: type }) => {
    const touched = words.flatMap((word, i) => (word.start < end && word.end > start ? [i] : []));
    const [first] = touched;
    const last = touched.at(-1);
    return first === undefined || last === undefined ? [] : [keyOf(first, last, type)];
  });
  return new Set(keys);
}

function figuresOf(
  outcomes: readonly EntityOutcome[],
  sample: Uint32Array,
): Record<'precision' | 'recall' | 'f1', number> {
  let right = 0;
  let given = 0;
  let wanted = 0;
  for (const place of sample) {
    right += outcomes[place]?.right ?? 0;
    given += outcomes[place]?.given ?? 0;
    wanted += outcomes[place]?.wanted ?? 0;
  }
  const precision = given === 0 ? 0 : right / given;
  const recall = wanted === 0 ? 0 : right / wanted;
  return { precision, recall, f1: f1Of(precision, recall) };
}

const f1Over =
  (outcomes: readonly EntityOutcome[]): Statistic =>
  (sample) =>
    figuresOf(outcomes, sample).f1;

/** Entity F1 as seqeval has it: of `tokens` and BIO `tags`, or of `text` and `entities` with offsets. */
export const evaluateEntities: TaskEvaluation<Expected, EntityOutcome> = {
  figure: 'f1',
  parameters: { aggregation_strategy: 'first' },
  example: (row) => {
    const { text, expected } = row['tokens'] === undefined ? offsetEntities(row) : taggedWords(row);
    return { inputs: text, expected };
  },
  outcome: ({ spans, words }, output) => {
    const groups = (output as readonly EntityGroup[]).filter(({ entity_group: type }) => type !== 'O');
    const given =
      words === undefined
        ? new Set(groups.map(({ start, end, entity_group: type }) => keyOf(start, end, type)))
        : overWords(groups, words);
    return { right: [...given].filter((key) => spans.has(key)).length, given: given.size, wanted: spans.size };
  },
  loss: ({ right, given, wanted }) => (given + wanted === 0 ? 0 : 1 - (2 * right) / (given + wanted)),
  measure: (outcomes) => ({ figures: figuresOf(outcomes, everyPlace(outcomes)) }),
  compare: (first, second) => {
    requireSameLength(first, second);
    return byBootstrap('f1', pairedBootstrapOf(first.length, f1Over(first), f1Over(second)));
  },
};
