type Parameters = Readonly<Record<string, unknown>>;

/** Parameters in the words of today. */
export interface CurrentParameters {
  readonly parameters: Parameters;
  /** Old words that were used, as sentences that name the new ones. */
  readonly deprecated: readonly string[];
}

/** Of these, null is a value: all of something. Everywhere else it means that nothing was said. */
const NULL_MEANS_ALL: ReadonlySet<string> = new Set(['top_k', 'topk']);

/** An old word, and the word of today with its value; undefined to leave it out. */
interface OldWord {
  readonly old: string;
  readonly now: string;
  readonly value?: (old: unknown, all: Parameters) => unknown;
}

/** As `TokenClassificationPipeline` of transformers 4 reads its two former switches. */
function strategyOf(all: Parameters): string {
  if (all['grouped_entities'] !== true) return 'none';
  return all['ignore_subwords'] === true ? 'first' : 'simple';
}

const OLD_WORDS: Readonly<Record<string, readonly OldWord[]>> = {
  'token-classification': [
    { old: 'grouped_entities', now: 'aggregation_strategy', value: (_, all) => strategyOf(all) },
    { old: 'ignore_subwords', now: 'aggregation_strategy', value: (_, all) => strategyOf(all) },
  ],
  'question-answering': [{ old: 'topk', now: 'top_k', value: (old, all) => all['top_k'] ?? old }],
  'zero-shot-classification': [{ old: 'multi_class', now: 'multi_label' }],
  'fill-mask': [{ old: 'topk', now: 'top_k', value: (old, all) => all['top_k'] ?? old }],
};

/** Arguments of a tokenizer that come in an object of their own, as two pipelines take them. */
const NESTED: Readonly<Record<string, string>> = {
  'fill-mask': 'tokenizer_kwargs',
  'feature-extraction': 'tokenize_kwargs',
};

/** Parameters that the pipelines take and that say nothing about an answer in JSON. */
const WITHOUT_MEANING: ReadonlySet<string> = new Set([
  'return_tensors',
  'return_token_type_ids',
  'return_attention_mask',
  'pad_to_multiple_of',
  'batch_size',
  'num_workers',
]);

/**
 * Translates the parameters of a request into the words of today, as the pipelines of transformers do: former names, a
 * tokenizer's arguments in an object of their own, and nulls, which stand for what was not said.
 */
export function currentParameters(task: string | undefined, given: Parameters | undefined): CurrentParameters {
  if (given === undefined) return { parameters: {}, deprecated: [] };
  const parameters: Record<string, unknown> = {};
  const nested = task === undefined ? undefined : NESTED[task];
  for (const [name, value] of Object.entries(given)) {
    if (WITHOUT_MEANING.has(name) || (value === null && !NULL_MEANS_ALL.has(name))) continue;
    if (name === nested && typeof value === 'object' && value !== null) {
      for (const [inner, one] of Object.entries(value)) if (one !== null) parameters[inner] = one;
    } else parameters[name] = value;
  }
  const said = { ...parameters };
  const deprecated: string[] = [];
  for (const { old, now, value } of (task === undefined ? undefined : OLD_WORDS[task]) ?? []) {
    if (!Object.hasOwn(said, old)) continue;
    delete parameters[old];
    parameters[now] = value === undefined ? said[old] : value(said[old], said);
    deprecated.push(`parameters.${old} is called ${now} now`);
  }
  if (Object.hasOwn(said, 'return_all_scores')) {
    deprecated.push('parameters.return_all_scores is called top_k now: null for all labels');
  }
  return { parameters, deprecated };
}
