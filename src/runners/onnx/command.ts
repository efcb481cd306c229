import { fileURLToPath } from 'node:url';
import { ALLOCATOR } from '../allocator.js';
import type { RunnerCommand } from '../runner.js';

/**
 * Largest half of the young generation, in MiB; the runtime's default is 16. What a runner allocates lives shorter than
 * one request, so that the larger one only holds on to memory: about 8 MB a process.
 */
const SEMI_SPACE_MIB = 1;

/**
 * What the allocator keeps here: activations are taken and given back in every layer, and with the bounds that the other
 * runners have the system cleared pages for 2 ms of each request of MiniLM's 18 ms. Blocks from 1 MiB are still mapped
 * and go back when they are freed, and so does the heap's free end beyond 4 MiB.
 */
const KEPT_BETWEEN_RUNS = Object.freeze({
  MALLOC_MMAP_THRESHOLD_: String(2 ** 20),
  MALLOC_TRIM_THRESHOLD_: String(2 ** 22),
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
