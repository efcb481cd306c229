import { packageFile } from '../../core/index.js';
import { ALLOCATOR } from '../allocator.js';
import type { RunnerCommand } from '../runner.js';

/**
 * Largest half of the young generation, in MiB; the runtime's default is 16. What a runner allocates lives shorter than
 * one request, so that the larger one only holds on to memory: about 8 MB a process.
 */
const SEMI_SPACE_MIB = 1;

/**
 * What the allocator keeps here: the activations of a run are taken and given back every time. With blocks mapped from
 * 256 KiB or 1 MiB on, the system cleared their pages for each run, 300 to 500 page faults a request of MiniLM, which cost
 * up to a fifth of all answers. From 16 MiB on, what a load reads is left in the heap as well: a second small version then
 * took 3 MB instead of 0.8. Larger blocks than 4 MiB are mapped and go back when they are freed, and so does the heap's
 * free end beyond 4 MiB. It is backed by large pages where the system allows, so that taking it again costs a few page
 * faults (170 to 180 a request without; 8 MiB without them answered as many, and took 4 MB more in each runner).
 *
 * The threads' own lists of small free blocks are off: such a block counts as in use, so that one amid the activations
 * keeps the room around it from becoming one piece again. With them the heap of each of two runners grew to 29-36 MB under
 * 32 clients, without them to 17-20 MB, and as many requests were answered.
 */
const KEPT_BETWEEN_RUNS = Object.freeze({
  MALLOC_MMAP_THRESHOLD_: String(2 ** 22),
  MALLOC_TRIM_THRESHOLD_: String(2 ** 22),
  GLIBC_TUNABLES: 'glibc.malloc.tcache_count=0:glibc.malloc.hugetlb=1',
});

/**
 * The library that tokenizes splits a long batch over threads of its own unless it is told not to; they would take the
 * processors from the runs of other requests.
 */
const ONE_TOKENIZER_THREAD = Object.freeze({ RAYON_NUM_THREADS: '1', TOKENIZERS_PARALLELISM: 'false' });

/** How to start a runner for ONNX graphs with this very Node.js. */
export function onnxRunnerCommand(options: { readonly onLog?: (line: string) => void } = {}): RunnerCommand {
  return {
    command: process.execPath,
    args: ['--expose-gc', `--max-semi-space-size=${SEMI_SPACE_MIB}`, packageFile('dist/programs/runner.js')],
    // Nothing of the node's environment reaches a runner: it needs none of it, and it may hold secrets.
    env: { ...ALLOCATOR, ...KEPT_BETWEEN_RUNS, ...ONE_TOKENIZER_THREAD },
    ...(options.onLog === undefined ? {} : { onLog: options.onLog }),
  };
}
