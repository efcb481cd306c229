import { open, readFile, rename, rm, stat } from 'node:fs/promises';
import { z } from 'zod';
import { checkModelName, didYouMean, ModelkeepError } from '../core/index.js';
import { newApiKey, StoredKeySchema, type KeyDescription, type StoredKey } from './api-key.js';
import { isScope, SCOPES, type Scope } from './scopes.js';

const FileSchema = z.strictObject({ format: z.literal(1), keys: z.array(StoredKeySchema) });
/** Only its owner may read the file: it tells names and scopes. */
const MODE = 0o600;
/** Longest name of a key, in characters. */
const MAX_NAME = 200;

/** What a new key is for. */
export interface AddKeyOptions {
  /** Who will hold it; unique in the file. */
  readonly name: string;
  readonly scopes: readonly string[];
  /** Models that it may use, or `team/*` for a namespace. @defaultValue all */
  readonly models?: readonly string[];
  /** When it stops to work. @defaultValue never */
  readonly expiresAt?: Date;
}

/** A key that was made. */
export interface AddedKey extends KeyDescription {
  /** The key itself, shown this once. */
  readonly key: string;
}

/**
 * Makes a key and puts its hash into the file, which is made if it is not there.
 *
 * @throws ModelkeepError `INVALID_INPUT` for a name that is taken, an unknown scope, a malformed model or a damaged
 * file; `ALIAS_CONFLICT` if somebody else is changing the file
 */
export async function addKey(path: string, { name, scopes, models, expiresAt }: AddKeyOptions): Promise<AddedKey> {
  if (name === '' || name.length > MAX_NAME) {
    throw new ModelkeepError('INVALID_INPUT', `A key needs a name of 1 to ${MAX_NAME} characters`);
  }
  const known = checkScopes(scopes);
  for (const model of models ?? []) if (model !== '*') checkModelName(model.replace(/\/\*$/, ''));
  const { id, key, hash } = newApiKey();
  const stored: StoredKey = {
    id,
    name,
    hash,
    scopes: [...known],
    ...(models === undefined || models.length === 0 ? {} : { models: [...models] }),
    createdAt: new Date().toISOString(),
    ...(expiresAt === undefined ? {} : { expiresAt: expiresAt.toISOString() }),
  };
  await change(path, (keys) => {
    if (keys.some((other) => other.name === name)) {
      throw new ModelkeepError('INVALID_INPUT', `There is a key named ${JSON.stringify(name)} already in ${path}`);
    }
    return [...keys, stored];
  });
  return { ...describe(stored), key };
}

/** Takes a key, by its name or id, out of the file. @throws ModelkeepError `INVALID_INPUT` if it has none such */
export async function removeKey(path: string, nameOrId: string): Promise<KeyDescription> {
  let removed: StoredKey | undefined;
  await change(path, (keys) => {
    removed = keys.find(({ id, name }) => id === nameOrId || name === nameOrId);
    return keys.filter((key) => key !== removed);
  });
  if (removed !== undefined) return describe(removed);
  throw new ModelkeepError('INVALID_INPUT', `${path} has no key ${JSON.stringify(nameOrId)}: see modelkeep key list`);
}

/** What keys the file has, never the keys. @throws ModelkeepError `INVALID_INPUT` if it is missing or damaged */
export async function listKeys(path: string): Promise<readonly KeyDescription[]> {
  return (await readKeys(path)).map(describe);
}

/** Reads the file. @throws ModelkeepError `INVALID_INPUT` if it is missing or damaged */
export async function readKeys(path: string): Promise<readonly StoredKey[]> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'is not there' : (error as Error).message;
    throw new ModelkeepError('INVALID_INPUT', `The key file ${path} ${why}: make one with modelkeep key add`, {
      cause: error,
    });
  }
  try {
    return FileSchema.parse(JSON.parse(text)).keys;
  } catch (error) {
    // The parser's own message may quote what it read.
    throw new ModelkeepError('INVALID_INPUT', `The key file ${path} is damaged: it is not what modelkeep key writes`, {
      cause: error,
    });
  }
}

function describe({ hash: _hash, ...rest }: StoredKey): KeyDescription {
  return rest;
}

function checkScopes(scopes: readonly string[]): ReadonlySet<Scope> {
  const unknown = scopes.find((scope) => !isScope(scope));
  if (unknown !== undefined || scopes.length === 0) {
    const why = unknown === undefined ? 'A key needs a scope' : `There is no scope ${JSON.stringify(unknown)}`;
    const meant = unknown === undefined ? '' : didYouMean(unknown, SCOPES);
    throw new ModelkeepError('INVALID_INPUT', `${why}: use ${SCOPES.join(', ')}${meant}`);
  }
  return new Set(scopes as readonly Scope[]);
}

/** Writes the changed file beside the old one and puts it in its place; that other file is also the lock. */
async function change(path: string, edit: (keys: readonly StoredKey[]) => readonly StoredKey[]): Promise<void> {
  const beside = `${path}.new`;
  const file = await open(beside, 'wx', MODE).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') {
      throw new ModelkeepError('INVALID_INPUT', `The key file ${path} cannot be written: ${error.message}`, {
        cause: error,
      });
    }
    const message = `Somebody is changing ${path}, or was cut off: try again, and remove ${beside} if nobody is`;
    throw new ModelkeepError('ALIAS_CONFLICT', message, { cause: error });
  });
  try {
    const exists = await stat(path).then(
      () => true,
      (error: NodeJS.ErrnoException) => error.code !== 'ENOENT',
    );
    const keys = edit(exists ? await readKeys(path) : []);
    await file.writeFile(`${JSON.stringify({ format: 1, keys }, null, 2)}\n`);
    await file.sync();
    await file.close();
    await rename(beside, path);
  } catch (error) {
    await file.close();
    await rm(beside, { force: true });
    throw error;
  }
}
