import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { InferenceSession } from 'onnxruntime-node';
import type { SessionPlan } from '../../formats/index.js';
import type { LoadMessage } from '../messages.js';
import { COMPILED_GRAPH } from './compiled-model.js';
import { packsForItself } from './form.js';

type SessionOptions = InferenceSession.SessionOptions;

/** What of a load says how its sessions are opened. */
type SessionForm = Pick<LoadMessage, 'threads' | 'loneThreads' | 'compiledFolder' | 'quantized'>;

/** Session options that every form of a version has. */
function commonOptions(threads: number): SessionOptions {
  return {
    executionProviders: ['cpu'],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    logSeverityLevel: 3,
    // An arena keeps the memory of a session's largest batch for that session alone, for as long as it lives. Without
    // one the sessions of a process share the allocator's heap; runs of 8 to 512 tokens take as long as with it.
    enableCpuMemArena: false,
  };
}

// Spinning threads turned 3 ms into 16-28 ms where sessions x threads exceed the cores.
const NO_SPINNING = { 'intra_op.allow_spinning': '0' };

/** Where nothing else runs they may spin, which is worth 1 of 5 ms for 30 tokens of MiniLM: while the run lasts. */
const SPINNING_IN_RUNS = { force_spinning_stop: '1' };

/** Under these the weights stay clean pages of the segment files. */
function mappedOptions(plan: SessionPlan, { threads, quantized }: SessionForm): SessionOptions {
  const folder =
    plan.externalDataFolder === undefined
      ? {}
      : { model_external_initializers_file_folder_path: `${plan.externalDataFolder}/` };
  // Pre-packing copies every weight into private memory.
  const packing = packsForItself(quantized) ? {} : { disable_prepacking: '1' };
  return { ...commonOptions(threads), extra: { session: { ...packing, ...NO_SPINNING, ...folder } } };
}

/** A compiled form is optimised and pre-packed already, and its files are mapped. */
function openCompiled(folder: string, threads: number, spinning: Readonly<Record<string, string>>) {
  const compiled: SessionOptions = { graphOptimizationLevel: 'disabled', extra: { session: spinning } };
  return InferenceSession.create(join(folder, COMPILED_GRAPH), { ...commonOptions(threads), ...compiled });
}

/** The sessions of one version in a runner: one for all runs, and a second on the same pages for lone ones. */
export class VersionSessions {
  readonly #usual: InferenceSession;
  readonly #message: SessionForm;
  #lone: InferenceSession | undefined;
  #loneFailed = false;

  private constructor(usual: InferenceSession, message: SessionForm) {
    this.#usual = usual;
    this.#message = message;
  }

  /** Opens the first; what the runtime says is thrown as it is. */
  static async open(plan: SessionPlan, message: SessionForm): Promise<VersionSessions> {
    const { compiledFolder, threads } = message;
    const usual =
      compiledFolder === undefined
        ? await InferenceSession.create(plan.graph, mappedOptions(plan, message))
        : await openCompiled(compiledFolder, threads, NO_SPINNING);
    return new VersionSessions(usual, message);
  }

  /** The session for a run; the answers of both are the same, bit for bit. */
  for(lone = false): InferenceSession {
    return lone ? (this.#lone ?? this.#usual) : this.#usual;
  }

  /**
   * Opens the session for lone runs, if more threads are to be had for them and it was not opened before: in some tens of
   * milliseconds, with about 2 MB of its own. A mapped form has none, since that would have to read the graph again.
   */
  async openLone(): Promise<void> {
    const { compiledFolder, threads, loneThreads = threads } = this.#message;
    const most = Math.min(loneThreads, availableParallelism());
    if (this.#lone !== undefined || this.#loneFailed || compiledFolder === undefined || most <= threads) return;
    try {
      this.#lone = await openCompiled(compiledFolder, most, SPINNING_IN_RUNS);
    } catch (error) {
      // It is served all the same; what is written here goes to the node's log.
      this.#loneFailed = true;
      console.error(`No session for lone runs: ${String(error)}`);
    }
  }

  /** Gives their memory back. */
  async release(): Promise<void> {
    await this.#lone?.release();
    await this.#usual.release();
  }
}
