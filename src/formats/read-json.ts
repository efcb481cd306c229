import { ModelkeepError, type VersionFiles } from '../core/index.js';

/** Largest JSON file that is read whole: 256 MiB, several times the largest tokenizer.json in use. */
const MAX_JSON_BYTES = 256 * 1024 * 1024;

/** Reads a file that must hold a JSON object. @throws ModelkeepError `INVALID_ARTIFACT` naming the file */
export async function readJson(files: VersionFiles, path: string): Promise<Record<string, unknown>> {
  const size = files.size(path) ?? 0;
  if (size > MAX_JSON_BYTES) {
    throw new ModelkeepError('INVALID_ARTIFACT', `${path} has ${size} bytes, at most ${MAX_JSON_BYTES} are read`);
  }
  const text = (await files.read(path)).toString('utf8');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new ModelkeepError('INVALID_ARTIFACT', `${path} is not JSON. Save the model again`, { cause: error });
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new ModelkeepError('INVALID_ARTIFACT', `${path} holds no JSON object. Save the model again`);
}
