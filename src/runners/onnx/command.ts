import { fileURLToPath } from 'node:url';
import { ALLOCATOR } from '../allocator.js';
import type { RunnerCommand } from '../runner.js';

/**
 * Largest half of the young generation, in MiB; the runtime's default is 16. What a runner allocates lives shorter than
 * one request, so that the larger one only holds on to memory: about 8 MB a process.
 */
const SEMI_SPACE_MIB = 1;

/**
 * What the allocator keeps here: the activations of a run are one block, taken and given back every time. With the bounds
 * that the other runners have the system cleared its pages for each run, 300 to 500 page faults a request of MiniLM, which
 * cost up to a fifth of all answers. The block of a run of 256 tokens of MiniLM (about 8 MB) stays; larger ones than 16 MiB
 * are mapped and go back when they are freed, and so does the heap's free end beyond 12 MiB.
 */
const KEPT_BETWEEN_RUNS = Object.freeze({
  MALLOC_MMAP_THRESHOLD_: String(16 * 2 ** 20),
  MALLOC_TRIM_THRESHOLD_: String(12 * 2 ** 20),
});

/** How to start a runner for ONNX graphs with this very Node.js. */
export function onnxRunnerCommand(options: { readonly onLog?: (line: string) => void } = {}): RunnerCommand {
  return {
    command: process.execPath,
    args: [
      '--expose-gc',
      `--max-semi-space-size=${SEMI_SPACE_MIB}`,
      fileURLToPath(new URL('main.js', import.meta.url)),
    ],
    // Nothing of the node's environment reaches a runner: it needs none of it, and it may hold secrets.
    env: { ...ALLOCATOR, ...KEPT_BETWEEN_RUNS },
    ...(options.onLog === undefined ? {} : { onLog: options.onLog }),
  };
}
