import { createHash } from 'node:crypto';
import type { Precision } from '../core/index.js';
import type { Artifact, PlanFacts, SessionPlan } from '../formats/index.js';
import type { CheckedText } from '../runners/index.js';

/** What a push understood of a model; kept with the version as `metadata.understood`. */
export interface Understood {
  /** Family by `model_type`, such as `bert`; absent for other formats than checkpoints. */
  readonly family?: string | undefined;
  /** What the graph of a checkpoint ends with, such as `ForSequenceClassification`. */
  readonly head?: string | undefined;
  readonly task?: string | undefined;
  /** Names of the labels by their id, if they are no more than 100. */
  readonly labels?: readonly (string | number)[] | undefined;
  readonly labelCount?: number | undefined;
  /** SHA-256 of the JSON of all labels, by which they are compared. */
  readonly labelsDigest?: string | undefined;
  /** Class and file of the tokenizer, such as `BertTokenizer of tokenizer.json`. */
  readonly tokenizer?: string | undefined;
  /** Most tokens of a text, special ones included; absent where nothing limits it. */
  readonly maxTokens?: number | undefined;
  /** How the vectors of tokens become one, such as `mean, normalized`. */
  readonly pooling?: string | undefined;
  /** Numbers of a vector, or labels of a text or token. */
  readonly width?: number | undefined;
  /** Outputs of an ONNX graph that the task reads. */
  readonly reads?: readonly string[] | undefined;
  /** The ONNX file that is run. */
  readonly graph?: string | undefined;
  readonly precision: Precision;
  /** Where in what was named the model was found, such as `checkpoint-900, the newest of 2`; absent: there itself. */
  readonly from?: string | undefined;
  /** What of the folder is no part of the version. */
  readonly leftOut?: readonly string[] | undefined;
  /** Tensors of a checkpoint that have no part in the answers; the first 20. */
  readonly leftOutTensors?: readonly string[] | undefined;
}

/** More labels are told by their number. */
const MAX_LABELS = 100;
const MAX_TENSORS = 20;

/** Tasks whose answers name labels of the model. */
const LABELLED: ReadonlySet<string> = new Set([
  'text-classification',
  'token-classification',
  'zero-shot-classification',
]);

/** Labels as they are compared. */
export function labelsDigest(labels: readonly (string | number)[]): string {
  return createHash('sha256').update(JSON.stringify(labels)).digest('hex');
}

/** What a push found, from which {@link understoodOf} reports. */
export interface Findings {
  readonly artifact: Artifact;
  readonly precision: Precision;
  readonly text?: CheckedText | undefined;
  readonly facts?: PlanFacts | undefined;
  readonly graph?: { readonly path: string; readonly plan: SessionPlan } | undefined;
  /** What a trial run of an ONNX graph showed. */
  readonly trial?: { readonly reads: readonly string[]; readonly width?: number | undefined } | undefined;
  /** Outputs of the graph of a checkpoint. */
  readonly outputs?: SessionPlan['outputs'] | undefined;
}

function widthOf({ text, trial, outputs }: Findings): number | undefined {
  const declared = outputs?.[0]?.dims.at(-1);
  return text?.facts.width ?? trial?.width ?? (declared !== undefined && declared > 0 ? declared : undefined);
}

function labelsOf({ text }: Findings): Pick<Understood, 'labels' | 'labelCount' | 'labelsDigest'> {
  const labels = text === undefined || !LABELLED.has(text.name) ? undefined : text.facts.labels;
  if (labels === undefined) return {};
  return {
    labels: labels.length <= MAX_LABELS ? labels : undefined,
    labelCount: labels.length,
    labelsDigest: labelsDigest(labels),
  };
}

/** The report of a push. */
export function understoodOf(findings: Findings): Understood {
  const { artifact, precision, text, facts, graph, trial } = findings;
  const { from, leftOut = [] } = artifact;
  const report: Understood = {
    family: facts?.family,
    head: facts?.head,
    task: artifact.task,
    ...labelsOf(findings),
    tokenizer: text?.facts.tokenizer,
    maxTokens: text !== undefined && Number.isFinite(text.maxTokens) ? text.maxTokens : undefined,
    pooling: text?.facts.pooling,
    width: widthOf(findings),
    reads: trial?.reads,
    graph: graph?.path,
    precision,
    from,
    leftOut: leftOut.length === 0 ? undefined : leftOut,
    leftOutTensors: facts === undefined || facts.leftOut.length === 0 ? undefined : facts.leftOut.slice(0, MAX_TENSORS),
  };
  return Object.fromEntries(Object.entries(report).filter(([, value]) => value !== undefined)) as unknown as Understood;
}

/** The report of a push in words, a line each. */
export function describeUnderstood(understood: Understood): readonly (readonly [name: string, text: string])[] {
  const { labels, labelCount, leftOut, leftOutTensors, reads, ...others } = understood;
  const { family, head, task, tokenizer, maxTokens, pooling, width, graph, precision, from } = others;
  const lines: readonly (readonly [string, string | undefined])[] = [
    ['found', from],
    ['model', family === undefined ? graph : `${family}${head === undefined ? '' : `, ${head}`}`],
    ['task', task ?? 'none: it takes tensors'],
    ['labels', labelCount === undefined ? undefined : `${labelCount}${namesOf(labels)}`],
    ['reads', reads?.join(', ')],
    ['tokenizer', tokenizer],
    ['length', tokenizer === undefined ? undefined : `${maxTokens ?? 'any number of'} tokens`],
    ['pooling', pooling],
    ['width', labelCount === undefined && width !== undefined ? String(width) : undefined],
    ['precision', precision],
    ['left out', leftOut?.join('; ')],
    ['unused', leftOutTensors?.join(', ')],
  ];
  return lines.flatMap(([name, text]) => (text === undefined ? [] : [[name, text] as const]));
}

function namesOf(labels: readonly (string | number)[] | undefined): string {
  if (labels === undefined || labels.length === 0) return '';
  const shown = labels.slice(0, 8).join(', ');
  return ` (${shown}${labels.length > 8 ? ' …' : ''})`;
}

/** The report that a version was published with; undefined for versions of before, and those that others published. */
export function storedUnderstanding(metadata: Readonly<Record<string, unknown>>): Understood | undefined {
  const value = metadata['understood'];
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Understood) : undefined;
}
