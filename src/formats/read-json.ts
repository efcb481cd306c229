import { ModelkeepError, type VersionFiles } from '../core/index.js';
import { splitTokenizer } from './vocabulary.js';

/** Largest JSON file that is read whole: 256 MiB, several times the largest tokenizer.json in use. */
const MAX_JSON_BYTES = 256 * 1024 * 1024;

/** Reads a file that must hold a JSON object. @throws ModelkeepError `INVALID_ARTIFACT` naming the file */
export async function readJson(files: VersionFiles, path: string): Promise<Record<string, unknown>> {
  return objectOf(path, parsed(path, await readText(files, path), JSON.parse));
}

/** Reads `tokenizer.json`, its vocabulary apart. @throws ModelkeepError `INVALID_ARTIFACT` */
export async function readTokenizerJson(
  files: VersionFiles,
): Promise<{ readonly json: Record<string, unknown>; readonly vocabulary?: ReadonlyMap<string, number> }> {
  const path = 'tokenizer.json';
  const split = parsed(path, await readText(files, path), splitTokenizer);
  return { ...split, json: objectOf(path, split.json) };
}

async function readText(files: VersionFiles, path: string): Promise<string> {
  const size = files.size(path) ?? 0;
  if (size <= MAX_JSON_BYTES) return (await files.read(path)).toString('utf8');
  throw new ModelkeepError('INVALID_ARTIFACT', `${path} has ${size} bytes, at most ${MAX_JSON_BYTES} are read`);
}

function parsed<T>(path: string, text: string, parse: (text: string) => T): T {
  try {
    return parse(text);
  } catch (error) {
    throw new ModelkeepError('INVALID_ARTIFACT', `${path} is not JSON. Save the model again`, { cause: error });
  }
}

function objectOf(path: string, value: unknown): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new ModelkeepError('INVALID_ARTIFACT', `${path} holds no JSON object. Save the model again`);
}
