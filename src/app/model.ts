import { versionName, type VersionRecord } from '../core/index.js';
import type { InferenceService, RequestOptions, TensorPrediction, TensorWork, TextWork } from '../serving/index.js';

/** Options of {@link Model.predict}. */
export interface PredictOptions extends Omit<RequestOptions, 'freshness'> {
  /** The task's options, such as `{ top_k: 3 }`, named as the transformers pipeline names them. */
  readonly parameters?: TextWork['request']['parameters'];
}

/**
 * One version, ready to answer. It stays that version when its alias moves; ask `keep.load` again for the newest. A
 * model that was let go meanwhile is loaded again by its next request.
 */
export class Model {
  /** What the store knows of this version. */
  readonly record: VersionRecord;
  readonly #service: InferenceService;

  /** For `Modelkeep.load`. */
  constructor(record: VersionRecord, service: InferenceService) {
    this.record = record;
    this.#service = service;
  }

  /** The model's name. */
  get name(): string {
    return this.record.model;
  }

  /** The version's number. */
  get version(): number {
    return this.record.version;
  }

  /**
   * Answers one input or several, shaped as the transformers pipeline of the task gives it.
   *
   * @param inputs a text, a list of texts, or what the task takes
   * @throws ModelkeepError `INVALID_INPUT` naming the field, `OVERLOADED`, `DEADLINE_EXCEEDED`, `CANCELLED`,
   * `RUNNER_CRASHED`, `CLOSED`
   */
  async predict(inputs: unknown, options: PredictOptions = {}): Promise<unknown> {
    const { parameters, ...request } = options;
    const work = { inputs, ...(parameters === undefined ? {} : { parameters }) };
    return (await this.#service.predict(this.record, work, request)).output;
  }

  /** Runs the model on tensors. @throws ModelkeepError as {@link predict} */
  infer(work: Omit<TensorWork, 'kind'>, options: Omit<RequestOptions, 'freshness'> = {}): Promise<TensorPrediction> {
    return this.#service.infer(this.record, work, options);
  }

  /** `sentiment:3`. */
  toString(): string {
    return versionName(this.record);
  }
}
