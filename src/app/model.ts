import { setMaxListeners } from 'node:events';
import { ModelkeepError, versionName, type VersionRecord } from '../core/index.js';
import type { InferenceService, RequestOptions, TensorPrediction, TensorWork, TextWork } from '../serving/index.js';
import type { TaskName, TaskTypes } from '../tasks/index.js';
import { predictMany, type ManyOptions } from './predict-many.js';

/** What a model of a task takes; unknown where the task is not said. */
export type InputOf<Task> = Task extends TaskName ? TaskTypes[Task]['input'] : unknown;
/** What a model of a task gives; unknown where the task is not said. */
export type OutputOf<Task> = Task extends TaskName ? TaskTypes[Task]['output'] : unknown;
/** The options of a task, named as the transformers pipeline names them. */
export type ParametersOf<Task> = Task extends TaskName
  ? TaskTypes[Task]['parameters']
  : NonNullable<TextWork['request']['parameters']>;

/** Options of {@link Model.predict}. */
export interface PredictOptions<Task = undefined> extends Omit<RequestOptions, 'freshness'> {
  /** The task's options, such as `{ top_k: 3 }`, named as the transformers pipeline names them. */
  readonly parameters?: ParametersOf<Task> | undefined;
}

/** One of many requests of {@link Model.predictMany}; further fields come back beside its answer. */
export interface ManyRequest<Task = undefined> {
  readonly inputs: InputOf<Task>;
  readonly parameters?: ParametersOf<Task> | undefined;
}

/** One of many answers. */
export interface ManyAnswer<Request, Output> {
  readonly request: Request;
  readonly output: Output;
}

/**
 * One version, ready to answer. It stays that version when its alias moves; ask `keep.load` again for the newest. A
 * model that was let go meanwhile is loaded again by its next request.
 *
 * @typeParam Task the name of its task, which types what goes in and comes out
 */
export class Model<Task extends TaskName | undefined = undefined> {
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

  /** Its task, such as `text-classification`; undefined for a model that only takes tensors. */
  get task(): string | undefined {
    return this.record.task;
  }

  /**
   * Answers one input or several, shaped as the transformers pipeline of the task gives it.
   *
   * @param inputs a text, a list of texts, or what the task takes
   * @throws ModelkeepError `INVALID_INPUT` naming the field, `OVERLOADED`, `DEADLINE_EXCEEDED`, `CANCELLED`,
   * `RUNNER_CRASHED`, `CLOSED`
   */
  async predict(inputs: InputOf<Task>, options: PredictOptions<Task> = {}): Promise<OutputOf<Task>> {
    const { parameters, ...request } = options;
    const work = { inputs, ...(parameters === undefined ? {} : { parameters: asRecord(parameters) }) };
    return (await this.#service.predict(this.record, work, request)).output as OutputOf<Task>;
  }

  /**
   * Answers a stream of requests in their order. Takes the next request only when there is room, so that memory stays
   * bounded however long the stream is, and gives an answer as soon as it is there.
   *
   * @param requests each with `inputs`, its own `parameters` (which win over those of `options`) and what else shall
   * come back with the answer
   * @throws ModelkeepError what the first request that fails says, once the answers before it are given; what reading
   * the requests says
   *
   * @example
   * ```ts
   * for await (const { request, output } of model.predictMany(rows)) console.log(request.inputs, output);
   * ```
   */
  predictMany<Request extends ManyRequest<Task>>(
    requests: AsyncIterable<Request> | Iterable<Request>,
    options: PredictOptions<Task> & ManyOptions = {},
  ): AsyncGenerator<ManyAnswer<Request, OutputOf<Task>>, void, undefined> {
    const { inFlight, ...each } = options;
    // Each request under way listens to it; Node.js takes more than ten for a leak.
    if (each.signal !== undefined) setMaxListeners(0, each.signal);
    const ask = async (request: Request): Promise<ManyAnswer<Request, OutputOf<Task>>> => {
      const parameters = { ...each.parameters, ...request.parameters } as ParametersOf<Task>;
      return { request, output: await this.predict(request.inputs, { ...each, parameters, patient: true }) };
    };
    return predictMany(requests, ask, inFlight === undefined ? {} : { inFlight });
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

/** Options of a task are plain objects by their schemas. */
function asRecord(parameters: object): Readonly<Record<string, unknown>> {
  return parameters as Readonly<Record<string, unknown>>;
}

/**
 * Gives a model back if it does what its caller was written for.
 *
 * @throws ModelkeepError `INVALID_INPUT` naming both tasks
 */
export function requireTask(model: Model, wanted: TaskName): Model {
  if (model.task === wanted) return model;
  const does = model.task === undefined ? 'takes only tensors' : `does ${model.task}`;
  throw new ModelkeepError(
    'INVALID_INPUT',
    `${versionName(model.record)} ${does}, not ${wanted}: load another reference, or publish it with --task ${wanted}`,
  );
}
