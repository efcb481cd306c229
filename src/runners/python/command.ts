import { resolve } from 'node:path';
import { packageFile } from '../../core/index.js';
import { SAFE_GLOBALS } from '../../formats/index.js';
import { ALLOCATOR } from '../allocator.js';
import type { RunnerCommand } from '../runner.js';

/** Options of {@link pythonRunnerCommand}. */
export interface PythonRunnerOptions {
  /** The Python program, such as `python3` or a virtual environment's `bin/python`. */
  readonly python: string;
  /**
   * Folder of the packages of an environment that was made for versions; absolute. Python's start then looks at no
   * packages at all: files among them could run code before it is confined. @defaultValue those of `python`
   */
  readonly packages?: string;
  /** What models may import: what is on the allow-list, or anything. */
  readonly allow: 'safe' | 'any';
  /** The only folder of models that the process may read; absolute. */
  readonly segmentsFolder: string;
  /** Threads of one run. */
  readonly threads: number;
  /** Largest address space of the process, in bytes. */
  readonly maxMemoryBytes: number;
  /** Milliseconds that loading or one run may take before the process is killed and replaced. */
  readonly callTimeoutMs: number;
  readonly onLog?: (line: string) => void;
}

/** CPU time left beyond what all threads can use within the time of a call, so that the clock on the wall comes first. */
const SPARE_CPU_SECONDS = 5;

/**
 * How to start a runner for pickled models. The Python files are not compiled: they are read from the sources, which
 * the package ships.
 */
export function pythonRunnerCommand(options: PythonRunnerOptions): RunnerCommand {
  const { python, packages = null, allow, segmentsFolder, threads, maxMemoryBytes, callTimeoutMs, onLog } = options;
  const cpuSecondsPerCall = Math.ceil((callTimeoutMs / 1_000) * threads) + SPARE_CPU_SECONDS;
  const policy = allow === 'safe' ? SAFE_GLOBALS : null;
  const script = packageFile('src/runners/python/runner.py');
  const count = String(threads);
  const said = { policy, packages, segmentsFolder, maxMemoryBytes, cpuSecondsPerCall };
  return {
    // A path is this process's, not that of the private folder in which the runner starts; a name is looked for in PATH.
    command: /[/\\]/.test(python) ? resolve(python) : python,
    // -I: neither the environment nor the user's own packages; -B: no compiled files are written.
    // -S, with packages of a publisher's choice: no .pth file of theirs is executed.
    args: [...(packages === null ? ['-I', '-B'] : ['-I', '-S', '-B']), script, JSON.stringify(said)],
    env: {
      ...ALLOCATOR,
      // To find the program; nothing else of the node's environment, which may hold secrets.
      PATH: process.env.PATH ?? '',
      LANG: 'C.UTF-8',
      OMP_NUM_THREADS: count,
      OPENBLAS_NUM_THREADS: count,
      MKL_NUM_THREADS: count,
    },
    isolated: true,
    callTimeoutMs,
    ...(onLog === undefined ? {} : { onLog }),
  };
}
