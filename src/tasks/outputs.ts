import { ModelkeepError, type TensorType } from '../core/index.js';
import type { Activation } from '../formats/index.js';
import type { EncodingOutputs } from './task.js';

/** One output tensor of one encoding. */
export type Output = EncodingOutputs[string];

/**
 * The size of a dimension, or what it follows: the rows of a run or their length. `either` is a size that is also the one
 * length of the graph's runs, `other` one that varies with neither.
 */
export type OutputDim = number | 'rows' | 'length' | 'either' | 'other';

/** What is known of a graph's output. */
export interface GraphOutput {
  readonly name: string;
  readonly type: TensorType;
  /** Absent where no run showed it. */
  readonly dims?: readonly OutputDim[] | undefined;
  /** What the graph did to the numbers at its very end, where that is known. */
  readonly activation?: Activation | undefined;
}

/** An output that a task reads. */
export interface TaskOutput {
  /** Name by which the task reads it, such as `logits`. */
  readonly role: string;
  /** Name that the graph gives it. */
  readonly name: string;
  /** True if it has numbers for each token; absent: as many dimensions as it has say. */
  readonly perToken?: boolean | undefined;
  /** What logits were put through that the task wants as they were. */
  readonly activation?: Activation | undefined;
}

/** One output that a task needs. */
interface Need {
  readonly role: string;
  /** Names that exporters give it. */
  readonly names: RegExp;
  readonly perToken: boolean;
  /** Dimensions, with that of the rows. */
  readonly rank: number;
  /** What it is, for messages. */
  readonly what: string;
}

const LOGITS = /^(output_|classification_|prediction_|mlm_)?logits$/;
const ofText: Need = { role: 'logits', names: LOGITS, perToken: false, rank: 2, what: 'logits [rows, labels]' };
const ofToken: Need = { ...ofText, perToken: true, rank: 3, what: 'logits [rows, tokens, labels]' };
const hidden: Need = {
  role: 'last_hidden_state',
  names: /^(last_hidden_states?|token_embeddings?|sequence_output)$/,
  perToken: true,
  rank: 3,
  what: 'the vectors of tokens [rows, tokens, features]',
};
const pooled: Need = {
  role: 'sentence_embedding',
  names: /^(sentence|text|pooled)_embeddings?$/,
  perToken: false,
  rank: 2,
  what: 'one vector a text [rows, features]',
};
const ofPlace: Need = { role: 'start_logits', names: /start/, perToken: true, rank: 2, what: '' };
const start: Need = { ...ofPlace, what: 'logits of the start [rows, tokens]' };
const end: Need = { ...ofPlace, role: 'end_logits', names: /end/, what: 'logits of the end [rows, tokens]' };

/** What each task may be served from: lists of outputs, the first that the graph has counts. */
const NEEDS: Readonly<Record<string, readonly (readonly Need[])[]>> = {
  'text-classification': [[ofText]],
  'zero-shot-classification': [[ofText]],
  'text-ranking': [[ofText]],
  'token-classification': [[ofToken]],
  'fill-mask': [[ofToken]],
  'question-answering': [[start, end]],
  'feature-extraction': [[hidden]],
  'sentence-embeddings': [[hidden], [pooled]],
  'sentence-similarity': [[hidden], [pooled]],
};

/** Outputs that no task reads unless it is told to, by their names. */
const NEVER = /^(pooler_output|hidden_states?(_\d+)?|attentions?(_\d+)?|present.*|past.*|loss|cross_attentions.*)$/;

/** Outputs that are no vectors of texts or tokens, by their names, besides. */
const NO_VECTORS = new RegExp(`${NEVER.source}|logits|score|prob|label|start|end_`);

/** `StatefulPartitionedCall/logits:0` as `logits`. */
function plain(name: string): string {
  return (name.replace(/:\d+$/, '').split('/').at(-1) ?? '').toLowerCase().replace(/[^a-z0-9]+/g, '_');
}

const FLOATS: ReadonlySet<TensorType> = new Set(['float32', 'float16', 'float64']);

/** True if an output may be what is needed, as far as its dimensions are known. */
function fits({ dims, type }: GraphOutput, { perToken, rank }: Need): boolean {
  if (!FLOATS.has(type)) return false;
  if (dims === undefined) return true;
  if (dims.length !== rank || dims[0] !== 'rows') return false;
  if (dims[1] === 'either') return true;
  return perToken ? dims[1] === 'length' : typeof dims[1] === 'number';
}

/** An output in words, for messages. */
export function describeOutput({ name, type, dims }: GraphOutput): string {
  const shape = dims?.map((dim) => (dim === 'length' || dim === 'either' ? 'tokens' : dim)).join(', ');
  return `${name} (${type}${shape === undefined ? '' : ` [${shape}]`})`;
}

/** @param sure false where another need of the task has other dimensions: those of the answer decide then */
function taken({ role, perToken }: Need, { name, dims, activation }: GraphOutput, sure: boolean): TaskOutput {
  const put = role.endsWith('logits') ? activation : undefined;
  return { role, name, perToken: sure || dims !== undefined ? perToken : undefined, activation: put };
}

function byName(outputs: readonly GraphOutput[], needs: readonly Need[]): readonly TaskOutput[] | undefined {
  const found = needs.map((need) => {
    const named = outputs.filter((output) => need.names.test(plain(output.name)) && fits(output, need));
    return named.length === 1 && named[0] !== undefined ? taken(need, named[0], true) : undefined;
  });
  const all = found.filter((one) => one !== undefined);
  return all.length === needs.length && new Set(all.map(({ name }) => name)).size === all.length ? all : undefined;
}

/** Two outputs whose names differ in numbers alone, by their numbers; undefined for any others. */
function numbered([first, second, more]: readonly GraphOutput[]): readonly GraphOutput[] | undefined {
  if (first === undefined || second === undefined || more !== undefined) return undefined;
  const [one, two] = [first, second].map(({ name }) => [...name.matchAll(/\d+/g)].map(([digits]) => Number(digits)));
  const [stem, other] = [first, second].map(({ name }) => name.replace(/[\d:_]+/g, ''));
  if (stem !== other || one === undefined || two === undefined) return undefined;
  const at = one.findIndex((number, place) => number !== two[place]);
  return (one[at] ?? -1) < (two[at] ?? one.length - two.length) ? [first, second] : [second, first];
}

function byShape(
  outputs: readonly GraphOutput[],
  needs: readonly Need[],
  sure: boolean,
): readonly TaskOutput[] | undefined {
  const [need, other] = needs;
  if (need === undefined) return undefined;
  const never = need.role.endsWith('logits') ? NEVER : NO_VECTORS;
  const all = outputs.filter((output) => !never.test(plain(output.name)) && fits(output, need));
  const raw = all.filter(({ activation }) => activation === undefined);
  // Scores are read where the graph gives no logits.
  const fitting = raw.length === 0 ? all : raw;
  if (other === undefined) return fitting.length === 1 && fitting[0] ? [taken(need, fitting[0], sure)] : undefined;
  const [first, second] = numbered(fitting) ?? [];
  return first && second && [taken(need, first, sure), taken(other, second, sure)];
}

function byChoice(
  task: string,
  outputs: readonly GraphOutput[],
  options: readonly (readonly Need[])[],
  names: readonly string[],
): readonly TaskOutput[] {
  const chosen = names.map((name) => {
    const found = outputs.find((output) => output.name === name);
    if (found !== undefined) return found;
    throw unsuited(`The graph has no output ${name}; it gives ${outputs.map(describeOutput).join(', ')}`);
  });
  for (const needs of options) {
    if (needs.length !== chosen.length || !needs.every((need, at) => chosen[at] && fits(chosen[at], need))) continue;
    return chosen.flatMap((output, at) => (needs[at] ? [taken(needs[at], output, options.length === 1)] : []));
  }
  throw unsuited(
    `${task} reads ${wanted(options)}, but ${chosen.map(describeOutput).join(' and ')} ${chosen.length === 1 ? 'is' : 'are'} not that`,
  );
}

function wanted(options: readonly (readonly Need[])[]): string {
  return options.map((needs) => needs.map(({ what }) => what).join(' and ')).join(', or ');
}

function unsuited(message: string): ModelkeepError {
  return new ModelkeepError('UNSUPPORTED_FORMAT', message);
}

/** See {@link taskOutputs}. */
export interface OutputPreference {
  /** True if a vector that the graph pooled, and names so, goes before those of the tokens: where nothing else says how to pool these. */
  readonly prefersPooled?: boolean | undefined;
}

/**
 * The outputs of a graph that a task reads: those that were chosen, else by their names, else by their dimensions where
 * only one fits.
 *
 * @param chosen names of outputs; of question-answering the start and the end
 * @param preference which output counts where a graph has several that the task can read
 * @throws ModelkeepError `UNSUPPORTED_FORMAT` naming the outputs and what is needed
 */
export function taskOutputs(
  task: string,
  outputs: readonly GraphOutput[],
  chosen?: readonly string[],
  { prefersPooled = false }: OutputPreference = {},
): readonly TaskOutput[] {
  const options = NEEDS[task];
  // A task that names no outputs reads them by the names that the graph gives them.
  if (options === undefined) {
    return outputs.filter(({ type }) => FLOATS.has(type)).map(({ name }) => ({ role: name, name }));
  }
  if (chosen !== undefined) return byChoice(task, outputs, options, chosen);
  const sure = options.length === 1;
  const named = prefersPooled ? options.toReversed() : options;
  for (const [choose, all] of [[byName, named] as const, [byShape, options] as const]) {
    for (const needs of all) {
      const found = choose(outputs, needs, sure);
      if (found !== undefined) return found;
    }
  }
  throw unsuited(
    `${task} reads ${wanted(options)}, but the graph gives ${outputs.map(describeOutput).join(', ') || 'nothing'}. ` +
      'Name the right output with --output, or the task that they are for with --task',
  );
}

/** True if names alone decide what a task reads of a graph, so that no run has to show it. */
export function outputsAreNamed(task: string, outputs: readonly GraphOutput[]): boolean {
  return (NEEDS[task] ?? []).some((needs) => byName(outputs, needs) !== undefined);
}

/**
 * The output that a task reads by one of these names.
 *
 * @throws ModelkeepError `LOAD_FAILED` if there is none: the model is of another task
 */
export function outputNamed(outputs: EncodingOutputs | undefined, ...names: readonly string[]): Output {
  const has = Object.keys(outputs ?? {});
  const name = names.find((each) => has.includes(each));
  const output = name === undefined ? undefined : outputs?.[name];
  if (output !== undefined) return output;
  throw new ModelkeepError(
    'LOAD_FAILED',
    `The model gives ${has.join(', ') || 'no outputs'}, not ${names.join(' or ')}; publish it with another --task`,
  );
}

/** Row `index` of a [rows, columns] tensor, without a copy. */
export function row(output: Output, index: number): Float32Array {
  const columns = output.dims.at(-1) ?? 0;
  return output.data.subarray(index * columns, (index + 1) * columns);
}
