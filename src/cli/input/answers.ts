import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { answerCells, answerColumns } from '../../app/index.js';
import { csvLine } from './csv.js';
import type { LineRequest } from './requests.js';

/** How answers are written. */
export const OUTPUT_FORMS = Object.freeze(['jsonl', 'csv'] as const);
/** One of {@link OUTPUT_FORMS}. */
export type OutputForm = (typeof OUTPUT_FORMS)[number];

/** Writes answers one after another, and waits where the reader is slower. */
export class AnswerWriter {
  readonly #stdout: Writable;
  readonly #form: OutputForm;
  readonly #task: string | undefined;
  readonly #several: boolean;
  readonly #signal: AbortSignal;
  #fields: readonly string[] | undefined;

  /** @param options.several whether an answer may hold more than the best, so that a table gets a column for all */
  constructor(options: {
    readonly stdout: Writable;
    readonly form: OutputForm;
    readonly task: string | undefined;
    readonly several: boolean;
    readonly signal: AbortSignal;
  }) {
    this.#stdout = options.stdout;
    this.#form = options.form;
    this.#task = options.task;
    this.#several = options.several;
    this.#signal = options.signal;
  }

  /** Writes the answer of one request. In a table the first request's fields become the header. */
  async write({ row }: LineRequest, output: unknown): Promise<void> {
    if (this.#form === 'jsonl') return this.#send(`${JSON.stringify(output)}\n`);
    if (this.#fields === undefined) {
      this.#fields = Object.keys(row);
      await this.#send(csvLine([...this.#fields, ...this.#answerNames(this.#fields)]));
    }
    const cells = answerCells(this.#task, output, this.#several);
    await this.#send(csvLine([...this.#fields.map((field) => row[field]), ...cells]));
  }

  /** Columns that the input has already keep their names; the answer's are then called `predicted_…`. */
  #answerNames(fields: readonly string[]): readonly string[] {
    const names = answerColumns(this.#task, this.#several);
    return names.map((name) => (fields.includes(name) ? `predicted_${name}` : name));
  }

  async #send(text: string): Promise<void> {
    if (!this.#stdout.write(text)) await once(this.#stdout, 'drain', { signal: this.#signal });
  }
}
