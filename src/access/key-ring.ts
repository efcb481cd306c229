import { stat } from 'node:fs/promises';
import { asModelkeepError, type ModelkeepError } from '../core/index.js';
import { isSecretOf, parseKey, type StoredKey } from './api-key.js';
import { readKeys } from './key-file.js';
import type { Principal } from './principal.js';
import { expandScopes } from './scopes.js';

/** How long a look at the file holds, in ms: so long a removed key may still work. */
const LOOK_AGAIN_MS = 1_000;

/** The keys of a file, read again when that changes. */
export class KeyRing {
  readonly #path: string;
  readonly #onTrouble: (error: ModelkeepError) => void;
  #keys: ReadonlyMap<string, StoredKey> = new Map();
  #stamp = '';
  #lookedMs = 0;
  #looking: Promise<void> | undefined;

  private constructor(path: string, onTrouble: (error: ModelkeepError) => void) {
    this.#path = path;
    this.#onTrouble = onTrouble;
  }

  /** @throws ModelkeepError `INVALID_INPUT` if the file is missing or damaged */
  static async open(path: string, onTrouble: (error: ModelkeepError) => void): Promise<KeyRing> {
    const ring = new KeyRing(path, onTrouble);
    await ring.#read(await stampOf(path));
    ring.#lookedMs = performance.now();
    return ring;
  }

  /** Who holds a key; undefined for one that is unknown or has expired. */
  async find(credential: string): Promise<Principal | undefined> {
    if (performance.now() - this.#lookedMs > LOOK_AGAIN_MS) await (this.#looking ??= this.#look());
    const parsed = parseKey(credential);
    if (parsed === undefined) return undefined;
    const stored = this.#keys.get(parsed.id);
    if (!isSecretOf(stored, parsed.secret) || stored === undefined) return undefined;
    if (stored.expiresAt !== undefined && Date.parse(stored.expiresAt) <= Date.now()) return undefined;
    const { name, scopes, models } = stored;
    return { name, scopes: expandScopes(scopes), ...(models === undefined ? {} : { models }) };
  }

  async #look(): Promise<void> {
    const stamp = await stampOf(this.#path);
    try {
      if (stamp !== this.#stamp) await this.#read(stamp);
    } catch (error) {
      // A file that is gone or damaged allows nobody: to go on with what it said may be what it was removed for.
      this.#keys = new Map();
      this.#stamp = stamp;
      this.#onTrouble(asModelkeepError(error));
    }
    this.#lookedMs = performance.now();
    this.#looking = undefined;
  }

  async #read(stamp: string): Promise<void> {
    const keys = await readKeys(this.#path);
    this.#keys = new Map(keys.map((key) => [key.id, key]));
    this.#stamp = stamp;
  }
}

/** What changes whenever the file does. */
async function stampOf(path: string): Promise<string> {
  try {
    const { ino, size, mtimeNs } = await stat(path, { bigint: true });
    return `${ino} ${size} ${mtimeNs}`;
  } catch {
    return 'missing';
  }
}
