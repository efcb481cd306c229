import type { VersionFiles } from '../core/index.js';
import { readJson } from '../formats/index.js';

/** A JSON object as training wrote it. */
export type JsonObject = Readonly<Record<string, unknown>>;

/**
 * Reads a JSON object of a version; undefined if there is no such file.
 *
 * @throws ModelkeepError `INVALID_ARTIFACT` if the file is not a JSON object
 */
export async function readJsonObject(files: VersionFiles, path: string): Promise<JsonObject | undefined> {
  return files.size(path) === undefined ? undefined : readJson(files, path);
}
