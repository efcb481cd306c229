import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { lockOnMachine } from '../../cache/index.js';
import { asModelkeepError, canonicalJson, fileError, ModelkeepError, throwIfAborted } from '../../core/index.js';
import { runProgram } from './program.js';

/** A Python with the packages that a version named. */
export interface PythonEnvironment {
  /** The program; absolute. */
  readonly python: string;
  /** The folder of the packages; absolute. */
  readonly packages: string;
}

/** Options of {@link PythonEnvironments}. */
export interface PythonEnvironmentsOptions {
  /** The Python program that environments are made from. */
  readonly python: string;
  /** Where environments are kept; made if it is missing. */
  readonly directory: string;
  /** A folder of wheels, from which alone packages are taken; absent or empty: pip's package index. */
  readonly wheelhouse?: string;
  /** Told when an environment is begun and when it is there. */
  readonly onLog?: (line: string) => void;
}

/** What identifies a Python: packages made for one may not fit another. */
interface PythonIdentity {
  readonly version: string;
  readonly implementation: string;
  readonly machine: string;
  readonly prefix: string;
}

/** Written last, so that what has it is complete. */
const COMPLETE = 'environment.json';
const IDENTITY =
  'import json, platform, sys; print(json.dumps({"version": platform.python_version(), "implementation": ' +
  'sys.implementation.name, "machine": platform.machine(), "prefix": sys.base_prefix}))';
const PACKAGES = 'import os, sys, sysconfig; print(os.path.relpath(sysconfig.get_path("purelib"), sys.prefix))';
/** Longest time that installing may take, in ms: 10 minutes. */
const INSTALL_TIMEOUT_MS = 600_000;
const QUESTION_TIMEOUT_MS = 30_000;
const VENV_TIMEOUT_MS = 120_000;

/**
 * Python environments of versions, each made once on this machine and kept. Making one runs nothing that a publisher
 * wrote: pip is given exact releases, and takes wheels only, which are unpacked and not executed.
 */
export class PythonEnvironments {
  readonly #options: PythonEnvironmentsOptions;
  readonly #making = new Map<string, Promise<PythonEnvironment>>();
  readonly #stop = new AbortController();
  #identity: Promise<PythonIdentity> | undefined;

  constructor(options: PythonEnvironmentsOptions) {
    this.#options = { ...options, directory: resolve(options.directory) };
  }

  /**
   * The name of an environment: the sha256, in hexadecimal digits, of the packages and the Python that they are for.
   *
   * @param requirements in the form of `parseRequirements`
   * @throws ModelkeepError `LOAD_FAILED` if there is no such Python
   */
  async digestOf(requirements: readonly string[]): Promise<string> {
    this.#identity ??= this.#identify();
    try {
      const python = await this.#identity;
      return createHash('sha256').update(canonicalJson({ python, requirements })).digest('hex');
    } catch (error) {
      // It may be installed later.
      this.#identity = undefined;
      throw error;
    }
  }

  /**
   * The environment with these packages. It is made if it is not there, which goes on when the caller gives up: the
   * next one finds it.
   *
   * @throws ModelkeepError `LOAD_FAILED` with what pip said is missing; what the signal says
   */
  async ensure(requirements: readonly string[], signal: AbortSignal): Promise<PythonEnvironment> {
    const digest = await this.digestOf(requirements);
    let making = this.#making.get(digest);
    if (making === undefined) {
      making = this.#find(digest, requirements);
      this.#making.set(digest, making);
      const forget = (): void => void this.#making.delete(digest);
      making.then(forget, forget);
    }
    return untilAborted(making, signal);
  }

  /** Ends what is being made; idempotent. */
  async close(): Promise<void> {
    this.#stop.abort(new ModelkeepError('CLOSED', 'modelkeep was closed while a Python environment was made'));
    await Promise.allSettled(this.#making.values());
  }

  async #identify(): Promise<PythonIdentity> {
    const { stdout } = await this.#run(this.#program, ['-I', '-S', '-c', IDENTITY], QUESTION_TIMEOUT_MS, 'start');
    return JSON.parse(stdout) as PythonIdentity;
  }

  /** A path is this process's; a name is looked for in PATH. */
  get #program(): string {
    const { python } = this.#options;
    return /[/\\]/.test(python) ? resolve(python) : python;
  }

  async #find(digest: string, requirements: readonly string[]): Promise<PythonEnvironment> {
    const { directory } = this.#options;
    try {
      await mkdir(directory, { recursive: true });
      const found = await readComplete(join(directory, digest));
      if (found !== undefined) return found;
      const lock = await lockOnMachine(directory, digest, this.#stop.signal);
      try {
        return (await readComplete(join(directory, digest))) ?? (await this.#make(digest, requirements));
      } finally {
        await lock.release();
      }
    } catch (error) {
      throw fileError(error, `Cannot make a Python environment in ${directory}`, 'make it writable, or free space');
    }
  }

  async #make(digest: string, requirements: readonly string[]): Promise<PythonEnvironment> {
    const { directory, wheelhouse = '', onLog } = this.#options;
    const place = join(directory, digest);
    const begun = join(directory, `.${digest}-${process.pid}`);
    const started = performance.now();
    onLog?.(`making a Python environment with ${requirements.join(', ')}; this can take minutes`);
    try {
      // What a process left that was killed while it had the lock, and what never became complete.
      for (const name of await readdir(directory)) {
        if (name.startsWith(`.${digest}-`) || name === digest) await rm(join(directory, name), { recursive: true });
      }
      await this.#run(this.#program, ['-I', '-m', 'venv', begun], VENV_TIMEOUT_MS, 'make a virtual environment');
      const python = pythonOf(begun);
      const asked = await this.#run(python, ['-I', '-c', PACKAGES], QUESTION_TIMEOUT_MS, 'start');
      const list = join(begun, 'requirements.txt');
      await writeFile(list, `${requirements.join('\n')}\n`);
      const from = wheelhouse === '' ? [] : ['--no-index', '--find-links', resolve(wheelhouse)];
      const install = ['install', '--no-input', '--disable-pip-version-check', '--no-color', '--quiet'];
      const args = ['-I', '-m', 'pip', ...install, '--only-binary', ':all:', ...from, '-r', list];
      const where = wheelhouse === '' ? '' : ` from the wheelhouse ${wheelhouse}`;
      await this.#run(python, args, INSTALL_TIMEOUT_MS, `install ${requirements.join(', ')}${where}`);
      await writeFile(join(begun, COMPLETE), JSON.stringify({ packages: asked.stdout.trim(), requirements }));
      await rename(begun, place);
    } finally {
      await rm(begun, { recursive: true, force: true });
    }
    onLog?.(`made the Python environment ${digest} in ${Math.round((performance.now() - started) / 1_000)} s`);
    const made = await readComplete(place);
    if (made !== undefined) return made;
    throw new ModelkeepError('LOAD_FAILED', `The Python environment ${place} vanished when it was made. Ask again`);
  }

  async #run(program: string, args: readonly string[], timeoutMs: number, what: string): Promise<{ stdout: string }> {
    const { signal } = this.#stop;
    throwIfAborted(signal);
    const { code, stdout, stderr } = await runProgram(program, args, { timeoutMs, signal });
    if (code === 0) return { stdout };
    throwIfAborted(signal);
    throw new ModelkeepError('LOAD_FAILED', `${program} could not ${what}: ${lastWords(stderr, code)}`);
  }
}

function pythonOf(folder: string): string {
  return process.platform === 'win32' ? join(folder, 'Scripts', 'python.exe') : join(folder, 'bin', 'python');
}

async function readComplete(folder: string): Promise<PythonEnvironment | undefined> {
  let text: string;
  try {
    text = await readFile(join(folder, COMPLETE), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  const { packages } = JSON.parse(text) as { readonly packages: string };
  return { python: pythonOf(folder), packages: join(folder, packages) };
}

/** Lines of standard error that are told: pip says what is missing in the last ones. */
const TOLD_LINES = 4;

function lastWords(stderr: string, code: number | undefined): string {
  const lines = stderr.split(/\r?\n/).filter((line) => line.trim() !== '' && !/^(WARNING|DEPRECATION):/.test(line));
  if (lines.length === 0) return code === undefined ? 'it took too long' : `it ended with status ${code}`;
  return lines.slice(-TOLD_LINES).join(' | ').slice(-1_500);
}

async function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  throwIfAborted(signal);
  let onAbort: (() => void) | undefined;
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(asModelkeepError(signal.reason, 'CANCELLED'));
    signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    if (onAbort !== undefined) signal.removeEventListener('abort', onAbort);
  }
}
