import { createHash, randomUUID } from 'node:crypto';
import { mkdir, open, readFile, realpath, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  digestHex,
  digestOf,
  fileError,
  isDigest,
  type DerivedTensor,
  type DeriveTensor,
  type Segment,
  type TensorRecipe,
} from '../core/index.js';
import { lockOnMachine } from './machine-lock.js';
import { isSealed, seal } from './sealed-file.js';

/** What a list of tensors is kept under: anything that decides them. */
export type TensorsKey = string;

function isSegments(value: unknown): value is readonly Segment[] {
  return (
    Array.isArray(value) &&
    value.every((one: unknown) => {
      const { digest, size } = (one ?? {}) as Partial<Segment>;
      return isDigest(digest) && Number.isSafeInteger(size);
    })
  );
}

/**
 * Tensors that were made on this machine from others: quantized or merged. Each is a file named by its digest among the
 * segments of the cache, so that the runtime maps both from one folder and the same bound of bytes holds for both; which
 * recipe gave which file is in `derived/`. What is gone or damaged is made again.
 */
export class DerivedTensors {
  readonly #directory: string;

  private constructor(directory: string) {
    this.#directory = directory;
  }

  /**
   * @param directory folder of the node's cache; the same as that of its segments
   * @throws ModelkeepError `STORE_PERMISSION` or `STORE_UNAVAILABLE` if the folders cannot be made
   */
  static async open(directory: string): Promise<DerivedTensors> {
    try {
      for (const folder of ['derived', 'segments', 'partial'])
        await mkdir(join(directory, folder), { recursive: true, mode: 0o700 });
      return new DerivedTensors(await realpath(directory));
    } catch (error) {
      throw fileError(error, `Cannot make the cache folder ${directory}`, 'choose another with --cache-dir');
    }
  }

  /**
   * Finds a tensor, or makes it: once for a machine, however many processes ask.
   *
   * @throws ModelkeepError what making it says; `STORE_UNAVAILABLE` if the disk is full; `CANCELLED` when the signal fires
   */
  readonly derive: DeriveTensor = async (recipe, { signal } = {}) => {
    const key = keyOf(recipe);
    const found = await this.#one(key);
    if (found !== undefined) return found;
    const lock = await lockOnMachine(this.#directory, `derived ${key}`, signal);
    try {
      return (await this.#one(key)) ?? (await this.#write(key, await recipe.make()));
    } catch (error) {
      const what = `Cannot write to the cache folder ${this.#directory}`;
      throw fileError(error, what, 'free disk space or choose another with --cache-dir');
    } finally {
      await lock.release();
    }
  };

  /** The tensors that are kept under a key, if every one of them is there and untouched. Counts as a use of each. */
  async find(key: TensorsKey): Promise<readonly Segment[] | undefined> {
    const text = await readFile(this.#listFile(key), 'utf8').catch(() => undefined);
    if (text === undefined) return undefined;
    let list: unknown;
    try {
      list = JSON.parse(text);
    } catch {
      // Cut off by a full disk: as good as none.
      return undefined;
    }
    if (!isSegments(list)) return undefined;
    const sound = await Promise.all(list.map((tensor) => isSealed(this.#file(tensor), tensor)));
    return sound.every(Boolean) ? list : undefined;
  }

  /** Keeps a list of tensors under a key, for {@link find}. */
  async remember(key: TensorsKey, tensors: readonly Segment[]): Promise<void> {
    const unfinished = join(this.#directory, 'partial', `derived-${randomUUID()}`);
    try {
      await writeFile(unfinished, JSON.stringify(tensors.map(({ digest, size }) => ({ digest, size }))));
      await rename(unfinished, this.#listFile(key));
    } finally {
      await rm(unfinished, { force: true });
    }
  }

  async #one(key: TensorsKey): Promise<DerivedTensor | undefined> {
    const [tensor] = (await this.find(key)) ?? [];
    return tensor === undefined ? undefined : { ...tensor, file: this.#file(tensor), offset: 0 };
  }

  async #write(key: TensorsKey, bytes: Uint8Array): Promise<DerivedTensor> {
    const tensor: Segment = { digest: digestOf(bytes), size: bytes.byteLength };
    const unfinished = join(this.#directory, 'partial', `derived-${randomUUID()}`);
    try {
      const output = await open(unfinished, 'wx', 0o600);
      try {
        await output.writeFile(bytes);
        await output.datasync();
      } finally {
        await output.close();
      }
      await seal(unfinished);
      await rename(unfinished, this.#file(tensor));
    } finally {
      await rm(unfinished, { force: true });
    }
    await this.remember(key, [tensor]);
    return { ...tensor, file: this.#file(tensor), offset: 0 };
  }

  #file({ digest }: Segment): string {
    return join(this.#directory, 'segments', digestHex(digest));
  }

  #listFile(key: TensorsKey): string {
    return join(this.#directory, 'derived', createHash('sha256').update(key).digest('hex'));
  }
}

function keyOf({ recipe, sources }: TensorRecipe): TensorsKey {
  return JSON.stringify([recipe, ...sources.map(({ digest, start, end }) => [digest, start, end])]);
}
