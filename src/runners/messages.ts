import type { TensorInfo } from '../core/index.js';
import type { TaskFacts, TaskRequest } from '../tasks/index.js';
import type { VersionForm } from './onnx/form.js';

/** Asks a runner to bring in the libraries that every load needs, so that what they take is no version's. */
export interface PrepareMessage {
  readonly op: 'prepare';
}

/** Asks a runner to make a version ready to run. */
export interface LoadMessage extends VersionForm {
  readonly op: 'load';
  /** The version's id: its name in later messages. */
  readonly key: string;
  /** Absolute folder of the compiled form to load instead; what is loaded already is taken over by it. */
  readonly compiledFolder?: string;
  /** Threads of one run. */
  readonly threads: number;
  /** Threads of a run while nothing else is asked, of a compiled form. @defaultValue as `threads` */
  readonly loneThreads?: number;
}

/** What a runner says of a version that it loaded. */
export interface LoadedReply {
  /** Absent for a model that only takes tensors. */
  readonly task?: string;
  /** To which its tokenizer cuts a sequence; absent where it does not. */
  readonly maxTokens?: number | undefined;
  /** What was understood of a text model; absent for one that only takes tensors. */
  readonly facts?: TaskFacts | undefined;
  /** True if its graph computes padding in attention alone. */
  readonly skipsPadding?: boolean;
  readonly inputs: readonly TensorInfo[];
  readonly outputs: readonly TensorInfo[];
  readonly loadMs: number;
}

/** Asks a runner to run a loaded version once, so that its first request is not its slowest. */
export interface WarmMessage {
  readonly op: 'warm';
  readonly key: string;
}

/** Asks for answers; each request succeeds or fails on its own. */
export interface PredictMessage {
  readonly op: 'predict';
  readonly key: string;
  readonly requests: readonly TaskRequest[];
  /** Nothing else is asked of any runner: the run may have the processors for itself. @defaultValue false */
  readonly lone?: boolean;
  /** Tokens that one run of the session takes at the most, padding included. @defaultValue 256 */
  readonly maxTokens?: number;
}

/** One answer: either `output`, shaped as the task gives it, or `error`. */
export type PredictAnswer =
  | {
      readonly output: unknown;
      /** Tokens of the request, special ones included; absent where nothing was tokenized. */
      readonly tokens?: number;
    }
  | { readonly error: { readonly code: string; readonly message: string } };

/** The answers, in the order of the requests, and what they cost. */
export interface PredictReply {
  readonly answers: readonly PredictAnswer[];
  readonly tokenizeMs: number;
  readonly runMs: number;
  /** Real tokens run. */
  readonly tokens: number;
  /** Tokens run, padding included; where the graph skips it, attention alone runs on padding, which is not counted. */
  readonly paddedTokens: number;
  /** Runs of the session. */
  readonly batches: number;
}

/** Asks for one run on the frame's tensors; the reply's frame carries the outputs. */
export interface InferMessage {
  readonly op: 'infer';
  readonly key: string;
  /** Outputs wanted; absent: all. */
  readonly outputs?: readonly string[];
}

/** Asks a runner to give a version's memory back. */
export interface UnloadMessage {
  readonly op: 'unload';
  readonly key: string;
}

/** Asks what the runner holds. */
export interface StatsMessage {
  readonly op: 'stats';
}

/** What a runner holds and has done since it started. */
export interface RunnerStats {
  readonly pid: number;
  /** Keys of the loaded versions. */
  readonly loaded: readonly string[];
  /** Sessions created since the start. */
  readonly sessionsCreated: number;
  /** Versions with a second session for lone runs; of an ONNX runner only. */
  readonly loneSessions?: number;
  /** Resident set of the process, in bytes. */
  readonly rssBytes: number;
  /** What confines the process, by name; of a Python runner only. */
  readonly isolation?: Readonly<Record<string, { readonly inForce: boolean; readonly detail: string }>>;
  /** Releases of Python and of the packages that pickled models and skops files need, `null` if missing; of a Python runner only. */
  readonly packages?: Readonly<Record<string, string | null>>;
}

/** Everything that can be asked of a runner, with its reply. */
export interface RunnerCalls {
  prepare: { readonly message: PrepareMessage; readonly reply: Record<string, never> };
  load: { readonly message: LoadMessage; readonly reply: LoadedReply };
  warm: { readonly message: WarmMessage; readonly reply: Record<string, never> };
  predict: { readonly message: PredictMessage; readonly reply: PredictReply };
  infer: { readonly message: InferMessage; readonly reply: Record<string, never> };
  unload: { readonly message: UnloadMessage; readonly reply: Record<string, never> };
  stats: { readonly message: StatsMessage; readonly reply: RunnerStats };
}

/** Any request message. */
export type RunnerMessage = RunnerCalls[keyof RunnerCalls]['message'];
