import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** What a publisher says; see `children/publisher.mjs`. */
export interface Said {
  readonly open?: boolean;
  readonly begin?: string;
  readonly progress?: string;
  readonly version?: number;
  readonly seed?: string;
}

/** A publisher in a process of its own. */
export interface PublisherProcess {
  readonly child: ChildProcessWithoutNullStreams;
  /** All that it has said so far. */
  readonly said: readonly Said[];
  /** Resolves when it has opened the store and waits for {@link PublisherProcess.go}. */
  readonly opened: Promise<void>;
  /** Lets it publish. */
  go(): void;
  /** Resolves when it has ended and all that it said was heard: to its signal, its exit code, and its complaints. */
  readonly ended: Promise<{
    readonly signal: NodeJS.Signals | null;
    readonly code: number | null;
    readonly stderr: string;
  }>;
}

/** Starts a publisher of `count` versions of `model`, whose contents follow from `seed`. */
export function startPublisher(
  asked: { readonly directory: string; readonly model: string; readonly seed: string; readonly count: number },
  onSaid: (said: Said) => void = () => undefined,
): PublisherProcess {
  const script = fileURLToPath(new URL('children/publisher.mjs', import.meta.url));
  const child = spawn(process.execPath, [script, asked.directory, asked.model, asked.seed, String(asked.count)]);
  const said: Said[] = [];
  let stderr = '';
  let [opened, failed]: [() => void, (error: Error) => void] = [() => undefined, () => undefined];
  const whenOpen = new Promise<void>((resolve, reject) => {
    [opened, failed] = [resolve, reject];
  });
  createInterface({ input: child.stdout }).on('line', (line) => {
    const heard = JSON.parse(line) as Said;
    said.push(heard);
    if (heard.open === true) opened();
    onSaid(heard);
  });
  child.stderr.on('data', (data: Buffer) => {
    stderr += data.toString();
  });
  // A publisher that is killed no longer reads.
  child.stdin.on('error', () => undefined);
  const ended = once(child, 'close').then(() => {
    failed(new Error(`The publisher ended before it had opened the store: ${stderr}`));
    return { signal: child.signalCode, code: child.exitCode, stderr };
  });
  return { child, said, opened: whenOpen, go: () => child.stdin.write('go\n'), ended };
}
