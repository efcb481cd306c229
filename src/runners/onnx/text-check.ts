import { spawn, type ChildProcess } from 'node:child_process';
import {
  asModelkeepError,
  errorFromJson,
  ModelkeepError,
  packageFile,
  throwIfAborted,
  type Abortable,
  type VersionFiles,
} from '../../core/index.js';
import type { Encoding, TaskFacts, TaskRequest } from '../../tasks/index.js';

/** What a version's text is checked with. */
export interface TextCheckJob {
  readonly task: string;
  /** Requests that must be ones that the task takes. */
  readonly requests?: readonly TaskRequest[] | undefined;
  /** Texts whose sequences are wanted, as the tokenizer makes them, whatever the task does with texts. */
  readonly samples?: readonly string[] | undefined;
  /** Tokens of a sequence at the most, where a graph says so. */
  readonly maxTokens?: number | undefined;
}

/** What was found of a version's text: what an open task says of itself. */
export interface CheckedText {
  readonly name: string;
  readonly facts: TaskFacts;
  readonly padId: number;
  readonly padLeft: boolean;
  /** Infinite where a sequence is not cut. */
  readonly maxTokens: number;
  /** The first of `requests` that the task does not take. */
  readonly problem?: { readonly at: number; readonly error: ModelkeepError } | undefined;
  /** The sequences of `samples`. */
  readonly samples: readonly Encoding[];
  /** The place of the first token. */
  readonly firstPosition: number;
}

/** From the process: it wants bytes of a file, begins a request, or has ended. */
export type FromTextCheck =
  | {
      readonly read: number;
      readonly path: string;
      readonly start?: number | undefined;
      readonly end?: number | undefined;
    }
  | { readonly begins: number }
  | { readonly found: Omit<CheckedText, 'problem'>; readonly problem?: { readonly at: number; readonly error: object } }
  | { readonly failed: object };

/** To the process: the work, and what it wanted to read. */
export type ToTextCheck =
  | { readonly job: TextCheckJob; readonly files: readonly (readonly [path: string, size: number])[] }
  | { readonly read: number; readonly bytes: Uint8Array }
  | { readonly read: number; readonly error: object };

/** How long opening a tokenizer and reading all examples may take, in ms: an evaluation set of 64 MiB takes a minute. */
const LIMIT_MS = 180_000;
/** Memory of the process's own, in MiB; the largest tokenizers in use take a quarter of it while they are read. */
const HEAP_MIB = 2_048;

/**
 * Opens a version's task and tokenizes with it in a process that ends afterwards. A tokenizer is the publisher's: its
 * patterns may take for ever, and a library in Rust ends the process in which one fails. So it never runs in a process
 * that does anything else.
 *
 * @throws ModelkeepError as `openTask`; `INVALID_ARTIFACT` for a tokenizer that ends its process or takes too long
 */
export async function checkText(
  files: VersionFiles,
  job: TextCheckJob,
  { signal }: Abortable = {},
): Promise<CheckedText> {
  throwIfAborted(signal);
  const args = [`--max-old-space-size=${HEAP_MIB}`, packageFile('dist/programs/text.js')];
  const child = spawn(process.execPath, args, {
    env: { RAYON_NUM_THREADS: '1', TOKENIZERS_PARALLELISM: 'false' },
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    serialization: 'advanced',
  });
  let doing = 'was opened';
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    child.kill('SIGKILL');
  }, LIMIT_MS);
  const abort = (): void => void child.kill('SIGKILL');
  signal?.addEventListener('abort', abort);
  try {
    return await new Promise<CheckedText>((resolve, reject) => {
      child.once('error', (error) => reject(asModelkeepError(error, 'RUNNER_CRASHED')));
      child.on('message', (message: FromTextCheck) => {
        if ('read' in message) void serve(child, files, message);
        else if ('begins' in message) doing = `read example ${message.begins + 1}`;
        else if ('failed' in message) reject(errorFromJson(message.failed));
        else resolve(checked(message));
      });
      child.once('exit', (code, by) => reject(endOf({ doing, late, how: by ?? `exit code ${code}` })));
      send(child, { job, files: files.paths.map((path) => [path, files.size(path) ?? 0]) });
    });
  } catch (error) {
    throwIfAborted(signal);
    throw error;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', abort);
    child.kill('SIGKILL');
  }
}

function checked({ found, problem }: Extract<FromTextCheck, { found: unknown }>): CheckedText {
  return { ...found, problem: problem && { at: problem.at, error: errorFromJson(problem.error) } };
}

/** Gives the process what it wants to read; one that has ended meanwhile wants nothing any more. */
async function serve(
  child: ChildProcess,
  files: VersionFiles,
  { read, path, start, end }: Extract<FromTextCheck, { read: number }>,
): Promise<void> {
  try {
    const range = { ...(start === undefined ? {} : { start }), ...(end === undefined ? {} : { end }) };
    send(child, { read, bytes: await files.read(path, range) });
  } catch (error) {
    send(child, { read, error: asModelkeepError(error).toJSON() });
  }
}

function send(child: ChildProcess, message: ToTextCheck): void {
  if (child.connected) child.send(message, () => undefined);
}

function endOf({
  doing,
  late,
  how,
}: {
  readonly doing: string;
  readonly late: boolean;
  readonly how: string;
}): ModelkeepError {
  const why = late
    ? `took longer than ${LIMIT_MS / 1_000} s`
    : `ended the process that checked it (${how}): a pattern in it fails, or it takes too much memory`;
  return new ModelkeepError(
    'INVALID_ARTIFACT',
    `The tokenizer ${why}, when it ${doing}. Check the patterns of pre_tokenizer and normalizer in tokenizer.json`,
  );
}
