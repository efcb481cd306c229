import type { SegmentCache } from '../cache/index.js';
import type { Abortable, Manifest, ModelkeepError, Segment, VersionRecord, VersionStore } from '../core/index.js';
import type { PicklePools, QuantizedForm, RunnerPool } from '../runners/index.js';
import type { CompileReport, CompilerOptions } from './compiler.js';
import type { HostingEvents } from './hosting.js';
import type { ParityPolicy } from './parity.js';
import type { Transition } from './resident.js';

/** How versions are run other than as they were trained. */
export interface Quantizing {
  /** The form in which a version is to be run; undefined: as it was trained. */
  readonly formOf: (manifest: Manifest) => QuantizedForm | undefined;
  /**
   * Makes the tensors of a form where they are missing, of a version whose segments are here.
   *
   * @returns everything that runners map in that form, which lies among the segments
   */
  readonly make: (manifest: Manifest, form: QuantizedForm, options?: Abortable) => Promise<readonly Segment[]>;
}

/** What {@link Residency} is made of. Borrowed: closing it closes none of them. */
export interface ResidencyOptions {
  readonly store: VersionStore;
  readonly cache: SegmentCache;
  readonly pool: RunnerPool;
  /** Further processes whose memory counts to the budget. @defaultValue none */
  readonly alsoMeasured?: () => readonly number[];
  /** For pickled models, which can run any code; absent: they are refused. */
  readonly pickles?: PicklePools;
  /** Threads of one run in one runner; at least 1. */
  readonly threads: number;
  /** Threads of a run while nothing else is asked, of compiled versions. @defaultValue as `threads` */
  readonly loneThreads?: number;
  /** Largest memory of the node and its runners, in bytes, by measurement; `0`: no bound. @defaultValue 0 */
  readonly memoryBudget?: number;
  /** Makes what versions in other precisions are run from; absent: all are run as they were trained. */
  readonly quantizing?: Quantizing;
  /** Says whether a version may be loaded, before a byte of it is fetched, by throwing if not; absent: all may. */
  readonly approve?: (record: VersionRecord, manifest: Manifest, options: Abortable) => Promise<void>;
  /** How hot versions are compiled; absent: none is. */
  readonly compiler?: CompilerOptions;
  /** Milliseconds without a request after which a version that is not pinned is let go; `0`: never. @defaultValue 0 */
  readonly idleUnloadMs?: number;
  /**
   * Bytes that a runner may keep when a version has left it, before a fresh process takes its place.
   * @defaultValue 48 MiB, what the runtime and the JavaScript engine take when they are warm; 16 MiB in a Python runner,
   * what modules take that were imported for the version; a tenth of the version that left if that is more
   */
  readonly keptBytes?: number;
  /** Golden answers that versions must give where no alias says otherwise. @defaultValue the defaults of each field */
  readonly parity?: ParityPolicy;
}

/** Options of {@link Residency.ensure}. */
export interface EnsureOptions extends Abortable {
  /** Golden answers that the version must give. @defaultValue those asked of it last, else those of the residency */
  readonly parity?: ParityPolicy | undefined;
}

/** What a residency tells. */
export interface ResidencyEvents extends HostingEvents {
  transition: [Transition];
  /** Bytes that came from the store for a version. */
  fetched: [record: VersionRecord, bytes: number, segments: number];
  /** A version was let go to make room, or because nobody had asked it for long. */
  evicted: [record: VersionRecord, why: EvictionReason];
  /** A version was compiled and taken over, or could not be. */
  compiled: [CompileReport];
  /** A version ended its runners again and again; it is not loaded for a while. */
  quarantined: [record: VersionRecord, error: ModelkeepError];
  /** The runners were started anew, because they kept memory of versions that were let go; so many bytes came back. */
  renewed: [bytes: number];
  /** Runners keep memory, and could not be started anew. */
  'not-renewed': [error: ModelkeepError];
  /** A lease came back. */
  returned: [];
}

/** Why a version was let go though a reference may still mean it. */
export type EvictionReason = 'budget' | 'idle';
