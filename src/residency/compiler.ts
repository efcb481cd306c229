import type { Abortable, Manifest, ModelkeepError, VersionRecord } from '../core/index.js';
import { asModelkeepError } from '../core/index.js';
import type { Hosting } from './hosting.js';
import type { Resident } from './resident.js';

/** What {@link Compiler} is made of. */
export interface CompilerOptions {
  /** Runs of a version within a minute from which it is hot. */
  readonly hotRunsPerMinute: number;
  /** Compiled forms that were found damaged and removed since the start. */
  readonly dropped: () => number;
  /** The folder of a version's compiled form, in its precision, if there is one. */
  readonly find: (resident: Resident) => Promise<string | undefined>;
  /** Makes the compiled form, once for a machine, in a process of low priority; the folder that holds it. */
  readonly compile: (resident: Resident, manifest: Manifest, options: Abortable) => Promise<string>;
}

/** What became of a compile. */
export interface CompileReport {
  readonly record: VersionRecord;
  readonly durationMs: number;
  /** Why the version is served uncompiled all the same. */
  readonly error?: ModelkeepError;
}

/** What {@link Compiler} works with. */
export interface CompilerParts {
  readonly hosting: Hosting;
  readonly onReport: (report: CompileReport) => void;
  /** True if that many bytes more of memory are within the node's bound. */
  readonly hasRoom: (bytes: number) => Promise<boolean>;
}

const WINDOW_MS = 60_000;
/**
 * Copies of a version that must fit into memory for it to be compiled: that of the process that compiles, with the
 * weights in both layouts, and the compiled form beside the one that serves.
 */
const COPIES = 3;

/**
 * Compiles what is hot: counts the runs of versions, and has one that runs often compiled in the background, one at a
 * time, then lets the runners take it over one after the other. What fails is served uncompiled and not tried again; what
 * finds no room in memory is tried again when it is hot the next time.
 */
export class Compiler {
  readonly #options: CompilerOptions;
  readonly #parts: CompilerParts;
  readonly #stop = new AbortController();
  readonly #runs = new Map<string, { sinceMs: number; count: number }>();
  /** Versions that are compiled or being compiled. */
  readonly #compiled = new Set<string>();
  /** Versions that could not be compiled, which is not tried again. */
  readonly #givenUp = new Set<string>();
  #turn: Promise<void> = Promise.resolve();

  constructor(options: CompilerOptions, parts: CompilerParts) {
    this.#options = options;
    this.#parts = parts;
  }

  /**
   * The compiled form to load a version from, if there is one; a cache that cannot be read is none.
   *
   * @param unsharedBytes what that form adds to memory, because others hold the same tensors in their plain form
   */
  async find(resident: Resident, unsharedBytes: number): Promise<string | undefined> {
    const { record } = resident;
    if (record.digest === undefined || record.format === 'joblib') return undefined;
    const folder = await this.#options.find(resident).catch((error: unknown) => {
      this.#parts.onReport({ record, durationMs: 0, error: asModelkeepError(error) });
      return undefined;
    });
    // The form may have left the disk since it was made here.
    if (folder === undefined) this.#compiled.delete(record.id);
    else this.#compiled.add(record.id);
    // Compiled tensors are other pages than the segments that versions in plain form share.
    return folder === undefined || (await this.#parts.hasRoom(unsharedBytes)) ? folder : undefined;
  }

  /** Counts one run; the one that makes a version hot starts its compile. */
  ran(resident: Resident): void {
    const { id, digest, format } = resident.record;
    if (this.#compiled.has(id) || this.#givenUp.has(id) || digest === undefined || format === 'joblib') return;
    const now = performance.now();
    const seen = this.#runs.get(id);
    const current = seen !== undefined && now - seen.sinceMs < WINDOW_MS ? seen : { sinceMs: now, count: 0 };
    current.count += 1;
    this.#runs.set(id, current);
    if (current.count >= this.#options.hotRunsPerMinute) this.start(resident);
  }

  /** Compiles a version in the background, whatever its heat. */
  start(resident: Resident): void {
    const { id } = resident.record;
    if (this.#compiled.has(id) || this.#givenUp.has(id)) return;
    this.#compiled.add(id);
    this.#runs.delete(id);
    this.#turn = this.#turn.then(() => this.#compile(resident));
  }

  /** Ends the compile under way. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#turn;
  }

  async #compile(resident: Resident): Promise<void> {
    const { record, manifest } = resident;
    const { signal } = this.#stop;
    const startedMs = performance.now();
    // It may have been let go while others were compiled.
    if (manifest === undefined || signal.aborted || resident.state !== 'ready') return this.#forget(resident);
    try {
      if (!(await this.#parts.hasRoom(COPIES * record.size))) {
        return this.#forget(resident);
      }
      const folder = await this.#options.compile(resident, manifest, { signal });
      await this.#parts.hosting.takeOver(resident, folder);
      this.#parts.onReport({ record, durationMs: performance.now() - startedMs });
    } catch (error) {
      // What it was made from may have left the disk with it: no fault of the version.
      if (resident.state !== 'ready') return this.#forget(resident);
      this.#givenUp.add(record.id);
      if (!signal.aborted)
        this.#parts.onReport({ record, durationMs: performance.now() - startedMs, error: asModelkeepError(error) });
    }
  }

  /** Lets a version be tried again when it is hot the next time. */
  #forget({ record }: Resident): void {
    this.#compiled.delete(record.id);
  }
}
