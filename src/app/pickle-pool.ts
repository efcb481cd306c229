import { join } from 'node:path';
import type { SegmentCache } from '../cache/index.js';
import { PicklePools, type RunnerEmitter } from '../runners/index.js';
import type { Settings } from './settings.js';

/** Longest time of a call where requests have no limit, in ms: 10 minutes. */
const LONGEST_CALL_MS = 600_000;
/** Share of a request's time that one call may take, so that the request hears of a runner that hangs. */
const CALL_SHARE = 0.75;

/** The Python runners for pickled models, not started yet; none unless they are allowed. */
export function picklePool(
  { allowPickle, python, wheelhouse, cacheDir, threads, pickleMaxMemory, requestTimeoutMs }: Omit<Settings, 'store'>,
  { folder: segmentsFolder, budget }: SegmentCache,
  onLog: ((line: string) => void) | undefined,
  events: RunnerEmitter,
): PicklePools | undefined {
  if (allowPickle === 'off') return undefined;
  return new PicklePools({
    python,
    allow: allowPickle,
    environmentsFolder: join(cacheDir, 'environments'),
    wheelhouse,
    budget,
    events,
    segmentsFolder,
    threads,
    maxMemoryBytes: pickleMaxMemory,
    callTimeoutMs: requestTimeoutMs === 0 ? LONGEST_CALL_MS : Math.ceil(requestTimeoutMs * CALL_SHARE),
    ...(onLog === undefined ? {} : { onLog }),
  });
}
