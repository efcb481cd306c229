import type { InferenceSession } from 'onnxruntime-node';
import { asModelkeepError, ModelkeepError } from '../../core/index.js';
import type { SessionPlan, TextChoices, TextInputs } from '../../formats/index.js';
import {
  taskOutputs,
  type Encoding,
  type EncodingOutputs,
  type GraphOutput,
  type OpenTask,
  type TaskOutput,
} from '../../tasks/index.js';
import { groupByLength, type Batch, type BatchLimits, type RunForm } from './batches.js';
import { TextFeeds } from './feeds.js';
import { toFloats, toLogits } from './floats.js';

/** Length of a short sentence: a graph that fails on it fails on any text. */
const SHORT_TOKENS = 16;

/** What came of one sequence. */
export type RunResult = { readonly outputs: EncodingOutputs } | { readonly error: ModelkeepError };

/** What a version's texts are run by. */
export interface TextParts {
  readonly task: OpenTask;
  readonly inputs: TextInputs;
  readonly choices: TextChoices;
  /** The place of the first token. */
  readonly firstPosition: number;
}

/** Runs a graph, all that it wants to be fed beside texts included. */
export type RunGraph = (
  feeds: ReturnType<TextFeeds['of']>,
  outputs: readonly string[],
) => Promise<InferenceSession.OnnxValueMapType>;

/** How the encoded texts of one version are put into runs of its graph, and its outputs taken apart. */
export class TextRuns {
  readonly #task: OpenTask;
  readonly #feeds: TextFeeds;
  readonly #outputs: readonly TaskOutput[];
  readonly #names: readonly string[];
  readonly #form: RunForm;

  /** @throws ModelkeepError `UNSUPPORTED_FORMAT` if the graph gives nothing that the task reads */
  constructor(plan: SessionPlan, { task, inputs, choices, firstPosition }: TextParts) {
    const { padId, padLeft } = task;
    this.#task = task;
    this.#feeds = new TextFeeds(inputs, { padId, padLeft, filling: plan.filling, firstPosition });
    this.#outputs = taskOutputs(task.name, outputsOf(plan, choices), choices.outputs);
    this.#names = this.#outputs.map(({ name }) => name);
    this.#form = {
      skipsPadding: plan.filling !== undefined,
      rows: inputs.rows,
      length: inputs.length,
      shared: plan.mixesRows === true ? 'alone' : choices.shared,
      twice: choices.twice,
    };
  }

  /** Groups sequences into runs that the graph takes. */
  batchesOf(encodings: readonly Encoding[], limits: BatchLimits): readonly Batch[] {
    return groupByLength(
      encodings.map(({ ids }) => ids.length),
      limits,
      this.#form,
    );
  }

  /** Runs one batch; results are put at the sequences' places. */
  async run(run: RunGraph, encodings: readonly Encoding[], batch: Batch, into: RunResult[]): Promise<void> {
    try {
      const results = await run(this.#feeds.of(encodings, batch), this.#names);
      const rows = batch.rows ?? batch.indexes.length;
      const whole = this.#outputs.map((output) => tensorOf(results, output, rows, batch.length));
      batch.indexes.forEach((index, row) => {
        into[index] = { outputs: this.#rowOf(whole, row, batch, encodings[index]!.ids.length) };
      });
    } catch (error) {
      await this.#failed(error, run, encodings, batch, into);
    }
  }

  /**
   * Where nothing says how long a text may be, the runtime's refusal does: it concerns the text that is too long, and not
   * those beside it.
   */
  async #failed(
    error: unknown,
    run: RunGraph,
    encodings: readonly Encoding[],
    { indexes, length, rows }: Batch,
    into: RunResult[],
  ): Promise<void> {
    if (Number.isFinite(this.#task.maxTokens) || length <= SHORT_TOKENS || error instanceof ModelkeepError) throw error;
    if (indexes.length > 1) {
      for (const index of indexes) {
        const alone = this.#form.length ?? encodings[index]!.ids.length;
        await this.run(run, encodings, { indexes: [index], length: alone, rows }, into);
      }
      return;
    }
    const words = asModelkeepError(error).message;
    const message = `The text has ${length} tokens, on which the graph fails: shorten it (${words})`;
    for (const index of indexes)
      into[index] = { error: new ModelkeepError('INVALID_INPUT', message, { cause: error }) };
  }

  /** The part of a run's outputs that belongs to one sequence, cut to its tokens. */
  #rowOf(whole: readonly WholeOutput[], row: number, { length }: Batch, own: number): EncodingOutputs {
    const skip = this.#task.padLeft ? length - own : 0;
    const outputs: Record<string, EncodingOutputs[string]> = {};
    for (const { role, dims, data, perToken } of whole) {
      const rest = dims.slice(1);
      const size = rest.reduce((product, dim) => product * dim, 1);
      const mine = data.subarray(row * size, (row + 1) * size);
      if (!perToken || own === length) {
        outputs[role] = { dims: rest, data: mine };
        continue;
      }
      const inner = size / length;
      outputs[role] = { dims: [own, ...rest.slice(1)], data: mine.subarray(skip * inner, (skip + own) * inner) };
    }
    return outputs;
  }
}

interface WholeOutput {
  readonly role: string;
  readonly dims: readonly number[];
  readonly data: Float32Array;
  readonly perToken: boolean;
}

/** A graph's outputs without their dimensions, which exports declare as they please. */
function outputsOf({ outputs, activations }: SessionPlan, { activation }: TextChoices): readonly GraphOutput[] {
  return outputs.map(({ name, type }) => ({ name, type, activation: activations?.get(name) ?? activation }));
}

function tensorOf(
  results: InferenceSession.OnnxValueMapType,
  { name, role, perToken: known, activation }: TaskOutput,
  rows: number,
  length: number,
): WholeOutput {
  const tensor = results[name];
  const dims = tensor?.dims ?? [];
  const perToken = known ?? dims.length > 2;
  if (tensor === undefined || dims[0] !== rows || (perToken && dims[1] !== length)) {
    throw new ModelkeepError(
      'LOAD_FAILED',
      `The output ${name} has the dimensions [${dims.join(', ')}] for ${rows} texts of ${length} tokens; publish the ` +
        'model again with --output or another --task',
    );
  }
  // One vector a text is no list of tokens' vectors, by whatever name it goes.
  const read = role === 'last_hidden_state' && !perToken ? 'sentence_embedding' : role;
  const data = toFloats(tensor);
  return { role: read, dims, data: activation === undefined ? data : toLogits(data, activation), perToken };
}
