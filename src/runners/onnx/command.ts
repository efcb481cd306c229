import { fileURLToPath } from 'node:url';
import type { RunnerCommand } from '../runner.js';

/**
 * Largest half of the young generation, in MiB; the runtime's default is 16. What a runner allocates lives shorter than
 * one request, so that the larger one only holds on to memory: about 8 MB a process.
 */
const SEMI_SPACE_MIB = 1;

/**
 * What glibc's allocator may keep. Blocks from 256 KiB are mapped and go back when they are freed, and so does the heap's
 * free end beyond 1 MiB; by default both bounds grow with the largest block that was freed, up to 32 and 64 MiB, and a
 * runner would keep the activations of its largest batch. One heap for all threads, since each of its own keeps what its
 * thread freed. Elsewhere than on glibc these mean nothing.
 */
const ALLOCATOR = Object.freeze({
  MALLOC_ARENA_MAX: '1',
  MALLOC_MMAP_THRESHOLD_: String(2 ** 18),
  MALLOC_TRIM_THRESHOLD_: String(2 ** 20),
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
    env: ALLOCATOR,
    ...(options.onLog === undefined ? {} : { onLog: options.onLog }),
  };
}
