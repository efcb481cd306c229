import { argmax } from './scores.js';

/** How tokens become entities, as `aggregation_strategy` of transformers. */
export type AggregationStrategy = 'none' | 'simple' | 'first' | 'average' | 'max';

/** One token of a text with the probability of each label. */
export interface TokenScores {
  readonly scores: readonly number[];
  /** Place among the tokens of its window, special tokens counted. */
  readonly index: number;
  readonly word: string;
  /** First code point in the text. */
  readonly start: number;
  /** Code point behind the last one. */
  readonly end: number;
  /** True if the token goes on with the word of the one before. */
  readonly isSubword: boolean;
}

interface Span {
  readonly score: number;
  readonly word: string;
  /** First Unicode code point in the text. */
  readonly start: number;
  /** Code point behind the last one. */
  readonly end: number;
}

/** A token with its label: `aggregation_strategy` none. */
export interface TokenEntity extends Span {
  readonly entity: string;
  readonly index: number;
}

/** A run of tokens or words with one label. */
export interface EntityGroup extends Span {
  /** The label without its `B-` or `I-`. */
  readonly entity_group: string;
}

/** What token-classification finds. */
export type Entity = TokenEntity | EntityGroup;

type LabelOf = (id: number) => string;
type Join = (tokens: readonly string[]) => string;
type Labelled = Span & { readonly entity: string };

function runs<T>(items: readonly T[], goesOn: (previous: T, item: T) => boolean): T[][] {
  const groups: T[][] = [];
  for (const item of items) {
    const last = groups.at(-1);
    const previous = last?.at(-1);
    if (last !== undefined && previous !== undefined && goesOn(previous, item)) last.push(item);
    else groups.push([item]);
  }
  return groups;
}

function scoresOfWord(tokens: readonly TokenScores[], strategy: AggregationStrategy): readonly number[] {
  const first = tokens[0]?.scores ?? [];
  if (strategy === 'first') return first;
  if (strategy === 'average') {
    return first.map((_, label) => tokens.reduce((sum, token) => sum + (token.scores[label] ?? 0), 0) / tokens.length);
  }
  let best = first;
  for (const { scores } of tokens) if (Math.max(...scores) > Math.max(...best)) best = scores;
  return best;
}

function labelledWord(
  tokens: readonly TokenScores[],
  strategy: AggregationStrategy,
  labelOf: LabelOf,
  join: Join,
): Labelled {
  const scores = scoresOfWord(tokens, strategy);
  const label = argmax(scores);
  return {
    entity: labelOf(label),
    score: scores[label] ?? 0,
    word: join(tokens.map((token) => token.word)),
    start: tokens[0]?.start ?? 0,
    end: tokens.at(-1)?.end ?? 0,
  };
}

function tagOf(label: string): { readonly begins: boolean; readonly tag: string } {
  return { begins: label.startsWith('B-'), tag: /^[BI]-/.test(label) ? label.slice(2) : label };
}

function groupOf(parts: readonly Labelled[], join: Join): EntityGroup {
  const label = parts[0]?.entity ?? '';
  return {
    entity_group: label.slice(label.indexOf('-') + 1),
    score: parts.reduce((sum, part) => sum + part.score, 0) / parts.length,
    word: join(parts.map((part) => part.word)),
    start: parts[0]?.start ?? 0,
    end: parts.at(-1)?.end ?? 0,
  };
}

/**
 * Tokens to entities, as `TokenClassificationPipeline.aggregate` of transformers does.
 *
 * @param labelOf the label of an id
 * @param join tokens to text, as the tokenizer's decoder does
 */
export function aggregate(
  tokens: readonly TokenScores[],
  strategy: AggregationStrategy,
  labelOf: LabelOf,
  join: Join,
): Entity[] {
  const single = (token: TokenScores): TokenEntity => {
    const label = argmax(token.scores);
    const { index, word, start, end } = token;
    return { entity: labelOf(label), score: token.scores[label] ?? 0, index, word, start, end };
  };
  if (strategy === 'none') return tokens.map(single);
  const labelled: Labelled[] =
    strategy === 'simple'
      ? tokens.map(single)
      : runs(tokens, (_, token) => token.isSubword).map((word) => labelledWord(word, strategy, labelOf, join));
  const sameEntity = (previous: Labelled, next: Labelled): boolean => {
    const { begins, tag } = tagOf(next.entity);
    return !begins && tag === tagOf(previous.entity).tag;
  };
  return runs(labelled, sameEntity).map((parts) => groupOf(parts, join));
}

/**
 * Of entities that overlap, as windows of one text give them, the longest, or of equally long ones the surest
 * (`aggregate_overlapping_entities` of transformers).
 */
export function mergeOverlapping(entities: readonly Entity[]): Entity[] {
  const sorted = entities.toSorted((a, b) => a.start - b.start);
  const merged: Entity[] = [];
  for (const entity of sorted) {
    const previous = merged.at(-1);
    if (previous === undefined || entity.start >= previous.end || entity.start < previous.start) {
      merged.push(entity);
      continue;
    }
    const longer = entity.end - entity.start - (previous.end - previous.start);
    if (longer > 0 || (longer === 0 && entity.score > previous.score)) merged[merged.length - 1] = entity;
  }
  return merged;
}
