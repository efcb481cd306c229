import { isTaskName, type TaskName } from './detect.js';
import { invalidInput, isObject, kindOf } from './input.js';
import { inputOfRow, rowOf, type DataRow } from './rows.js';
import type { TaskRequest } from './task.js';

/** An input with the output that the model gave where it was trained. */
export interface GoldenExample {
  readonly request: TaskRequest;
  /** Shaped as the task gives it; fields of objects may be left out, and are not compared then. */
  readonly expected: unknown;
}

const has =
  (...fields: readonly string[]) =>
  (value: unknown): boolean =>
    isObject(value) && fields.every((field) => value[field] !== undefined);
const isNumber = (value: unknown): boolean => typeof value === 'number';

/** What the first thing in an answer, however deep it lies in lists, is for each task. */
const ANSWERS: Readonly<Record<TaskName, { readonly isOne: (value: unknown) => boolean; readonly form: string }>> = {
  'text-classification': { isOne: has('label'), form: '[{label, score}]' },
  'token-classification': { isOne: has('start', 'end'), form: '[{entity_group, score, start, end}]' },
  'question-answering': { isOne: has('answer'), form: '{answer, score, start, end}' },
  'fill-mask': { isOne: has('token_str'), form: '[{token_str, score}]' },
  'feature-extraction': { isOne: isNumber, form: 'lists of numbers' },
  'sentence-embeddings': { isOne: isNumber, form: 'a list of numbers' },
  'zero-shot-classification': { isOne: has('labels', 'scores'), form: '{labels, scores}' },
  'sentence-similarity': { isOne: isNumber, form: 'a list of numbers' },
  'text-ranking': { isOne: has('index', 'score'), form: '[{index, score}]' },
  'sparse-embeddings': { isOne: has('index', 'value'), form: '[{index, value}]' },
};

/**
 * Reads a golden example: `inputs` (and `parameters`) as the server takes them, or the fields of the task, with the
 * `output`; for text classification `label` and `score` may stand for it.
 *
 * @throws ModelkeepError `INVALID_INPUT` naming the field, also for an output that the task never gives
 */
export function goldenExample(task: string | undefined, row: DataRow): GoldenExample {
  if (!isTaskName(task)) throw invalidInput('The model', 'has no task: golden examples are texts with answers');
  const { parameters } = row;
  const inputs = row['inputs'] ?? inputOfRow(task, row);
  const request = parameters === undefined ? { inputs } : { inputs, parameters: rowOf(parameters) };
  return { request, expected: expectedOf(task, row) };
}

function expectedOf(task: TaskName, row: DataRow): unknown {
  const { output, label, score } = row;
  if (output === undefined && task === 'text-classification' && typeof label === 'string')
    return [{ label, ...(typeof score === 'number' ? { score } : {}) }];
  if (output === undefined) throw invalidInput('output', `is missing; the row has ${Object.keys(row).join(', ')}`);
  const { isOne, form } = ANSWERS[task];
  if (isEmptyList(output) || isOne(firstOf(output))) return output;
  throw invalidInput('output', `must be ${form}, as ${task} gives it, not ${kindOf(firstOf(output))}`);
}

/** No entity was found: an answer too. */
function isEmptyList(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0;
}

function firstOf(value: unknown): unknown {
  let first = value;
  while (Array.isArray(first)) first = first[0] as unknown;
  return first;
}

/**
 * How far an answer is from the golden one: the largest difference of a number, or infinity where texts, labels or lengths
 * differ. Fields that the golden answer leaves out are not compared.
 */
export function goldenDifference(expected: unknown, given: unknown): number {
  if (typeof expected === 'number' && typeof given === 'number') {
    const difference = Math.abs(expected - given);
    return Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference;
  }
  if (Array.isArray(expected)) {
    // A single answer comes with or without a list around it.
    const list: readonly unknown[] = Array.isArray(given) ? given : [given];
    if (list.length !== expected.length) return Number.POSITIVE_INFINITY;
    return expected.reduce<number>((largest, each, at) => Math.max(largest, goldenDifference(each, list[at])), 0);
  }
  if (isObject(expected)) {
    const one: unknown = Array.isArray(given) && given.length === 1 ? given[0] : given;
    if (!isObject(one)) return Number.POSITIVE_INFINITY;
    return Object.entries(expected).reduce<number>(
      (largest, [name, each]) => Math.max(largest, goldenDifference(each, one[name])),
      0,
    );
  }
  return expected === given ? 0 : Number.POSITIVE_INFINITY;
}
