import { constants, setPriority } from 'node:os';
import type { SegmentCache } from '../cache/index.js';
import type { VersionStore } from '../core/index.js';
import { Residency } from '../residency/index.js';
import { onnxRunnerCommand, RunnerPool, type Runner } from '../runners/index.js';
import { Shadow, type ShadowPlace } from '../serving/index.js';
import { CloseStack } from './close-stack.js';

/** Shadows and the process that they run in; it is started when an alias is shadowed first. */
export interface OpenedShadow {
  readonly shadow: Shadow;
  /** Its processes, for the memory budget; none before they are started. */
  readonly pids: () => readonly number[];
  readonly close: () => Promise<void>;
}

/** Makes a place for shadow versions beside the node's own: a process of low priority that answers nobody. */
export function openShadow(options: {
  readonly store: VersionStore;
  readonly cache: SegmentCache;
  readonly threads: number;
  readonly onRunnerLog?: ((line: string) => void) | undefined;
}): OpenedShadow {
  const { store, cache, threads, onRunnerLog } = options;
  const stack = new CloseStack();
  let pool: RunnerPool | undefined;
  const open = async (): Promise<ShadowPlace> => {
    const command = onnxRunnerCommand(onRunnerLog === undefined ? {} : { onLog: onRunnerLog });
    const opened = await RunnerPool.open({ command, size: 1 });
    pool = opened;
    stack.push(() => opened.close());
    for (const runner of opened.runners) giveWay(runner);
    opened.events.on('joined', giveWay);
    const residency = new Residency({ store, cache, pool: opened, threads });
    stack.push(() => residency.close());
    return { residency, runners: () => opened.runners, events: opened.events };
  };
  const shadow = new Shadow({ open });
  return {
    shadow,
    pids: () => pool?.pids ?? [],
    close: async () => {
      await shadow.close();
      await stack.close();
    },
  };
}

/** Answers go first, also where there are fewer cores than processes. */
function giveWay({ pid }: Runner): void {
  try {
    setPriority(pid, constants.priority.PRIORITY_LOW);
  } catch {
    // It has ended already, or the system does not let it: comparisons then only have no lower priority.
  }
}
