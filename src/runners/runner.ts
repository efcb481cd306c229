import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { asModelkeepError, errorFromJson, ModelkeepError } from '../core/index.js';
import { encodeFrame, FrameReader, type Frame, type Tensors } from './frames.js';
import type { RunnerCalls } from './messages.js';

/** How to start a runner process. It speaks frames on file descriptor 3. */
export interface RunnerCommand {
  readonly command: string;
  readonly args: readonly string[];
  /** The whole environment of the process: nothing is inherited. */
  readonly env: Readonly<Record<string, string>>;
  /** Called with each line that the process writes to its standard error. */
  readonly onLog?: (line: string) => void;
  /**
   * In a process group of its own, and in a private temporary folder (as working directory, `HOME` and `TMPDIR`) that
   * is removed when it ends. @defaultValue false
   */
  readonly isolated?: boolean;
  /** Milliseconds that one call may take before the process is killed; absent: no limit. */
  readonly callTimeoutMs?: number;
}

/** A reply with the tensors that came with it. */
export interface RunnerReply<Op extends keyof RunnerCalls> {
  readonly result: RunnerCalls[Op]['reply'];
  readonly tensors: Tensors;
}

interface Call {
  resolve(reply: RunnerReply<keyof RunnerCalls>): void;
  reject(error: ModelkeepError): void;
}

/** How long a runner may take from its start to its first word: 30 s, generous for a loaded small machine. */
const START_TIMEOUT_MS = 30_000;
/** Bytes of standard error that are kept to explain a crash. */
const LAST_WORDS_BYTES = 2_000;

/** One runner process. It answers calls in the order in which they came. */
export class Runner {
  readonly #child: ChildProcess;
  readonly #channel: Duplex;
  readonly #calls = new Map<number, Call>();
  readonly #exited: Promise<void>;
  #nextId = 1;
  #lastWords = '';
  #gone: ModelkeepError | undefined;
  readonly #isolated: boolean;
  readonly #callTimeoutMs: number | undefined;
  #watchdog: NodeJS.Timeout | undefined;
  #timedOut = false;

  private constructor(child: ChildProcess, channel: Duplex, { onLog, isolated, callTimeoutMs }: RunnerCommand) {
    this.#child = child;
    this.#channel = channel;
    this.#isolated = isolated === true;
    this.#callTimeoutMs = callTimeoutMs;
    this.#exited = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        this.#fail(code, signal);
        resolve();
      });
      child.once('error', (error) => {
        this.#lastWords += error.message;
        this.#fail(null, null);
        resolve();
      });
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#lastWords = (this.#lastWords + text).slice(-LAST_WORDS_BYTES);
      if (onLog !== undefined) for (const line of text.split('\n')) if (line !== '') onLog(line);
    });
    const reader = new FrameReader();
    channel.on('data', (chunk: Buffer) => {
      try {
        for (const frame of reader.push(chunk)) this.#answer(frame);
      } catch (error) {
        this.#lastWords += String(error);
        this.kill();
      }
    });
    // A broken channel means that the process is ending; its exit says why.
    channel.on('error', () => this.kill());
  }

  /**
   * Starts a process and waits for its first word.
   *
   * @throws ModelkeepError `RUNNER_CRASHED` with the process's last words if it ends or stays silent for 30 s
   */
  static async start(options: RunnerCommand): Promise<Runner> {
    const { command, args, env, isolated } = options;
    const folder = isolated === true ? mkdtempSync(join(tmpdir(), 'modelkeep-runner-')) : undefined;
    const child = spawn(command, args, {
      env: folder === undefined ? { ...env } : { ...env, HOME: folder, TMPDIR: folder },
      stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
      ...(folder === undefined ? {} : { cwd: folder, detached: true }),
    });
    const runner = new Runner(child, child.stdio[3] as Duplex, options);
    if (folder !== undefined) void runner.exited.then(() => rmSync(folder, { recursive: true, force: true }));
    const timer = setTimeout(() => runner.kill(), START_TIMEOUT_MS);
    try {
      await runner.call('stats', { op: 'stats' });
      return runner;
    } finally {
      clearTimeout(timer);
    }
  }

  /** The process id. */
  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Calls that are not answered yet. */
  get inFlight(): number {
    return this.#calls.size;
  }

  /** False once the process has ended. */
  get alive(): boolean {
    return this.#gone === undefined;
  }

  /** Why the process is no longer there. @throws ModelkeepError `INTERNAL` while it is alive */
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
   * @throws ModelkeepError the code that the runner answered, `RUNNER_CRASHED` if it ended meanwhile, or
   * `DEADLINE_EXCEEDED` if it was ended because a call took longer than `callTimeoutMs`
   */
  call<Op extends keyof RunnerCalls>(
    _op: Op,
    message: RunnerCalls[Op]['message'],
    tensors: Tensors = {},
  ): Promise<RunnerReply<Op>> {
    if (this.#gone !== undefined) return Promise.reject(this.#gone);
    const id = this.#nextId++;
    let chunks: Buffer[];
    try {
      chunks = encodeFrame({ id, ...message }, tensors);
    } catch (error) {
      return Promise.reject(asModelkeepError(error));
    }
    return new Promise<RunnerReply<Op>>((resolve, reject) => {
      this.#calls.set(id, { resolve: resolve as Call['resolve'], reject });
      if (this.#calls.size === 1) this.#watch();
      this.#channel.cork();
      for (const chunk of chunks) this.#channel.write(chunk);
      this.#channel.uncork();
    });
  }

  /** Lets the process end by itself after the calls in flight; it is killed after `timeoutMs`. */
  async close(timeoutMs = 5_000): Promise<void> {
    if (this.alive) this.#channel.end();
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
    if (this.#callTimeoutMs === undefined || this.#calls.size === 0) return;
    this.#watchdog = setTimeout(() => {
      this.#timedOut = true;
      this.kill();
    }, this.#callTimeoutMs);
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
  }

  #fail(code: number | null, signal: NodeJS.Signals | null): void {
    const ended = signal === null ? `ended with exit code ${code}` : `was ended by ${signal}`;
    const how = code === null && signal === null ? 'could not be started' : ended;
    const words = this.#lastWords.trim();
    clearTimeout(this.#watchdog);
    const timeout = `Runner process ${this.pid} was ended because it did not answer within ${this.#callTimeoutMs} ms`;
    this.#gone = new ModelkeepError(
      this.#timedOut ? 'DEADLINE_EXCEEDED' : 'RUNNER_CRASHED',
      this.#timedOut ? timeout : `Runner process ${this.pid} ${how}${words === '' ? '' : `: ${words}`}`,
      {
        details: { pid: this.pid, exitCode: code, signal },
      },
    );
    for (const call of this.#calls.values()) call.reject(this.#gone);
    this.#calls.clear();
  }
}
