import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { lockOnMachine, type DiskBudget, type Kept } from '../../cache/index.js';
import { asModelkeepError, canonicalJson, fileError, ModelkeepError, throwIfAborted } from '../../core/index.js';
import { completeFolder, factsOf, isUsed, markUsed, unmarkUsed, usedMsOf } from './environment-folder.js';
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
  /** The bound on what the cache takes of the disk, to which environments count; absent: none. */
  readonly budget?: DiskBudget;
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

const IDENTITY =
  'import json, platform, sys; print(json.dumps({"version": platform.python_version(), "implementation": ' +
  'sys.implementation.name, "machine": platform.machine(), "prefix": sys.base_prefix}))';
const PACKAGES = 'import os, sys, sysconfig; print(os.path.relpath(sysconfig.get_path("purelib"), sys.prefix))';
/** Longest time that installing may take, in ms: 10 minutes. */
const INSTALL_TIMEOUT_MS = 600_000;
const QUESTION_TIMEOUT_MS = 30_000;
const VENV_TIMEOUT_MS = 120_000;

/**
 * Python environments of versions, each made once on this machine and kept until the
 * bound on the cache wants its room and no process of this machine uses it. Making one runs nothing that a publisher
 * wrote: pip is given exact releases, and takes wheels only, which are unpacked and not executed.
 */
export class PythonEnvironments {
  readonly #options: PythonEnvironmentsOptions;
  readonly #making = new Map<string, Promise<PythonEnvironment>>();
  /** How often each is in use here, by digest. */
  readonly #uses = new Map<string, number>();
  /** Tells this one's marks from those of others of the process. */
  readonly #user = randomUUID();
  readonly #stop = new AbortController();
  #identity: Promise<PythonIdentity> | undefined;

  constructor(options: PythonEnvironmentsOptions) {
    this.#options = { ...options, directory: resolve(options.directory) };
    options.budget?.add(() => this.#kept());
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
   * The environment with these packages, which stays until {@link release} says that it is used no longer. It is made if it is not there, which goes on when the caller gives up: the
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
    const found = await untilAborted(making, signal);
    this.#uses.set(digest, (this.#uses.get(digest) ?? 0) + 1);
    return found;
  }

  /** What one {@link ensure} gave is used no longer. */
  async release(digest: string): Promise<void> {
    const left = (this.#uses.get(digest) ?? 0) - 1;
    if (left > 0) {
      this.#uses.set(digest, left);
      return;
    }
    this.#uses.delete(digest);
    if (this.#stop.signal.aborted) return unmarkUsed(join(this.#options.directory, digest), this.#user);
    await this.#locked(digest, async (folder) => {
      if (!this.#isWanted(digest)) await unmarkUsed(folder, this.#user);
    });
  }

  /** Ends what is being made, and uses nothing any longer; idempotent. */
  async close(): Promise<void> {
    this.#stop.abort(new ModelkeepError('CLOSED', 'modelkeep was closed while a Python environment was made'));
    await Promise.allSettled(this.#making.values());
    const used = [...this.#uses.keys()];
    this.#uses.clear();
    await Promise.all(used.map((digest) => unmarkUsed(join(this.#options.directory, digest), this.#user)));
  }

  #isWanted(digest: string): boolean {
    return this.#uses.has(digest) || this.#making.has(digest);
  }

  /** Does something with an environment's folder while no process of this machine makes, takes or removes it. */
  async #locked<T>(digest: string, work: (folder: string) => Promise<T>): Promise<T> {
    const { directory } = this.#options;
    const lock = await lockOnMachine(directory, digest, this.#stop.signal);
    try {
      return await work(join(directory, digest));
    } finally {
      await lock.release();
    }
  }

  /** Every environment that is here, those for other Pythons too. */
  async #kept(): Promise<readonly Kept[]> {
    const { directory } = this.#options;
    await mkdir(directory, { recursive: true });
    const digests = (await readdir(directory)).filter((name) => /^[0-9a-f]{64}$/.test(name));
    const kept = digests.map(async (digest): Promise<readonly Kept[]> => {
      const folder = join(directory, digest);
      const facts = await factsOf(folder);
      // What is not complete is being made, or is removed when it is made again.
      if (facts === undefined) return [];
      const inUse = this.#isWanted(digest) || (await isUsed(folder));
      const remove = (): Promise<void> => this.#remove(digest);
      return [{ bytes: facts.bytes, usedMs: await usedMsOf(folder), inUse, remove }];
    });
    return (await Promise.all(kept)).flat();
  }

  /** Removes an environment, unless somebody has taken it into use since it was listed. */
  async #remove(digest: string): Promise<void> {
    await this.#locked(digest, async (folder) => {
      if (this.#isWanted(digest) || (await isUsed(folder)) || (await factsOf(folder)) === undefined) return;
      // In one step, so that a removal that is cut off leaves nothing that looks whole.
      const doomed = join(this.#options.directory, `.${digest}-${process.pid}-removed`);
      await rename(folder, doomed);
      await rm(doomed, { recursive: true, force: true });
    });
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
      const { made, found } = await this.#locked(digest, async (folder) => {
        const there = await readComplete(folder);
        const environment = there ?? (await this.#make(digest, requirements));
        await markUsed(folder, this.#user);
        return { made: there === undefined, found: environment };
      });
      if (made) await this.#options.budget?.enforce();
      return found;
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
      await completeFolder(begun, { packages: asked.stdout.trim(), requirements });
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
  const facts = await factsOf(folder);
  return facts === undefined ? undefined : { python: pythonOf(folder), packages: join(folder, facts.packages) };
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
