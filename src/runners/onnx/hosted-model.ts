import { Tensor as OrtTensor, type InferenceSession } from 'onnxruntime-node';
import { asModelkeepError, ModelkeepError, type Tensor, type TensorInfo } from '../../core/index.js';
import { openSegmentFiles, planSession, type SessionPlan } from '../../formats/index.js';
import {
  OpenTokenizers,
  type Encoding,
  type EncodingOutputs,
  type OpenTask,
  type TaskFacts,
  type TaskRequest,
} from '../../tasks/index.js';
import type { Tensors } from '../frames.js';
import type { LoadMessage, PredictAnswer, PredictMessage, PredictReply } from '../messages.js';
import { BATCH_LIMITS, type Batch } from './batches.js';
import { planForm } from './form.js';
import { openText, type OpenText } from './open-text.js';
import { rehearsalFiles, REHEARSED_TASK } from './rehearsal.js';
import { VersionSessions } from './sessions.js';
import type { RunGraph, RunResult } from './text-runs.js';
import { WordRows } from './word-rows.js';

/** Tokens of the warm-up run: a short sentence. */
const WARM_UP_TOKENS = 8;

/** What one version in a runner has besides its sessions. */
interface HostedParts {
  readonly text?: OpenText | undefined;
  readonly words?: WordRows | undefined;
  readonly compiledFolder?: string | undefined;
}

/** Versions of one model nearly always have the same tokenizer: this process holds it once. */
const tokenizers = new OpenTokenizers();

/** One version in a runner: its session and, for text models, its task. */
export class HostedModel {
  readonly #sessions: VersionSessions;
  readonly #text: OpenText | undefined;
  /** Other tasks that were asked for, by name. */
  readonly #others = new Map<string, Promise<OpenTask>>();
  /** Undefined where the graph looks the words up itself. */
  readonly #words: WordRows | undefined;
  /** True if the graph computes padding in attention alone. */
  readonly skipsPadding: boolean;
  /** Where its compiled form lies, if it runs from that. */
  readonly compiledFolder: string | undefined;
  readonly inputs: readonly TensorInfo[];
  readonly outputs: readonly TensorInfo[];

  private constructor(sessions: VersionSessions, plan: SessionPlan, { text, words, compiledFolder }: HostedParts) {
    this.compiledFolder = compiledFolder;
    this.#sessions = sessions;
    this.#text = text;
    this.#words = words;
    this.skipsPadding = plan.filling !== undefined;
    this.inputs = plan.inputs;
    this.outputs = plan.outputs;
  }

  /** @throws ModelkeepError `LOAD_FAILED`, or the code of the reader that refused the files */
  static async load(message: LoadMessage): Promise<HostedModel> {
    const { manifest, segmentsFolder } = message;
    const files = openSegmentFiles(manifest, segmentsFolder);
    const plan = await planForm(message);
    const text =
      manifest.task === undefined ? undefined : await openText(files, plan, { task: manifest.task, tokenizers });
    const { compiledFolder } = message;
    let words: WordRows | undefined;
    try {
      words = plan.words && new WordRows(plan.words);
      return new HostedModel(await VersionSessions.open(plan, message), plan, { text, words, compiledFolder });
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
    const text = await openText(files, plan, { task: REHEARSED_TASK });
    const model = new HostedModel(await VersionSessions.open(plan, { threads: 1 }), plan, { text });
    await model.predict({ op: 'predict', key: '', requests: [{ inputs: 'word' }] });
    await model.release();
  }

  /** The task's name; undefined for a model that only takes tensors. */
  get task(): string | undefined {
    return this.#text?.task.name;
  }

  /** What was understood of its text; undefined for a model that only takes tensors. */
  get facts(): TaskFacts | undefined {
    return this.#text?.task.facts;
  }

  /** To which the tokenizer cuts a sequence; undefined where it does not, or there is none. */
  get maxTokens(): number | undefined {
    const limit = this.#text?.task.maxTokens;
    return limit === Number.POSITIVE_INFINITY ? undefined : limit;
  }

  /** One run of a text model, so that allocations and page faults are not the first request's. */
  async warm(): Promise<void> {
    if (this.#text === undefined) return;
    const { task, runs } = this.#text;
    const length = Math.min(WARM_UP_TOKENS, task.maxTokens);
    const encodings = [{ ids: Array.from({ length }, () => task.padId) }];
    for (const batch of runs.batchesOf(encodings, BATCH_LIMITS)) {
      await runs.run(this.#on(this.#sessions.for()), encodings, batch, []);
    }
  }

  /** Answers several requests; the sequences of all of them are grouped by length. */
  async predict({ requests, lone, maxTokens = BATCH_LIMITS.maxTokens }: PredictMessage): Promise<PredictReply> {
    const text = this.#text;
    if (text === undefined) {
      throw new ModelkeepError(
        'INVALID_INPUT',
        'This model has no task: send tensors to /v2/models/…/infer instead of text',
      );
    }
    const { runs } = text;
    const started = performance.now();
    const prepared = await Promise.all(
      requests.map((request) => attempt(async () => (await this.#taskOf(text, request)).prepare(request))),
    );
    const tokenized = performance.now();
    const encodings = prepared.flatMap((one) => ('value' in one ? one.value.encodings : []));
    const batches = runs.batchesOf(encodings, { maxTokens });
    const tokens = tokensOf(encodings);
    const results: RunResult[] = [];
    const runGraph = this.#on(this.#sessions.for(lone));
    for (const batch of batches) await runs.run(runGraph, encodings, batch, results);
    const run = performance.now();
    let taken = 0;
    const answers: PredictAnswer[] = [];
    for (const one of prepared) {
      if (!('value' in one)) {
        answers.push(one);
        continue;
      }
      const { encodings: own } = one.value;
      const mine = results.slice(taken, (taken += own.length));
      const answer = await attempt(() => one.value.finish(outputsOf(mine)));
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
  async #taskOf({ task: own, open }: OpenText, { task: name = own.name }: TaskRequest): Promise<OpenTask> {
    if (name === own.name) return own;
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

  #on(session: InferenceSession): RunGraph {
    return (feeds, outputs) => session.run(this.#fed(feeds), outputs);
  }
}

/** @throws ModelkeepError what one of the sequences failed by */
function outputsOf(results: readonly RunResult[]): EncodingOutputs[] {
  return results.map((result) => {
    if ('error' in result) throw result.error;
    return result.outputs;
  });
}

function tokensOf(encodings: readonly Encoding[]): number {
  return encodings.reduce((sum, { ids }) => sum + ids.length, 0);
}

function cellsOf(batches: readonly Batch[]): number {
  return batches.reduce((sum, { indexes, length, rows = indexes.length }) => sum + rows * length, 0);
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
