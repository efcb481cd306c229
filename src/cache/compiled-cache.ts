import { createHash, randomUUID } from 'node:crypto';
import { link, lstat, mkdir, readdir, readFile, realpath, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileError, ModelkeepError, type Abortable, type Digest, type Rest } from '../core/index.js';
import type { DiskBudget, Kept } from './disk-budget.js';
import { lockOnMachine } from './machine-lock.js';
import { hashFile, isSealed, seal } from './sealed-file.js';

/** Options of {@link CompiledCache.open}. */
export interface CompiledCacheOptions {
  /** Folder of the node's cache; the same as that of its segments. */
  readonly directory: string;
  /** What compiled forms are for besides the version: runtime, processor, options. Others are not found. */
  readonly target: string;
  /** The bound on what the cache takes of the disk; absent: none. */
  readonly budget?: DiskBudget;
  /** Folders of the forms that versions run from here: these stay. @defaultValue none */
  readonly inUse?: () => ReadonlySet<string>;
  /** Awaited after each piece of what is hashed. @defaultValue none is taken */
  readonly rest?: Rest;
}

/** One file of a compiled form. */
export interface CompiledFile {
  readonly name: string;
  /** In bytes. */
  readonly size: number;
  readonly digest: Digest;
}

/**
 * Writes the compiled form of a version into an empty folder: a graph and tensors named by their digests.
 *
 * @returns what it wrote, hashed as it was written: it is not hashed again before the next start of this program
 */
export type Compile = (folder: string, options: Abortable) => Promise<readonly CompiledFile[]>;

/** The list of an entry's files, in the entry's folder. */
const LIST = 'entry.json';
const DIGEST_NAME = /^[0-9a-f]{64}$/;

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT';
}

/**
 * Compiled forms of versions on this machine, shared by its processes. A tensor that several of them have is one file,
 * in `tensors/` and, by hard links, in each entry under `compiled/`.
 */
export class CompiledCache {
  readonly #directory: string;
  readonly #target: string;
  readonly #budget: DiskBudget | undefined;
  readonly #inUse: () => ReadonlySet<string>;
  readonly #resting: { readonly rest?: Rest };
  /** Entries that are being taken into use: no longer unfinished, not yet told of by `inUse`. */
  readonly #handedOut = new Set<string>();
  /** Entries whose bytes were hashed since this was opened. */
  readonly #verified = new Set<string>();
  /** Names of the tensors among them. */
  readonly #verifiedTensors = new Set<string>();
  #dropped = 0;

  private constructor({ directory, target, budget, inUse, rest }: CompiledCacheOptions) {
    this.#directory = directory;
    this.#target = target;
    this.#budget = budget;
    this.#inUse = inUse ?? (() => new Set());
    this.#resting = rest === undefined ? {} : { rest };
    budget?.add(() => this.#kept());
  }

  /** @throws ModelkeepError `STORE_PERMISSION` or `STORE_UNAVAILABLE` if the folders cannot be made */
  static async open(options: CompiledCacheOptions): Promise<CompiledCache> {
    const { directory } = options;
    try {
      for (const folder of ['compiled', 'tensors', 'partial']) {
        await mkdir(join(directory, folder), { recursive: true, mode: 0o700 });
      }
      return new CompiledCache({ ...options, directory: await realpath(directory) });
    } catch (error) {
      throw fileError(error, `Cannot make the cache folder ${directory}`, 'choose another with --cache-dir');
    }
  }

  /** Entries that were found damaged and removed since this was opened. */
  get dropped(): number {
    return this.#dropped;
  }

  /**
   * The folder of a version's compiled form; undefined if there is none that can be trusted. The first call for an
   * entry hashes its files, later ones look at sizes and times alone; a damaged entry is removed.
   *
   * @throws ModelkeepError `STORE_UNAVAILABLE` or `STORE_PERMISSION` if the disk cannot be read
   */
  async find(version: Digest): Promise<string | undefined> {
    const folder = this.#folderOf(version);
    const list = await this.#listOf(folder);
    if (list === undefined) return undefined;
    const damaged = await this.#damagedOf(folder, list);
    if (damaged.length === 0) {
      this.#trust(folder, list);
      return folder;
    }
    // A link shares its bytes with the file it was made from: that one must not come back either.
    for (const { name } of damaged) {
      this.#verifiedTensors.delete(name);
      await rm(join(this.#directory, 'tensors', name), { force: true });
    }
    await this.#drop(folder);
    return undefined;
  }

  /**
   * The folder of a version's compiled form, made by `compile` if there is none. Processes that need it at once
   * compile it once; it becomes visible in one step or not at all.
   *
   * @throws ModelkeepError what `compile` says; `STORE_UNAVAILABLE` if the disk is full; `CANCELLED` when the signal fires
   */
  async ensure(version: Digest, compile: Compile, options: Abortable = {}): Promise<string> {
    const found = await this.find(version);
    if (found !== undefined) return found;
    const folder = this.#folderOf(version);
    const lock = await lockOnMachine(this.#directory, folder, options.signal);
    const unfinished = join(this.#directory, 'partial', `compiled-${randomUUID()}`);
    try {
      const made = await this.find(version);
      if (made !== undefined) return made;
      await mkdir(unfinished, { mode: 0o700 });
      const list = await compile(unfinished, options);
      await this.#share(unfinished, list);
      await rename(unfinished, folder);
      this.#trust(folder, list);
      await this.#makeRoomFor(folder);
      return folder;
    } catch (error) {
      const what = `Cannot write to the cache folder ${this.#directory}`;
      throw fileError(error, what, 'free disk space or choose another with --cache-dir');
    } finally {
      await rm(unfinished, { recursive: true, force: true });
      await lock.release();
    }
  }

  /** Removes a version's compiled form, and the tensors that no other one has. */
  async remove(version: Digest): Promise<void> {
    await this.#removeFolder(this.#folderOf(version));
  }

  /** Removes the tensors that no compiled version has. @returns bytes given back */
  async collect(): Promise<number> {
    const tensors = join(this.#directory, 'tensors');
    let bytes = 0;
    const lock = await lockOnMachine(this.#directory, 'tensors');
    try {
      for (const name of await readdir(tensors)) {
        const { nlink, size } = await lstat(join(tensors, name));
        if (nlink > 1) continue;
        this.#verifiedTensors.delete(name);
        await rm(join(tensors, name), { force: true });
        bytes += size;
      }
    } finally {
      await lock.release();
    }
    return bytes;
  }

  /** Lets others go for a new entry, which is about to be used and so is not one of them. */
  async #makeRoomFor(folder: string): Promise<void> {
    this.#handedOut.add(folder);
    try {
      await this.#budget?.enforce();
    } finally {
      this.#handedOut.delete(folder);
    }
  }

  /** Every entry that is here, those of other releases and processors too; a tensor of several counts in shares. */
  async #kept(): Promise<readonly Kept[]> {
    const compiled = join(this.#directory, 'compiled');
    const inUse = this.#inUse();
    return Promise.all(
      (await readdir(compiled)).map(async (name): Promise<Kept> => {
        const folder = join(compiled, name);
        const files = await readdir(folder).catch(() => []);
        const states = await Promise.all(files.map((file) => lstat(join(folder, file)).catch(() => undefined)));
        return {
          // One link is that in `tensors/`.
          bytes: states.reduce(
            (sum, state) => sum + (state === undefined ? 0 : state.size / Math.max(1, state.nlink - 1)),
            0,
          ),
          usedMs: Math.max(0, ...states.map((state) => state?.atimeMs ?? 0)),
          inUse: inUse.has(folder) || this.#handedOut.has(folder),
          remove: () => this.#removeFolder(folder),
        };
      }),
    );
  }

  async #removeFolder(folder: string): Promise<void> {
    this.#verified.delete(folder);
    await rm(folder, { recursive: true, force: true });
    await this.collect();
  }

  #folderOf(version: Digest): string {
    const key = createHash('sha256').update(`${version}\n${this.#target}`).digest('hex');
    return join(this.#directory, 'compiled', key);
  }

  /** The files of an entry; undefined if there is no entry. A list that cannot be understood has one file, damaged. */
  async #listOf(folder: string): Promise<readonly CompiledFile[] | undefined> {
    try {
      return JSON.parse(await readFile(join(folder, LIST), 'utf8')) as readonly CompiledFile[];
    } catch (error) {
      if (error instanceof SyntaxError) await this.#drop(folder);
      else if (!isMissing(error))
        throw fileError(error, `Cannot read ${folder}`, 'check the rights of the cache folder');
      // Without its list an entry is the leftover of a removal that was cut off.
      else await rm(folder, { recursive: true, force: true });
      return undefined;
    }
  }

  async #damagedOf(folder: string, list: readonly CompiledFile[]): Promise<readonly CompiledFile[]> {
    const known = this.#verified.has(folder);
    const damaged: CompiledFile[] = [];
    for (const file of list) {
      const path = join(folder, file.name);
      const sound = (await isSealed(path, file)) && (known || (await hashFile(path, this.#resting)) === file.digest);
      if (!sound) damaged.push(file);
    }
    return damaged;
  }

  async #drop(folder: string): Promise<void> {
    this.#dropped += 1;
    this.#verified.delete(folder);
    await rm(folder, { recursive: true, force: true });
  }

  #trust(folder: string, list: readonly CompiledFile[]): void {
    this.#verified.add(folder);
    for (const { name } of list) if (DIGEST_NAME.test(name)) this.#verifiedTensors.add(name);
  }

  /** Seals the files of an entry, takes tensors that are known from `tensors/`, and writes down what there is. */
  async #share(unfinished: string, list: readonly CompiledFile[]): Promise<void> {
    const lock = await lockOnMachine(this.#directory, 'tensors');
    try {
      for (const file of list) {
        const path = join(unfinished, file.name);
        const { size } = await lstat(path);
        if (size !== file.size)
          throw new ModelkeepError('INTERNAL', `${path} has ${size} bytes, not the ${file.size} that were written`);
        await seal(path);
        if (DIGEST_NAME.test(file.name)) await this.#shareTensor(path, file);
      }
    } finally {
      await lock.release();
    }
    await writeFile(join(unfinished, LIST), JSON.stringify(list));
  }

  async #shareTensor(path: string, file: CompiledFile): Promise<void> {
    const shared = join(this.#directory, 'tensors', file.name);
    if ((await isSealed(shared, file)) && (await this.#isVerified(shared, file))) {
      await rm(path);
      await link(shared, path);
      return;
    }
    await rm(shared, { force: true });
    await link(path, shared);
  }

  /** True if the bytes of a tensor that is as it was sealed are right: looked at once. */
  async #isVerified(shared: string, { name, digest }: CompiledFile): Promise<boolean> {
    return this.#verifiedTensors.has(name) || (await hashFile(shared, this.#resting)) === digest;
  }
}
