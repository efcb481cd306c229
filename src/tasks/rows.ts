import type { TaskName } from './detect.js';
import { isTaskName } from './detect.js';
import { invalidInput, isObject, kindOf } from './input.js';

/** A row of a table or JSON-lines file: field names to values. */
export type DataRow = Readonly<Record<string, unknown>>;

interface RowForm {
  /** Fields of the input, the way they are documented. */
  readonly fields: readonly string[];
  read(row: DataRow): unknown;
  /** Columns of the answer. */
  readonly columns: readonly string[];
  cells(output: unknown): readonly unknown[];
}

function fieldOf(row: DataRow, ...names: readonly [string, ...string[]]): unknown {
  const name = names.find((each) => row[each] !== undefined);
  if (name === undefined) throw invalidInput(names[0], `is missing; the row has ${Object.keys(row).join(', ')}`);
  return row[name];
}

/** A list, or a JSON list in a cell. */
function listOf(row: DataRow, name: string): unknown {
  const value = fieldOf(row, name);
  if (typeof value !== 'string') return value;
  try {
    return JSON.parse(value) as unknown;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw invalidInput(name, `must be a JSON list in a cell: ${why}`);
  }
}

/** The best of an answer: its first object, however deep it lies in lists. */
function best(output: unknown): DataRow {
  let value = output;
  while (Array.isArray(value)) value = value[0] as unknown;
  return isObject(value) ? value : {};
}

const bestCells = (names: readonly string[]): Pick<RowForm, 'columns' | 'cells'> => ({
  columns: names,
  cells: (output) => names.map((name) => best(output)[name]),
});

const whole = (name: string): Pick<RowForm, 'columns' | 'cells'> => ({ columns: [name], cells: (output) => [output] });

const oneText = { fields: ['text'], read: (row: DataRow) => fieldOf(row, 'text', 'sentence') };

const FORMS: Readonly<Record<TaskName, RowForm>> = {
  'text-classification': {
    fields: ['text', 'text_pair'],
    read: (row) => {
      const text = fieldOf(row, 'text', 'sentence', 'sentence1');
      const pair = row['text_pair'] ?? row['sentence2'];
      return pair === undefined || pair === '' ? text : { text, text_pair: pair };
    },
    ...bestCells(['label', 'score']),
  },
  'token-classification': { ...oneText, ...whole('entities') },
  'question-answering': {
    fields: ['question', 'context'],
    read: (row) => ({ question: fieldOf(row, 'question'), context: fieldOf(row, 'context') }),
    ...bestCells(['answer', 'score', 'start', 'end']),
  },
  'fill-mask': { ...oneText, ...bestCells(['token_str', 'score', 'sequence']) },
  'feature-extraction': { ...oneText, ...whole('features') },
  'sentence-embeddings': { ...oneText, ...whole('embedding') },
  'zero-shot-classification': {
    ...oneText,
    columns: ['label', 'score'],
    cells: (output) => {
      const { labels, scores } = best(output);
      return [Array.isArray(labels) ? labels[0] : undefined, Array.isArray(scores) ? scores[0] : undefined];
    },
  },
  'sentence-similarity': {
    fields: ['source_sentence', 'sentences'],
    read: (row) =>
      row['sentence1'] === undefined
        ? { source_sentence: fieldOf(row, 'source_sentence'), sentences: listOf(row, 'sentences') }
        : { source_sentence: row['sentence1'], sentences: [fieldOf(row, 'sentence2')] },
    columns: ['score'],
    cells: (output) => [Array.isArray(output) && output.length === 1 ? (output[0] as unknown) : output],
  },
  'text-ranking': {
    fields: ['query', 'texts'],
    read: (row) => ({ query: fieldOf(row, 'query'), texts: listOf(row, 'texts') }),
    ...whole('ranking'),
  },
  'sparse-embeddings': { ...oneText, ...whole('embedding') },
};

/** The fields of a row that a task reads; none for a model without a task. */
export function rowFields(task: string | undefined): readonly string[] {
  return isTaskName(task) ? FORMS[task].fields : [];
}

/**
 * The input of a task from a row whose fields are named as the task names them; fields that it does not know are left
 * alone. Pairs may also be called `sentence1` and `sentence2`. For a model without a task it is the row itself.
 *
 * @throws ModelkeepError `INVALID_INPUT` naming a field that is missing
 */
export function inputOfRow(task: string | undefined, row: DataRow): unknown {
  return isTaskName(task) ? FORMS[task].read(row) : row;
}

/** Columns of an answer in a table: its best one, and `answers` with all as JSON if there may be several. */
export function answerColumns(task: string | undefined, several: boolean): readonly string[] {
  if (!isTaskName(task)) return ['answer'];
  return several ? [...FORMS[task].columns, 'answers'] : FORMS[task].columns;
}

/** Cells of an answer, in the order of {@link answerColumns}. */
export function answerCells(task: string | undefined, output: unknown, several: boolean): readonly unknown[] {
  if (!isTaskName(task)) return [output];
  return several ? [...FORMS[task].cells(output), output] : FORMS[task].cells(output);
}

/**
 * A row as it must be: a JSON object.
 *
 * @throws ModelkeepError `INVALID_INPUT` for anything else
 */
export function rowOf(value: unknown): DataRow {
  if (isObject(value)) return value;
  throw invalidInput('The row', `must be an object of fields, not ${kindOf(value)}`);
}
