import { Tensor as OrtTensor, type InferenceSession } from 'onnxruntime-node';
import { asModelkeepError, ModelkeepError, type Tensor, type TensorInfo } from '../../core/index.js';
import { openSegmentFiles, planSession, type SessionPlan } from '../../formats/index.js';
import {
  openTask,
  OpenTokenizers,
  type Encoding,
  type EncodingOutputs,
  type OpenTask,
  type TaskFacts,
  type TaskRequest,
} from '../../tasks/index.js';
import type { Tensors } from '../frames.js';
import type { LoadMessage, PredictAnswer, PredictMessage, PredictReply } from '../messages.js';
import { BATCH_LIMITS, groupByLength, type Batch } from './batches.js';
import { planForm } from './form.js';
import { rehearsalFiles, REHEARSED_TASK } from './rehearsal.js';
import { VersionSessions } from './sessions.js';
import { WordRows } from './word-rows.js';

/** Tokens of the warm-up run: a short sentence. */
const WARM_UP_TOKENS = 8;

/** Some of a task's sequences, to be run together. */
interface BatchRun {
  readonly task: OpenTask;
  readonly encodings: readonly Encoding[];
  readonly batch: Batch;
  readonly session: InferenceSession;
}

/** What one version in a runner has besides its sessions. */
interface HostedParts {
  readonly task?: OpenTask | undefined;
  /** Opens another task on the same version. */
  readonly openOther?: ((name: string) => Promise<OpenTask>) | undefined;
  readonly words?: WordRows | undefined;
  readonly compiledFolder?: string | undefined;
}

/** Versions of one model nearly always have the same tokenizer: this process holds it once. */
const tokenizers = new OpenTokenizers();

/** One version in a runner: its session and, for text models, its task. */
export class HostedModel {
  readonly #sessions: VersionSessions;
  readonly #task: OpenTask | undefined;
  readonly #openOther: ((name: string) => Promise<OpenTask>) | undefined;
  /** Other tasks that were asked for, by name. */
  readonly #others = new Map<string, Promise<OpenTask>>();
  /** Undefined where the graph looks the words up itself. */
  readonly #words: WordRows | undefined;
  /** What stands in the mask for padding. */
  readonly #filling: bigint;
  /** True if the graph computes padding in attention alone. */
  readonly skipsPadding: boolean;
  /** Where its compiled form lies, if it runs from that. */
  readonly compiledFolder: string | undefined;
  readonly inputs: readonly TensorInfo[];
  readonly outputs: readonly TensorInfo[];

  private constructor(
    sessions: VersionSessions,
    plan: SessionPlan,
    { task, openOther, words, compiledFolder }: HostedParts,
  ) {
    this.compiledFolder = compiledFolder;
    this.#sessions = sessions;
    this.#task = task;
    this.#openOther = openOther;
    this.#words = words;
    this.#filling = BigInt(plan.filling ?? 0);
    this.skipsPadding = plan.filling !== undefined;
    this.inputs = plan.inputs;
    this.outputs = plan.outputs;
  }

  /** @throws ModelkeepError `LOAD_FAILED`, or the code of the reader that refused the files */
  static async load(message: LoadMessage): Promise<HostedModel> {
    const { manifest, segmentsFolder } = message;
    const files = openSegmentFiles(manifest, segmentsFolder);
    const plan = await planForm(message);
    const openOther = (name: string): Promise<OpenTask> => openTask(files, { task: name, tokenizers });
    const task = manifest.task === undefined ? undefined : await openOther(manifest.task);
    const { compiledFolder } = message;
    let words: WordRows | undefined;
    try {
      words = plan.words && new WordRows(plan.words);
      return new HostedModel(await VersionSessions.open(plan, message), plan, {
        task,
        openOther,
        words,
        compiledFolder,
      });
    } catch (error) {
      words?.close();
      throw asModelkeepError(error, 'LOAD_FAILED');
    }
  }

  /**
   * Loads a model that is nothing, asks it once and lets it go: what the runtime sets up once for a process, and what
   * the engine compiles of the way of a load, is then not the first version's to wait for.
   */
  static async rehearse(): Promise<void> {
    const files = rehearsalFiles();
    const plan = await planSession(files, { task: REHEARSED_TASK });
    const task = await openTask(files, { task: REHEARSED_TASK });
    const model = new HostedModel(await VersionSessions.open(plan, { threads: 1 }), plan, { task });
    await model.predict({ op: 'predict', key: '', requests: [{ inputs: 'word' }] });
    await model.release();
  }

  /** The task's name; undefined for a model that only takes tensors. */
  get task(): string | undefined {
    return this.#task?.name;
  }

  /** What was understood of its text; undefined for a model that only takes tensors. */
  get facts(): TaskFacts | undefined {
    return this.#task?.facts;
  }

  /** To which the tokenizer cuts a sequence; undefined where it does not, or there is none. */
  get maxTokens(): number | undefined {
    const limit = this.#task?.maxTokens;
    return limit === Number.POSITIVE_INFINITY ? undefined : limit;
  }

  /** One run of a text model, so that allocations and page faults are not the first request's. */
  async warm(): Promise<void> {
    if (this.#task === undefined) return;
    const encodings = [{ ids: Array.from({ length: WARM_UP_TOKENS }, () => this.#task!.padId) }];
    const batch = { indexes: [0], length: WARM_UP_TOKENS };
    await this.#runBatch({ task: this.#task, encodings, batch, session: this.#sessions.for() }, []);
  }

  /** Answers several requests; the sequences of all of them are grouped by length. */
  async predict({ requests, lone, maxTokens = BATCH_LIMITS.maxTokens }: PredictMessage): Promise<PredictReply> {
    const task = this.#task;
    if (task === undefined) {
      throw new ModelkeepError(
        'INVALID_INPUT',
        'This model has no task: send tensors to /v2/models/…/infer instead of text',
      );
    }
    const started = performance.now();
    const prepared = await Promise.all(
      requests.map((request) => attempt(async () => (await this.#taskOf(task, request)).prepare(request))),
    );
    const tokenized = performance.now();
    const encodings = prepared.flatMap((one) => ('value' in one ? one.value.encodings : []));
    const batches = groupByLength(
      encodings.map(({ ids }) => ids.length),
      { maxTokens },
      this.skipsPadding,
    );
    const tokens = tokensOf(encodings);
    const outputs: EncodingOutputs[] = [];
    const session = this.#sessions.for(lone);
    for (const batch of batches) await this.#runBatch({ task, encodings, batch, session }, outputs);
    const run = performance.now();
    let taken = 0;
    const answers: PredictAnswer[] = [];
    for (const one of prepared) {
      if (!('value' in one)) {
        answers.push(one);
        continue;
      }
      const { encodings: own } = one.value;
      const mine = outputs.slice(taken, (taken += own.length));
      const answer = await attempt(() => one.value.finish(mine));
      answers.push('value' in answer ? { output: answer.value, tokens: tokensOf(own) } : answer);
    }
    return {
      answers,
      tokenizeMs: tokenized - started + (performance.now() - run),
      runMs: run - tokenized,
      tokens,
      paddedTokens: this.skipsPadding ? tokens : cellsOf(batches),
      batches: batches.length,
    };
  }

  /** The task that a request asks for. @throws ModelkeepError `INVALID_INPUT` if this version cannot serve it */
  async #taskOf(own: OpenTask, { task: name = own.name }: TaskRequest): Promise<OpenTask> {
    if (name === own.name || this.#openOther === undefined) return own;
    const open = this.#openOther;
    let opening = this.#others.get(name);
    if (opening === undefined) {
      opening = open(name);
      this.#others.set(name, opening);
    }
    try {
      return await opening;
    } catch (error) {
      this.#others.delete(name);
      const { message } = asModelkeepError(error);
      throw new ModelkeepError(
        'INVALID_INPUT',
        `This version is for ${own.name} and cannot serve ${name}: ${message}`,
        {
          cause: error,
        },
      );
    }
  }

  /** One run on raw tensors. @throws ModelkeepError `INVALID_INPUT` if the runtime refuses them */
  async infer(tensors: Tensors, wanted?: readonly string[]): Promise<Tensors> {
    const feeds = Object.fromEntries(
      Object.entries(tensors).map(([name, { type, data, dims }]) => [name, new OrtTensor(type, data as never, dims)]),
    );
    try {
      const session = this.#sessions.for();
      return fromOrt(await session.run(this.#fed(feeds), [...(wanted ?? session.outputNames)]));
    } catch (error) {
      throw asModelkeepError(error, 'INVALID_INPUT');
    }
  }

  /** True once {@link prepareForLone} opened a session. */
  get isPreparedForLone(): boolean {
    return this.#sessions.for(true) !== this.#sessions.for();
  }

  /** Makes later lone runs faster, where the processors allow; to be called when nobody waits for this runner. */
  async prepareForLone(): Promise<void> {
    await this.#sessions.openLone();
  }

  /** Gives the sessions' memory back. */
  async release(): Promise<void> {
    await this.#sessions.release();
    this.#words?.close();
  }

  /** Everything that the graph wants to be fed. */
  #fed(feeds: Record<string, OrtTensor>): Record<string, OrtTensor> {
    return this.#words === undefined ? feeds : this.#words.addTo(feeds);
  }

  async #runBatch({ task, encodings, batch, session }: BatchRun, into: EncodingOutputs[]): Promise<void> {
    const names = this.inputs.map(({ name }) => name);
    const feeds = feedsOf(task, encodings, batch, { names, filling: this.#filling });
    const results = fromOrt(await session.run(this.#fed(feeds)));
    batch.indexes.forEach((index, row) => {
      into[index] = this.#rowOf(results, row, batch, encodings[index]!.ids.length, task.padLeft);
    });
  }

  /** The part of a batch's outputs that belongs to one sequence, cut to its length where a dimension is the tokens. */
  #rowOf(results: Tensors, row: number, batch: Batch, length: number, padLeft: boolean): EncodingOutputs {
    const skip = padLeft ? batch.length - length : 0;
    return Object.fromEntries(
      this.outputs
        .filter(({ type }) => type === 'float32')
        .map(({ name, dims: declared }) => {
          const { dims, data } = results[name]!;
          const rest = dims.slice(1);
          const size = rest.reduce((product, dim) => product * dim, 1);
          const own = (data as Float32Array).subarray(row * size, (row + 1) * size);
          // A second dimension that may vary is the sequence; a fixed one is labels or features.
          if (declared[1] !== -1 || length === batch.length) return [name, { dims: rest, data: own }];
          const inner = size / batch.length;
          return [
            name,
            { dims: [length, ...rest.slice(1)], data: own.subarray(skip * inner, (skip + length) * inner) },
          ];
        }),
    );
  }
}

function tokensOf(encodings: readonly Encoding[]): number {
  return encodings.reduce((sum, { ids }) => sum + ids.length, 0);
}

function cellsOf(batches: readonly Batch[]): number {
  return batches.reduce((sum, { indexes, length }) => sum + indexes.length * length, 0);
}

type Attempt<T> = { readonly value: T } | { readonly error: { readonly code: string; readonly message: string } };

async function attempt<T>(work: () => T | Promise<T>): Promise<Attempt<T>> {
  try {
    return { value: await work() };
  } catch (error) {
    return { error: asModelkeepError(error).toJSON() };
  }
}

function fromOrt(results: InferenceSession.OnnxValueMapType): Tensors {
  return Object.fromEntries(
    Object.entries(results).map(([name, { type, dims, data }]) => [name, { type, dims, data } as Tensor]),
  );
}

function feedsOf(
  task: OpenTask,
  encodings: readonly Encoding[],
  { indexes, length }: Batch,
  { names, filling }: { readonly names: readonly string[]; readonly filling: bigint },
): Record<string, OrtTensor> {
  const cells = indexes.length * length;
  const ids = new BigInt64Array(cells).fill(BigInt(task.padId));
  const mask = new BigInt64Array(cells).fill(filling);
  const types = new BigInt64Array(cells);
  indexes.forEach((index, row) => {
    const { ids: own, typeIds } = encodings[index]!;
    const begin = row * length + (task.padLeft ? length - own.length : 0);
    for (let at = 0; at < own.length; at++) {
      ids[begin + at] = BigInt(own[at]!);
      mask[begin + at] = 1n;
      if (typeIds !== undefined) types[begin + at] = BigInt(typeIds[at]!);
    }
  });
  const all: Record<string, BigInt64Array> = { input_ids: ids, attention_mask: mask, token_type_ids: types };
  return Object.fromEntries(
    names.map((name) => {
      const data = all[name];
      if (data === undefined)
        throw new ModelkeepError('LOAD_FAILED', `The graph wants the input "${name}", which no tokenizer gives`);
      return [name, new OrtTensor('int64', data, [indexes.length, length])];
    }),
  );
}
