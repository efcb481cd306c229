import { asModelkeepError, ModelkeepError } from '../../core/index.js';
import { textInputs, type Activation, type SessionPlan, type TextInputs } from '../../formats/index.js';
import {
  describeOutput,
  outputsAreNamed,
  taskOutputs,
  type Encoding,
  type GraphOutput,
  type OutputDim,
  type TaskOutput,
} from '../../tasks/index.js';
import { toFloats } from './floats.js';
import { sharedRuns } from './trial-company.js';
import { runtimeWords } from './runtime-words.js';
import { VersionSessions } from './sessions.js';
import { ofLength, TrialGraph, type TrialRun } from './trial-graph.js';
import type { TrialFound, TrialText } from './trial.js';

/**
 * Opens a graph and runs it on texts, alone and in company.
 *
 * @throws what the runtime says; ModelkeepError `UNSUPPORTED_FORMAT` if the graph gives nothing that the task reads
 */
export async function tryTexts(plan: SessionPlan, text: TrialText): Promise<TrialFound> {
  const inputs = textInputs(plan.inputs, text.choices.inputs);
  const sessions = await VersionSessions.open(plan, { threads: 1 });
  try {
    const graph = new TrialGraph(sessions.for(), inputs, text, plan.filling);
    const most = Math.min(text.maxTokens ?? Number.POSITIVE_INFINITY, inputs.length ?? Number.POSITIVE_INFINITY);
    const sequences = [ofLength(text.encodings, Math.min(12, most)), ofLength(text.encodings, Math.min(5, most), 3)];
    const { runs, alone } = await firstRuns(graph, sequences);
    const outputs = plan.outputs.map(({ name, type }): GraphOutput => {
      const dims = dimsOf(name, runs, inputs);
      return { name, type, dims, activation: plan.activations?.get(name) };
    });
    const reads = taskOutputs(text.task, outputs, text.choices.outputs, { prefersPooled: !text.saysPooling });
    const activation = scoresOf(reads, outputs, runs);
    const names = reads.map(({ name }) => name);
    const company =
      alone || plan.mixesRows === true
        ? { shared: 'alone' as const }
        : await sharedRuns(graph, { text, names, most, perToken: reads.map(({ perToken }) => perToken === true) });
    const maxTokens = inputs.length === undefined ? await limitOf(graph, text, names) : undefined;
    const usual = outputsAreNamed(text.task, outputs) ? taskOutputs(text.task, outputs) : [];
    const isNamed = text.choices.outputs !== undefined || usual[0]?.name === names[0];
    return {
      found: {
        ...(isNamed ? {} : { outputs: names }),
        ...(activation === undefined ? {} : { activation }),
        ...company,
        ...(maxTokens === undefined ? {} : { maxTokens }),
      },
      reads: reads.map(({ name }) =>
        describeOutput(outputs.find((each) => each.name === name) ?? { name, type: 'float32' }),
      ),
      width: widthOf(reads[0], runs),
      role: reads[0]?.role,
    };
  } finally {
    await sessions.release();
  }
}

/** Runs of two shapes; a graph that fails on two rows at once may run one at a time. */
async function firstRuns(graph: TrialGraph, sequences: readonly [Encoding, Encoding] | readonly Encoding[]) {
  const [long, short] = sequences as readonly [Encoding, Encoding];
  try {
    return { runs: [await graph.run([long, short]), await graph.run([short, short, short])], alone: false };
  } catch (together) {
    if (graph.fixesRows) throw failing(together, short, long);
    try {
      return { runs: [await graph.run([long]), await graph.run([short])], alone: true };
    } catch (error) {
      throw failing(error, short, long);
    }
  }
}

function failing(error: unknown, short: Encoding, long: Encoding): ModelkeepError {
  const { message } = asModelkeepError(runtimeWords(error));
  return new ModelkeepError(
    'LOAD_FAILED',
    `it fails on texts of ${short.ids.length} and ${long.ids.length} tokens (${message})`,
    { cause: error },
  );
}

/** What each dimension of an output follows. */
function dimsOf(name: string, [first, second]: readonly TrialRun[], { length }: TextInputs): readonly OutputDim[] {
  const one = first?.results[name]?.dims ?? [];
  const two = second?.results[name]?.dims ?? [];
  if (first === undefined || second === undefined || one.length !== two.length) return ['other'];
  return one.map((size, axis): OutputDim => {
    if (axis === 0 && size === first.rows && two[axis] === second.rows) return 'rows';
    if (size === first.length && two[axis] === second.length) return length === undefined ? 'length' : 'either';
    return size === two[axis] ? size : 'other';
  });
}

/** What logits were put through that no node of the graph says: rows of numbers from 0 to 1 whose sum is 1. */
function scoresOf(
  reads: readonly TaskOutput[],
  outputs: readonly GraphOutput[],
  runs: readonly TrialRun[],
): Activation | undefined {
  const [read] = reads;
  if (read === undefined || !read.role.endsWith('logits')) return undefined;
  if (outputs.find(({ name }) => name === read.name)?.activation !== undefined) return undefined;
  for (const { results } of runs) {
    const tensor = results[read.name];
    const width = tensor?.dims.at(-1) ?? 0;
    if (tensor === undefined || width < 2) return undefined;
    const numbers = toFloats(tensor);
    for (let begin = 0; begin < numbers.length; begin += width) {
      const row = numbers.subarray(begin, begin + width);
      const sum = row.reduce((total, score) => total + score, 0);
      if (row.some((score) => score < 0 || score > 1) || Math.abs(sum - 1) > 1e-3) return undefined;
    }
  }
  return 'softmax';
}

function widthOf(read: TaskOutput | undefined, [run]: readonly TrialRun[]): number | undefined {
  return read === undefined ? undefined : run?.results[read.name]?.dims.at(-1);
}

/** Lengths at which tables of positions end. */
const USUAL_LIMITS = [128, 256, 512, 1024];
/** Longer texts are not tried: each costs a large model seconds. */
const LONGEST_TRIED = 1024;

/**
 * The most tokens on which the graph does not fail, where that is less than the model's files say, or they do not say it;
 * undefined for a graph that takes all that was tried.
 */
async function limitOf(
  graph: TrialGraph,
  { encodings, maxTokens = Number.POSITIVE_INFINITY }: TrialText,
  names: readonly string[],
): Promise<number | undefined> {
  const fails = async (length: number): Promise<boolean> => {
    try {
      await graph.run([ofLength(encodings, length)], names);
      return false;
    } catch {
      // Any refusal of this length: the runtime has no word for a text that is too long.
      return true;
    }
  };
  if (Number.isFinite(maxTokens) && !(await fails(Math.min(maxTokens, LONGEST_TRIED)))) return undefined;
  const lengths = [...USUAL_LIMITS.flatMap((limit) => [limit, limit + 1]), maxTokens].filter(
    (each) => each <= maxTokens,
  );
  let below = 1;
  let above: number | undefined;
  for (const length of lengths) {
    if (await fails(length)) {
      above = length;
      break;
    }
    below = length;
  }
  if (above === undefined) return undefined;
  while (above - below > 1) {
    const middle = Math.floor((above + below) / 2);
    if (await fails(middle)) above = middle;
    else below = middle;
  }
  return below;
}
