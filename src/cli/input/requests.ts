import { inputOfRow, ModelkeepError, rowOf, type DataRow } from '../../app/index.js';
import { csvRecords } from './csv.js';
import { lineError, linesOf, type TextSource } from './text.js';

/** How a source is to be read: `auto` takes a line as JSON if it looks like it, else as a text. */
export const INPUT_FORMS = Object.freeze(['auto', 'text', 'jsonl', 'csv'] as const);
/** One of {@link INPUT_FORMS}. */
export type InputForm = (typeof INPUT_FORMS)[number];

/** A request, and where it came from. */
export interface LineRequest {
  readonly inputs: unknown;
  readonly parameters?: Readonly<Record<string, unknown>>;
  /** From 1. */
  readonly line: number;
  /** Its fields, for a table of answers. */
  readonly row: DataRow;
}

/** The form that a file's name tells: `.csv` is csv, `.jsonl` and `.ndjson` are jsonl, else `auto`. */
export function formOfPath(path: string | undefined): InputForm {
  const ending = /\.([a-z]+)$/i.exec(path ?? '')?.[1]?.toLowerCase();
  if (ending === 'csv') return 'csv';
  return ending === 'jsonl' || ending === 'ndjson' ? 'jsonl' : 'auto';
}

/** Rows of a source with their lines: objects of JSON lines, or records of a table under its header. */
export async function* rowsOf(
  source: TextSource,
  form: 'jsonl' | 'csv',
): AsyncGenerator<{ readonly line: number; readonly row: DataRow }, void, undefined> {
  if (form === 'csv') {
    yield* tableRows(source);
    return;
  }
  let line = 0;
  for await (const text of linesOf(source)) {
    line += 1;
    if (text.trim() !== '') yield { line, row: atLine(source, line, () => rowOf(parseJson(text))) };
  }
}

/**
 * Requests of a source, one after another as they are taken.
 *
 * @param task the model's task, which says what fields of a row it reads
 * @throws ModelkeepError `INVALID_INPUT` naming source and line
 */
export async function* requestsOf(
  source: TextSource,
  form: InputForm,
  task: string | undefined,
): AsyncGenerator<LineRequest, void, undefined> {
  if (form === 'csv') {
    for await (const { line, row } of tableRows(source)) {
      yield atLine(source, line, () => ({ inputs: inputOfRow(task, row), line, row }));
    }
    return;
  }
  let line = 0;
  for await (const text of linesOf(source)) {
    line += 1;
    if (form === 'jsonl' && text.trim() === '') continue;
    const value = atLine(source, line, () => valueOf(text, form));
    yield atLine(source, line, () => ({ ...requestOf(value, task), line }));
  }
}

function valueOf(text: string, form: InputForm): unknown {
  if (form === 'jsonl') return parseJson(text);
  if (form === 'text' || !/^\s*[{"]/.test(text)) return text;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    // It only looked like JSON: a text may begin with a quote.
    return text;
  }
}

/** `{"inputs": …, "parameters": …}` as the server takes it, fields of the task, or the input itself. */
function requestOf(value: unknown, task: string | undefined): Omit<LineRequest, 'line'> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return { inputs: value, row: { text: value } };
  const row = rowOf(value);
  if (row['inputs'] === undefined) return { inputs: inputOfRow(task, row), row };
  const { inputs, parameters } = row;
  const echoed =
    typeof inputs === 'object' && inputs !== null && !Array.isArray(inputs) ? rowOf(inputs) : { text: inputs };
  if (parameters === undefined || parameters === null) return { inputs, row: echoed };
  return { inputs, parameters: rowOf(parameters), row: echoed };
}

async function* tableRows(source: TextSource): AsyncGenerator<{ readonly line: number; readonly row: DataRow }> {
  let header: readonly string[] | undefined;
  for await (const { line, cells } of csvRecords(source)) {
    if (header === undefined) {
      header = cells;
      const twice = cells.find((name, at) => cells.indexOf(name) !== at);
      if (twice !== undefined) throw lineError(source, line, `the header names ${JSON.stringify(twice)} twice`);
      continue;
    }
    if (cells.length !== header.length) {
      throw lineError(source, line, `has ${cells.length} fields, but the header names ${header.length}`);
    }
    yield { line, row: Object.fromEntries(header.map((name, at) => [name, cells[at]])) };
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new ModelkeepError('INVALID_INPUT', `is not JSON: ${(error as Error).message}`, { cause: error });
  }
}

function atLine<T>(source: TextSource, line: number, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw lineError(source, line, (error as Error).message, error);
  }
}
