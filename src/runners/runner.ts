import { spawn, type ChildProcess } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { asModelkeepError, errorFromJson, ModelkeepError } from '../core/index.js';
import { encodeFrame, FrameReader, type Frame, type Tensors } from './frames.js';
import type { RunnerCalls } from './messages.js';
import { isAlive, nextMode, type RunnerMode } from './runner-mode.js';

/** How to start a runner process. It speaks frames on file descriptor 3. */
export interface RunnerCommand {
  readonly command: string;
  readonly args: readonly string[];
  /** The whole environment of the process: nothing is inherited. */
  readonly env: Readonly<Record<string, string>>;
  /** Called with each line that the process writes to its standard error. */
  readonly onLog?: ((line: string) => void) | undefined;
  /**
   * In a process group of its own, and in a private temporary folder (as working directory, `HOME` and `TMPDIR`) that
   * is removed when it ends. @defaultValue false
   */
  readonly isolated?: boolean | undefined;
  /** Milliseconds after which any call makes the runner hung, however long the call itself allows. @defaultValue no bound */
  readonly callTimeoutMs?: number | undefined;
}

/** A reply with the tensors that came with it. */
export interface RunnerReply<Op extends keyof RunnerCalls> {
  readonly result: RunnerCalls[Op]['reply'];
  readonly tensors: Tensors;
}

/** What all runners of a node tell, on one emitter that they share: a listener hears of every runner, new ones too. */
export interface RunnerEvents {
  /** A runner has changed its mode; `runner.mode` is the new one. */
  mode: [runner: Runner, from: RunnerMode];
  /** A runner serves in its pool from now on. It holds nothing yet. */
  joined: [runner: Runner];
  /** A runner that a pool wants could not be started; it is tried again after a pause. */
  failed: [error: ModelkeepError];
}

/** Where runners tell what happens to them. */
export type RunnerEmitter = EventEmitter<RunnerEvents>;

/** Options of {@link Runner.call}. */
export interface CallOptions {
  /**
   * Milliseconds that this call may take once the calls before it are answered; then the runner is hung.
   * @defaultValue {@link LONGEST_CALL_MS}
   */
  readonly limitMs?: number | undefined;
}

/**
 * Longest time that a call may take where nothing shorter is said, in ms: 5 minutes. Loading the largest model that one
 * machine holds from a slow disk takes less.
 */
export const LONGEST_CALL_MS = 300_000;

interface Call {
  readonly limitMs: number;
  resolve(reply: RunnerReply<keyof RunnerCalls>): void;
  reject(error: ModelkeepError): void;
}

/** How long a runner may take from its start to its first word: 30 s, generous for a loaded small machine. */
const START_TIMEOUT_MS = 30_000;
/** Bytes of standard error that are kept to explain a crash. */
const LAST_WORDS_BYTES = 2_000;

/**
 * One runner process. It answers calls in the order in which they came, and is always in exactly one mode, which it
 * tells when it changes (see `runner-mode.ts`). A call that takes longer than it may makes the runner hung: its calls
 * fail at once and the process is killed.
 */
export class Runner {
  readonly #child: ChildProcess;
  readonly #channel: Duplex;
  readonly #events: RunnerEmitter;
  /** In the order in which they were sent, which is the order of their answers. */
  readonly #calls = new Map<number, Call>();
  readonly #exited: Promise<void>;
  #mode: RunnerMode = 'starting';
  #nextId = 1;
  #lastWords = '';
  #gone: ModelkeepError | undefined;
  readonly #isolated: boolean;
  readonly #callTimeoutMs: number;
  #watchdog: NodeJS.Timeout | undefined;

  private constructor(child: ChildProcess, command: RunnerCommand, events: RunnerEmitter) {
    const { onLog, isolated = false, callTimeoutMs = Number.POSITIVE_INFINITY } = command;
    this.#child = child;
    this.#channel = child.stdio[3] as Duplex;
    this.#events = events;
    this.#isolated = isolated;
    this.#callTimeoutMs = callTimeoutMs;
    this.#exited = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        this.#fail(code, signal);
        resolve();
      });
      // Emitted also for a signal that could not be sent, after which the process goes on.
      child.on('error', (error) => (this.#lastWords += error.message));
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#lastWords = (this.#lastWords + text).slice(-LAST_WORDS_BYTES);
      if (onLog !== undefined) for (const line of text.split('\n')) if (line !== '') onLog(line);
    });
    const reader = new FrameReader();
    this.#channel.on('data', (chunk: Buffer) => {
      try {
        for (const frame of reader.push(chunk)) this.#answer(frame);
      } catch (error) {
        this.#lastWords += String(error);
        this.kill();
      }
    });
    // A broken channel means that the process is ending; its exit says why.
    this.#channel.on('error', () => this.kill());
  }

  /**
   * Starts a process and waits for its first word.
   *
   * @param events where it tells its modes
   * @throws ModelkeepError `RUNNER_CRASHED` with the process's last words if it ends or stays silent for 30 s; also if
   * the system has no file descriptor, process or memory left for it
   */
  static async start(options: RunnerCommand, events: RunnerEmitter = new EventEmitter()): Promise<Runner> {
    const { folder, child } = await startProcess(options);
    const runner = new Runner(child, options, events);
    if (folder !== undefined) void runner.exited.then(() => rmSync(folder, { recursive: true, force: true }));
    try {
      await runner.call('stats', { op: 'stats' }, {}, { limitMs: START_TIMEOUT_MS });
      return runner;
    } catch (error) {
      runner.kill();
      throw new ModelkeepError('RUNNER_CRASHED', (error as ModelkeepError).message, {
        cause: error,
        details: (error as ModelkeepError).details,
      });
    }
  }

  /** The process id. */
  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** What it does now. */
  get mode(): RunnerMode {
    return this.#mode;
  }

  /** Calls that are not answered yet. */
  get inFlight(): number {
    return this.#calls.size;
  }

  /** False once it is hung or the process has ended: nothing can be asked of it any more. */
  get alive(): boolean {
    return isAlive(this.#mode);
  }

  /** Why nothing can be asked of it any more. @throws ModelkeepError `INTERNAL` while it is alive */
  get whyGone(): ModelkeepError {
    if (this.#gone === undefined) throw new ModelkeepError('INTERNAL', `Runner ${this.pid} is alive`);
    return this.#gone;
  }

  /** Settles when the process has ended; never rejects. */
  get exited(): Promise<void> {
    return this.#exited;
  }

  /**
   * Sends one request and waits for its reply.
   *
   * @throws ModelkeepError the code that the runner answered, `RUNNER_CRASHED` if it ended meanwhile or is retiring, or
   * `DEADLINE_EXCEEDED` if this call or one before it made the runner hung
   */
  call<Op extends keyof RunnerCalls>(
    _op: Op,
    message: RunnerCalls[Op]['message'],
    tensors: Tensors = {},
    { limitMs = LONGEST_CALL_MS }: CallOptions = {},
  ): Promise<RunnerReply<Op>> {
    if (this.#gone !== undefined) return Promise.reject(this.#gone);
    if (this.#mode === 'retiring') {
      return Promise.reject(new ModelkeepError('RUNNER_CRASHED', `Runner process ${this.pid} is being retired`));
    }
    const id = this.#nextId++;
    let chunks: Buffer[];
    try {
      chunks = encodeFrame({ id, ...message }, tensors);
    } catch (error) {
      return Promise.reject(asModelkeepError(error));
    }
    return new Promise<RunnerReply<Op>>((resolve, reject) => {
      const most = Math.min(limitMs, this.#callTimeoutMs);
      this.#calls.set(id, { limitMs: most, resolve: resolve as Call['resolve'], reject });
      if (this.#calls.size === 1) this.#watch();
      if (this.#mode === 'free') this.#enter('busy');
      this.#channel.cork();
      for (const chunk of chunks) this.#channel.write(chunk);
      this.#channel.uncork();
    });
  }

  /** Takes no new call and lets the process end by itself after those in flight; it is killed after `timeoutMs`. */
  async close(timeoutMs = 5_000): Promise<void> {
    if (this.alive && this.#mode !== 'retiring') {
      this.#enter('retiring');
      this.#channel.end();
    }
    const timer = setTimeout(() => this.kill(), timeoutMs);
    await this.#exited;
    clearTimeout(timer);
  }

  /** Ends the process (and its group, if it is isolated) at once; calls in flight fail with `RUNNER_CRASHED`. */
  kill(): void {
    if (!this.#isolated || this.#child.pid === undefined) {
      this.#child.kill('SIGKILL');
      return;
    }
    try {
      process.kill(-this.#child.pid, 'SIGKILL');
    } catch (error) {
      // The whole group has ended already.
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }

  /** Gives the call whose turn it is its time. */
  #watch(): void {
    clearTimeout(this.#watchdog);
    const [current] = this.#calls.values();
    if (current === undefined || current.limitMs === Number.POSITIVE_INFINITY) return;
    this.#watchdog = setTimeout(() => this.#hang(current.limitMs), current.limitMs);
  }

  /** Nothing is expected of it any more. Its calls fail now: a process that cannot even be killed would keep them. */
  #hang(limitMs: number): void {
    const said = `Runner process ${this.pid} was ended because it did not answer within ${limitMs} ms`;
    this.#gone = new ModelkeepError('DEADLINE_EXCEEDED', said, { details: { pid: this.pid, hung: true } });
    this.#enter('hung');
    this.#failCalls(this.#gone);
    this.kill();
  }

  #answer({ header, tensors }: Frame): void {
    const id = header.id as number;
    const call = this.#calls.get(id);
    if (call === undefined) return;
    this.#calls.delete(id);
    this.#watch();
    if (header.error === undefined)
      call.resolve({ result: (header.result ?? {}) as RunnerReply<keyof RunnerCalls>['result'], tensors });
    else call.reject(errorFromJson(header.error as { code?: unknown }));
    if (this.#calls.size === 0 && (this.#mode === 'busy' || this.#mode === 'starting')) this.#enter('free');
  }

  #fail(code: number | null, signal: NodeJS.Signals | null): void {
    const ended = signal === null ? `ended with exit code ${code}` : `was ended by ${signal}`;
    const words = this.#lastWords.trim();
    clearTimeout(this.#watchdog);
    this.#gone ??= new ModelkeepError(
      'RUNNER_CRASHED',
      `Runner process ${this.pid} ${ended}${words === '' ? '' : `: ${words}`}`,
      { details: { pid: this.pid, exitCode: code, signal } },
    );
    this.#enter('dead');
    this.#failCalls(this.#gone);
  }

  #failCalls(error: ModelkeepError): void {
    const calls = [...this.#calls.values()];
    this.#calls.clear();
    clearTimeout(this.#watchdog);
    for (const call of calls) call.reject(error);
  }

  #enter(to: RunnerMode): void {
    const from = this.#mode;
    this.#mode = nextMode(from, to);
    this.#events.emit('mode', this, from);
  }
}

/**
 * Starts a process; with a folder of its own where it is isolated.
 *
 * @throws ModelkeepError `RUNNER_CRASHED` if the system does not start it. Then it has no process id, and for want of
 * file descriptors not even streams: nothing of it may be touched but its event `error`
 */
async function startProcess(
  options: RunnerCommand,
): Promise<{ readonly folder?: string; readonly child: ChildProcess }> {
  const { command, args, env, isolated } = options;
  let folder: string | undefined;
  try {
    folder = isolated === true ? mkdtempSync(join(tmpdir(), 'modelkeep-runner-')) : undefined;
    const child = spawn(command, args, {
      env: folder === undefined ? { ...env } : { ...env, HOME: folder, TMPDIR: folder },
      stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
      ...(folder === undefined ? {} : { cwd: folder, detached: true }),
    });
    if (child.pid === undefined) {
      const [error] = (await once(child, 'error')) as [Error];
      throw error;
    }
    return { child, ...(folder === undefined ? {} : { folder }) };
  } catch (error) {
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
    const { message } = error as Error;
    throw new ModelkeepError('RUNNER_CRASHED', `Runner process could not be started: ${message}`, { cause: error });
  }
}
