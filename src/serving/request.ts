import type { Context } from '@opentelemetry/api';
import type { ModelkeepError, TensorInfo, VersionRecord } from '../core/index.js';
import type { ServedForm } from '../residency/index.js';
import type { Tensors } from '../runners/index.js';
import type { TaskFacts } from '../tasks/index.js';
import type { CacheOutcome } from './answer-cache.js';
import type { RequestTiming } from './queue.js';

/** How current the version must be: `'watched'` trusts the watch (no query), `'checked'` asks the store first. */
export type Freshness = 'watched' | 'checked';

/** Options of one request. */
export interface RequestOptions {
  /** Gives the request up. */
  readonly signal?: AbortSignal | undefined;
  /** Time from the arrival to the answer, loading included, in ms; `0`: no limit. @defaultValue the service's `requestTimeoutMs` */
  readonly timeoutMs?: number;
  /** @defaultValue 'watched' */
  readonly freshness?: Freshness;
  /** Not refused for the time that the queue stands for, since its caller bounds what is under way. @defaultValue false */
  readonly patient?: boolean;
  /** What the spans of this request lie below. @defaultValue what is active */
  readonly traceContext?: Context;
  /**
   * Which models the caller may use, by which kept answers are told apart. Absent: no answer is kept, and none is given
   * that was kept.
   */
  readonly rights?: string;
  /** Where an alias is split, the same key gets the same version. @defaultValue any version, by its share */
  readonly key?: string;
}

/** An answer and the version that gave it. */
export interface Prediction {
  /** Shaped as the transformers pipeline of the task gives it. */
  readonly output: unknown;
  /** Tokens of the request, special ones included; absent where nothing was tokenized. */
  readonly tokens?: number;
  readonly record: VersionRecord;
  /** The form of the version that answered. */
  readonly form: ServedForm;
  readonly timing: RequestTiming;
}

/** Output tensors and the version that gave them. */
export interface TensorPrediction {
  readonly tensors: Tensors;
  readonly record: VersionRecord;
  /** The form of the version that answered. */
  readonly form: ServedForm;
  readonly timing: RequestTiming;
}

/** What a model takes and gives, and which version it is. */
export interface ModelDescription {
  readonly record: VersionRecord;
  /** Absent for a model that only takes tensors. */
  readonly task?: string;
  readonly inputs: readonly TensorInfo[];
  readonly outputs: readonly TensorInfo[];
  /** To which a sequence is cut; absent where it is not. */
  readonly maxTokens?: number | undefined;
  /** What was understood of a text model. */
  readonly facts?: TaskFacts | undefined;
  /** The form in which it answers. */
  readonly form?: ServedForm | undefined;
}

/** One finished request, for metrics and logs. */
export interface RequestReport {
  readonly reference: string;
  readonly durationMs: number;
  readonly record?: VersionRecord;
  readonly timing?: RequestTiming;
  readonly error?: ModelkeepError;
  /** Whether the answer was kept; absent where none are kept. */
  readonly cached?: CacheOutcome | undefined;
  readonly traceContext?: Context;
}
