import { ModelkeepError, type TensorInfo, type TensorType } from '../../core/index.js';

/**
 * What a graph's input is fed of a text: ids of tokens, 1 for each token and 0 for filling, segment ids, places of
 * tokens, the number of tokens of each row, or the number of the row itself.
 */
export const INPUT_ROLES = Object.freeze(['ids', 'mask', 'types', 'positions', 'lengths', 'rows'] as const);

/** One of {@link INPUT_ROLES}. */
export type InputRole = (typeof INPUT_ROLES)[number];

/** Types that an input of a text model may have. */
export type FedType = Exclude<TensorType, 'string'>;

/** An input of a text model, and what it is fed. */
export interface TextInput {
  readonly name: string;
  readonly type: FedType;
  readonly role: InputRole;
}

/** How a graph takes texts. */
export interface TextInputs {
  readonly inputs: readonly TextInput[];
  /** Rows of every run, where the graph fixes them. */
  readonly rows?: number | undefined;
  /** Length to which every row is filled up, where the graph fixes it. */
  readonly length?: number | undefined;
}

/** Names that exporters and frameworks give, each in lower case and with `_` between its words. */
const NAMES: readonly (readonly [RegExp, InputRole])[] = [
  [/^(input_?)?(word_|token_|text_)?(ids?|tokens?|token_ids)$/, 'ids'],
  [/^(input_word_ids|input_tokens?|tokens_tensor|indexed_tokens)$/, 'ids'],
  [/^(attention|attn|att|input|token|text)?_?masks?$/, 'mask'],
  [/^(token_)?(type|segment|seg)(_?ids?|s)$/, 'types'],
  [/^(input_type_ids|input_segments?|segments?_tensors?|token_types?|segments?)$/, 'types'],
  [/^(position|pos)(_?ids|itions|s)?$/, 'positions'],
  [/^(input_|seq_|sequence_|text_)?(lengths?|lens?)$/, 'lengths'],
  [/^unique_ids?(_raw_output)?$/, 'rows'],
];

/** Names that say nothing: taken for the ids where there is one such input and no other that is named so. */
const ANY_NAME = /^(inputs?|x|text|sequences?|source)?_?\d*$/;

/** Roles of which a graph may lack none, or has one for each row and not for each token. */
const OF_ROWS: ReadonlySet<InputRole> = new Set(['lengths', 'rows']);

/** Whole numbers up to 2048 and no more are exact in float16. */
const EXACT_IDS: ReadonlySet<TensorType> = new Set(['int64', 'int32', 'uint32', 'uint64', 'float32', 'float64']);

/** `serving_default_input_ids:0` and `model/Input-Ids` as `input_ids`; a number that only tells names apart is left out. */
function plain(name: string): string {
  const last = name.replace(/:\d+$/, '').split('/').at(-1) ?? '';
  const words = last.replace(/([a-z])([A-Z])/g, '$1_$2').toLowerCase();
  return words.replace(/[^a-z0-9]+/g, '_').replace(/^(serving_default_|args?_\d_)/, '');
}

function roleByName(name: string): InputRole | undefined {
  const words = plain(name);
  const found = NAMES.find(([pattern]) => pattern.test(words)) ?? NAMES.find(([pattern]) => pattern.test(bare(words)));
  return found?.[1];
}

/** Without the number that a framework puts behind a name that is taken already, as in `input_ids_1`. */
function bare(words: string): string {
  return words.replace(/_+\d+$/, '');
}

function described({ name, type, dims }: TensorInfo): string {
  return `${name} (${type} [${dims.map((dim) => (dim < 0 ? '?' : dim)).join(', ')}])`;
}

function cannotTake(why: string, inputs: readonly TensorInfo[]): ModelkeepError {
  return new ModelkeepError(
    'UNSUPPORTED_FORMAT',
    `The graph cannot be asked with text: ${why}. Its inputs are ${inputs.map(described).join(', ') || 'none'}. Export ` +
      'it with inputs named input_ids, attention_mask, token_type_ids or position_ids, or publish it without its ' +
      'tokenizer and send tensors',
  );
}

/** Where names do not say it all: the one input that may be the ids. */
function withIds(inputs: readonly TensorInfo[], roles: ReadonlyMap<string, InputRole>): ReadonlyMap<string, InputRole> {
  if ([...roles.values()].includes('ids')) return roles;
  const [unnamed, more] = inputs.filter(({ name }) => !roles.has(name));
  if (unnamed === undefined || more !== undefined || !ANY_NAME.test(plain(unnamed.name))) return roles;
  return new Map([...roles, [unnamed.name, 'ids']]);
}

/** The size that all inputs fix of one of their dimensions; undefined where it may vary. */
function fixedSize(inputs: readonly TensorInfo[], axis: number): number | undefined {
  const sizes = new Set(inputs.map(({ dims }) => dims[axis] ?? -1).filter((size) => size >= 0));
  if (sizes.size > 1) throw cannotTake(`its inputs have different fixed sizes (${[...sizes].join(', ')})`, inputs);
  return [...sizes][0];
}

function checkInput(input: TensorInfo, role: InputRole, all: readonly TensorInfo[]): TextInput {
  const { name, type, dims } = input;
  const rank = OF_ROWS.has(role) ? 1 : 2;
  // An export may declare no dimensions at all.
  if (dims.length !== rank && dims.length !== 0) throw cannotTake(`${name} has ${dims.length} dimensions`, all);
  if (dims.includes(0)) throw cannotTake(`${name} has the size 0`, all);
  if (type === 'string') throw cannotTake(`${name} takes strings`, all);
  if (role === 'ids' && !EXACT_IDS.has(type))
    throw cannotTake(`${name} is of type ${type}, which not all ids fit`, all);
  return { name, type, role };
}

/**
 * Decides what each input of a graph is fed of a text: by its name, and by being the only one where its name says
 * nothing.
 *
 * @param inputs as the graph declares them, without those that have defaults
 * @param known what was found out at publish of inputs whose names say nothing
 * @throws ModelkeepError `UNSUPPORTED_FORMAT` naming the inputs of a graph that cannot be asked with text
 */
export function textInputs(inputs: readonly TensorInfo[], known: Readonly<Record<string, InputRole>> = {}): TextInputs {
  const named = inputs.flatMap(({ name }): [string, InputRole][] => {
    const role = Object.hasOwn(known, name) ? known[name] : roleByName(name);
    return role === undefined ? [] : [[name, role]];
  });
  const roles = withIds(inputs, new Map(named));
  const unknown = inputs.find(({ name }) => !roles.has(name));
  if (unknown !== undefined) throw cannotTake(`nothing says what ${unknown.name} is to be fed`, inputs);
  for (const role of INPUT_ROLES) {
    const same = inputs.filter(({ name }) => roles.get(name) === role).map(({ name }) => name);
    if (role === 'ids' && same.length === 0) throw cannotTake('none of its inputs takes ids of tokens', inputs);
    if (same.length > 1) throw cannotTake(`${same.join(' and ')} seem to be the same`, inputs);
  }
  const fed = inputs.map((input) => checkInput(input, roles.get(input.name) ?? 'ids', inputs));
  const ofTokens = inputs.filter(({ name }) => !OF_ROWS.has(roles.get(name) ?? 'ids'));
  return { inputs: fed, rows: fixedSize(inputs, 0), length: fixedSize(ofTokens, 1) };
}
