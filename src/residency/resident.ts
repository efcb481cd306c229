import type { Manifest, Precision, Segment, TensorInfo, VersionRecord } from '../core/index.js';
import type { QuantizedForm, Runner } from '../runners/index.js';
import type { TaskFacts } from '../tasks/index.js';
import { nextState, type ResidencyState } from './states.js';

/** A change of a version's state on this node. */
export interface Transition {
  readonly record: VersionRecord;
  readonly from: ResidencyState;
  readonly to: ResidencyState;
  /** How long the version was in `from`, in ms. */
  readonly durationMs: number;
  /** Bytes of the version's contents. */
  readonly bytes: number;
  /** Why it failed, on the way to `failed`. */
  readonly error?: Error;
}

/** What a runner said of the loaded model. */
export interface LoadedModel {
  readonly task?: string;
  /** To which its tokenizer cuts a sequence; absent where it does not. */
  readonly maxTokens?: number | undefined;
  /** What was understood of a text model. */
  readonly facts?: TaskFacts | undefined;
  /** True if its graph computes padding in attention alone. */
  readonly skipsPadding?: boolean;
  readonly inputs: readonly TensorInfo[];
  readonly outputs: readonly TensorInfo[];
}

/** The form of a version that answers. */
export interface ServedForm {
  readonly precision: Precision;
  /** True for the compiled form, false for the plain one, which maps the published files. */
  readonly compiled: boolean;
}

/** Permission to use a version; its memory stays until the last lease is back. */
export interface Lease {
  readonly resident: Resident;
  /** Gives the lease back; doing it twice is no error. */
  release(): void;
}

/** How long a version that was loaded and never used is kept from eviction, in ms. */
const FRESH_MS = 5_000;

/** One version on this node, always in exactly one state. There is at most one of a version at a time. */
export class Resident {
  readonly record: VersionRecord;
  /** Runners that hold the version and may be asked. */
  readonly runners = new Set<Runner>();
  /** Loads into runners that took another's place; these never reject. */
  readonly hosting = new Set<Promise<void>>();
  readonly #onTransition: (transition: Transition) => void;
  readonly #onLeaseBack: () => void;
  #state: ResidencyState = 'absent';
  #sinceMs = performance.now();
  #since = new Date();
  #lastUsedMs = performance.now();
  #leases = 0;
  #used = false;
  #onIdle: (() => void)[] = [];
  #manifest: Manifest | undefined;
  #loaded: LoadedModel | undefined;
  #compiledFolder: string | undefined;
  #quantized: QuantizedForm | undefined;
  #mapped: readonly Segment[] | undefined;

  constructor(
    record: VersionRecord,
    tell: { readonly onTransition: (transition: Transition) => void; readonly onLeaseBack: () => void },
  ) {
    this.record = record;
    this.#onTransition = tell.onTransition;
    this.#onLeaseBack = tell.onLeaseBack;
  }

  get state(): ResidencyState {
    return this.#state;
  }

  /** When the present state began. */
  get since(): Date {
    return this.#since;
  }

  /** Leases that are out. */
  get leases(): number {
    return this.#leases;
  }

  /** True until its first lease is back, or it has been ready for 5 s without one. */
  get fresh(): boolean {
    if (this.#state !== 'ready') return this.#state !== 'draining';
    return !this.#used && performance.now() - this.#sinceMs < FRESH_MS;
  }

  /** When a lease was last given or returned, in ms of the monotonic clock. */
  get lastUsedMs(): number {
    return this.#lastUsedMs;
  }

  /** Known from `loading` on. */
  get manifest(): Manifest | undefined {
    return this.#manifest;
  }

  /** Where its compiled form lies, if it is served from that. */
  get compiledFolder(): string | undefined {
    return this.#compiledFolder;
  }

  /** The form to run it in, if it is not run as it was trained; known from `loading` on. */
  get quantized(): QuantizedForm | undefined {
    return this.#quantized;
  }

  /** What its runners map, besides compiled forms; empty while that is not known. */
  get mapped(): readonly Segment[] {
    return this.#mapped ?? [];
  }

  /** Which form answers, for people and for metrics. */
  get form(): ServedForm {
    return { precision: this.#quantized?.precision ?? 'fp32', compiled: this.#compiledFolder !== undefined };
  }

  /** Known from `ready` on. */
  get loaded(): LoadedModel | undefined {
    return this.#loaded;
  }

  /** Changes the state; for the residency alone. */
  enter(to: ResidencyState, error?: Error): void {
    const from = this.#state;
    this.#state = nextState(from, to);
    const now = performance.now();
    const durationMs = now - this.#sinceMs;
    this.#sinceMs = now;
    this.#since = new Date();
    const facts = { record: this.record, from, to, durationMs, bytes: this.record.size };
    this.#onTransition({ ...facts, ...(error === undefined ? {} : { error }) });
  }

  /** Records which form new runners load; for the residency alone. */
  serveFrom(compiledFolder: string | undefined): void {
    this.#compiledFolder = compiledFolder;
  }

  /** Records what was learnt on the way; for the residency alone. */
  learn(facts: {
    readonly manifest?: Manifest;
    readonly loaded?: LoadedModel;
    readonly quantized?: QuantizedForm;
    readonly mapped?: readonly Segment[];
  }): void {
    this.#quantized = facts.quantized ?? this.#quantized;
    this.#mapped = facts.mapped ?? this.#mapped;
    this.#manifest = facts.manifest ?? this.#manifest;
    this.#loaded = facts.loaded ?? this.#loaded;
  }

  /** Gives a lease; only in `ready`. */
  lease(): Lease {
    this.#leases += 1;
    this.#lastUsedMs = performance.now();
    let out = true;
    return {
      resident: this,
      release: () => {
        if (!out) return;
        out = false;
        this.#leases -= 1;
        this.#used = true;
        this.#lastUsedMs = performance.now();
        this.#onLeaseBack();
        if (this.#leases === 0) for (const tell of this.#onIdle.splice(0)) tell();
      },
    };
  }

  /** Resolves when no lease is out. */
  async idle(): Promise<void> {
    if (this.#leases === 0) return;
    await new Promise<void>((resolve) => {
      this.#onIdle.push(resolve);
    });
  }
}
