/**
 * What glibc's allocator may keep in a runner. Blocks from 256 KiB are mapped and go back when they are freed, and so does
 * the heap's free end beyond 1 MiB; by default both bounds grow with the largest block that was freed, up to 32 and 64 MiB,
 * and a runner would keep what its largest request took. One heap for all threads, since each of its own keeps what its
 * thread freed. Elsewhere than on glibc these mean nothing.
 */
export const ALLOCATOR: Readonly<Record<string, string>> = Object.freeze({
  MALLOC_ARENA_MAX: '1',
  MALLOC_MMAP_THRESHOLD_: String(2 ** 18),
  MALLOC_TRIM_THRESHOLD_: String(2 ** 20),
});
