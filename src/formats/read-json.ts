import { ModelkeepError, type VersionFiles } from '../core/index.js';
import { decodeText, parseJson } from './text-file.js';
import { splitTokenizer } from './vocabulary.js';

/** Largest JSON file that is read whole: 256 MiB, several times the largest tokenizer.json in use. */
const MAX_JSON_BYTES = 256 * 1024 * 1024;

/** Reads a file that must hold a JSON object. @throws ModelkeepError `INVALID_ARTIFACT` naming the file and the place */
export async function readJson(files: VersionFiles, path: string): Promise<Record<string, unknown>> {
  return objectOf(path, await readJsonValue(files, path));
}

/** Reads a JSON file, whatever it holds. @throws ModelkeepError `INVALID_ARTIFACT` naming the file and the place */
export async function readJsonValue(files: VersionFiles, path: string): Promise<unknown> {
  return parseJson(await readText(files, path), path);
}

/** Reads `tokenizer.json`, its vocabulary apart. @throws ModelkeepError `INVALID_ARTIFACT` */
export async function readTokenizerJson(
  files: VersionFiles,
): Promise<{ readonly json: Record<string, unknown>; readonly vocabulary?: ReadonlyMap<string, number> }> {
  const path = 'tokenizer.json';
  const split = parseJson(await readText(files, path), path, splitTokenizer);
  return { ...split, json: objectOf(path, split.json) };
}

/** Reads a text file, see `decodeText`. @throws ModelkeepError `INVALID_ARTIFACT` for one that is too large or no text */
export async function readText(files: VersionFiles, path: string): Promise<string> {
  const size = files.size(path) ?? 0;
  if (size <= MAX_JSON_BYTES) return decodeText(await files.read(path), path);
  throw new ModelkeepError('INVALID_ARTIFACT', `${path} has ${size} bytes, at most ${MAX_JSON_BYTES} are read`);
}

/** A JSON value that must be an object. @throws ModelkeepError `INVALID_ARTIFACT` naming the file */
export function objectOf(path: string, value: unknown): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  const what = Array.isArray(value) ? 'a list' : JSON.stringify(value)?.slice(0, 40);
  throw new ModelkeepError('INVALID_ARTIFACT', `${path} holds ${what}, not a JSON object. Save the model again`);
}
