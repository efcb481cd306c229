import { asModelkeepError, type Watch, type WatchOptions } from '../../core/index.js';
import { changeCount } from './records.js';
import type { LedgerStorage } from './table.js';

/** How often the counters of the watched models are looked at; a look costs microseconds. */
const POLL_MS = 200;

/** Watches the change counters of a ledger. */
export function watchLedger(
  ledger: LedgerStorage,
  options: WatchOptions,
  translate: (error: unknown) => unknown,
  onClose: () => void,
): Watch {
  const counts = new Map<string, number>();
  let reachable = true;
  let closed = false;
  const look = (tell: boolean): void => {
    const changed: string[] = [];
    ledger.read((table) => {
      for (const model of options.models()) {
        const count = changeCount(table, model);
        if (counts.get(model) !== count) changed.push(model);
        counts.set(model, count);
      }
    });
    for (const model of changed) if (tell && !closed) options.onChange(model);
  };
  const setReachable = (now: boolean, error?: Error): void => {
    if (now === reachable || closed) return;
    reachable = now;
    options.onReachable?.(now, error);
  };
  look(false);
  const timer = setInterval(() => {
    try {
      look(true);
      setReachable(true);
    } catch (error) {
      setReachable(false, asModelkeepError(translate(error), 'STORE_UNAVAILABLE'));
    }
  }, POLL_MS).unref();
  const close = async (): Promise<void> => {
    closed = true;
    clearInterval(timer);
    onClose();
  };
  return { close, [Symbol.asyncDispose]: close };
}
