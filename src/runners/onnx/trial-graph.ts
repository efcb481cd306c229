import type { InferenceSession } from 'onnxruntime-node';
import type { TextInputs } from '../../formats/index.js';
import type { Encoding } from '../../tasks/index.js';
import type { Batch } from './batches.js';
import { TextFeeds } from './feeds.js';
import type { TrialText } from './trial.js';

type Results = InferenceSession.OnnxValueMapType;

/** One run of the graph: sequences, and what came of them. */
export interface TrialRun {
  readonly rows: number;
  readonly length: number;
  readonly results: Results;
}

/** A graph that is tried. */
export class TrialGraph {
  readonly #session: InferenceSession;
  readonly #feeds: TextFeeds;
  readonly #form: Pick<TextInputs, 'rows' | 'length'>;

  constructor(
    session: InferenceSession,
    inputs: TextInputs,
    { padId, padLeft, firstPosition }: TrialText,
    filling?: number,
  ) {
    this.#session = session;
    this.#form = inputs;
    this.#feeds = new TextFeeds(inputs, { padId, padLeft, filling, firstPosition });
  }

  /** True if the graph fixes the rows of a run. */
  get fixesRows(): boolean {
    return this.#form.rows !== undefined;
  }

  /** Runs sequences together, as a server would. */
  async run(encodings: readonly Encoding[], outputs?: readonly string[]): Promise<TrialRun> {
    const { rows = encodings.length, length = Math.max(...encodings.map(({ ids }) => ids.length)) } = this.#form;
    const indexes = encodings.slice(0, rows).map((_, index) => index);
    const batch: Batch = { indexes, length, rows };
    const feeds = this.#feeds.of(encodings, batch);
    return { rows, length, results: await this.#session.run(feeds, outputs ?? this.#session.outputNames) };
  }
}

/** Sequences of a length, made of those that there are. */
export function ofLength(encodings: readonly Encoding[], length: number, shift = 0): Encoding {
  const ids = encodings.flatMap((encoding) => encoding.ids);
  return { ids: Array.from({ length }, (_, at) => ids[(at + shift) % ids.length] ?? 0) };
}
