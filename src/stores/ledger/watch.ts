import type { ModelkeepError, Watch, WatchOptions } from '../../core/index.js';
import { changeCount } from './records.js';
import type { LedgerStorage } from './table.js';

/** How often the counters of the watched models are looked at, in ms: 0.7 % of a processor, and a swap begins sooner. */
const POLL_MS = 50;

/** Watches the change counters of a ledger; `onClose` is called when the watch is closed. */
export function watchLedger(
  ledger: LedgerStorage,
  options: WatchOptions,
  translate: (error: unknown) => ModelkeepError,
  onClose: () => void,
): Watch {
  const counts = new Map<string, number>();
  let reachable = true;
  let closed = false;
  /** The models whose counter is another one than at the last look. */
  const look = (): string[] => {
    const changed: string[] = [];
    ledger.read((table) => {
      for (const model of options.models()) {
        const count = changeCount(table, model);
        if (counts.get(model) !== count) changed.push(model);
        counts.set(model, count);
      }
    });
    return changed;
  };
  const setReachable = (now: boolean, error?: Error): void => {
    if (now === reachable || closed) return;
    reachable = now;
    options.onReachable?.(now, error);
  };
  const poll = (): void => {
    let changed: string[];
    try {
      changed = look();
    } catch (error) {
      setReachable(false, translate(error));
      return;
    }
    // Outside of the try: what a callback throws says nothing about the store.
    setReachable(true);
    for (const model of changed) if (!closed) options.onChange(model);
  };
  look();
  const timer = setInterval(poll, POLL_MS).unref();
  const close = async (): Promise<void> => {
    closed = true;
    clearInterval(timer);
    onClose();
  };
  return { close, [Symbol.asyncDispose]: close };
}
