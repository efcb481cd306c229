import { ModelkeepError, type VersionFiles } from '../core/index.js';

/** A JSON object as training wrote it. */
export type JsonObject = Readonly<Record<string, unknown>>;

/**
 * Reads a JSON object of a version; undefined if there is no such file.
 *
 * @throws ModelkeepError `INVALID_ARTIFACT` if the file is not a JSON object
 */
export async function readJsonObject(files: VersionFiles, path: string): Promise<JsonObject | undefined> {
  const value = await readJson(files, path);
  if (value === undefined) return undefined;
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject;
  throw new ModelkeepError('INVALID_ARTIFACT', `${path} is not a JSON object; save the model again`);
}

/**
 * Reads a JSON file of a version; undefined if there is no such file.
 *
 * @throws ModelkeepError `INVALID_ARTIFACT` if the file is not JSON
 */
export async function readJson(files: VersionFiles, path: string): Promise<unknown> {
  if (files.size(path) === undefined) return undefined;
  const text = (await files.read(path)).toString('utf8');
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new ModelkeepError('INVALID_ARTIFACT', `${path} is not JSON (${why}); save the model again`, {
      cause: error,
    });
  }
}
