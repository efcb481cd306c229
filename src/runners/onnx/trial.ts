import { openDeadline, type Abortable } from '../../core/index.js';
import type { SessionPlan, TextChoices } from '../../formats/index.js';
import type { Encoding } from '../../tasks/index.js';
import { explained } from './check.js';
import { runChildJob } from './child-job.js';

/** What a graph is tried with. */
export interface TrialText {
  readonly task: string;
  readonly choices: TextChoices;
  readonly padId: number;
  readonly padLeft: boolean;
  /** Most tokens of a sequence; absent where no file of the model says. */
  readonly maxTokens?: number | undefined;
  /** The place of the first token. */
  readonly firstPosition: number;
  /** True if the model's files or its publisher say how vectors of tokens become one. */
  readonly saysPooling: boolean;
  /** Sequences of texts of two lengths or more. */
  readonly encodings: readonly Encoding[];
}

/** What runs of a graph showed. */
export interface TrialFound {
  /** What is to be kept with the version, since names and files do not say it. */
  readonly found: Pick<TextChoices, 'outputs' | 'activation' | 'shared' | 'twice' | 'maxTokens'>;
  /** What the task reads, in words, such as `output_0 (float32 [rows, 3])`. */
  readonly reads: readonly string[];
  /** Numbers of a text or token: labels, features, or the vocabulary. */
  readonly width?: number | undefined;
  /** Role by which the task reads its first output. */
  readonly role?: string | undefined;
}

/** What the process is told, on the line before the graph. */
export interface TrialJob {
  readonly plan: Omit<SessionPlan, 'graph' | 'activations' | 'words' | 'facts' | 'derived' | 'replaced'>;
  readonly activations: readonly (readonly [string, 'softmax' | 'sigmoid'])[];
  readonly text: TrialText;
}

/** How long a graph may take for all its runs, in ms; a large model takes some seconds. */
const LIMIT_MS = 180_000;

/**
 * Runs a graph on some texts as a server would, in a process of its own that ends afterwards: what would fail at the first
 * request is met here, and what names of outputs do not say is seen.
 *
 * @param path names the file in errors
 * @throws ModelkeepError `UNSUPPORTED_FORMAT` for a graph that gives nothing that the task reads, or whose operators the
 * runtime does not have; `INVALID_ARTIFACT` for one that fails, or takes too long
 */
export async function tryGraph(
  path: string,
  plan: SessionPlan,
  text: TrialText,
  { signal }: Abortable = {},
): Promise<TrialFound> {
  const { graph, activations = new Map(), externalDataFolder, inputs, outputs, filling, mixesRows } = plan;
  const job: TrialJob = {
    plan: { externalDataFolder, inputs, outputs, filling, mixesRows } as TrialJob['plan'],
    activations: [...activations],
    text,
  };
  const input = Buffer.concat([Buffer.from(`${JSON.stringify(job)}\n`), graph]);
  const what = { doer: `The process that tried ${path}`, consequence: 'it cannot be served' };
  const deadline = openDeadline(LIMIT_MS, signal);
  try {
    return JSON.parse(await runChildJob('trial', input, what, { signal: deadline.signal })) as TrialFound;
  } catch (error) {
    throw explained(path, error, { late: deadline.signal.aborted && signal?.aborted !== true, limitMs: LIMIT_MS });
  } finally {
    deadline.clear();
  }
}
