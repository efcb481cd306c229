import { ModelkeepError, type VersionFiles } from '../../../core/index.js';
import { readText } from '../../../formats/index.js';
import type { JsonObject } from '../../json-file.js';

/** Files that hold a vocabulary. */
export const VOCABULARY_FILES = Object.freeze([
  'tokenizer.json',
  'vocab.txt',
  'vocab.json',
  'spiece.model',
  'sentencepiece.bpe.model',
  'spm.model',
  'tokenizer.model',
]);

/** Every file that the ids of a tokenizer may depend on, but for config.json, of which a little is needed. */
export const TOKENIZER_SOURCES = Object.freeze([
  ...VOCABULARY_FILES,
  'merges.txt',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
]);

/** True if a version has a vocabulary, of whatever tokenizer. */
export function hasVocabulary(files: VersionFiles): boolean {
  return VOCABULARY_FILES.some((path) => files.size(path) !== undefined);
}

/** Largest binary file that is read: several times the largest sentencepiece model in use. */
const MAX_BYTES = 64 * 1024 * 1024;

/** The bytes of a binary file. @throws ModelkeepError `INVALID_ARTIFACT` if there are too many */
export async function readBytes(files: VersionFiles, path: string): Promise<Buffer> {
  const size = files.size(path) ?? 0;
  if (size <= MAX_BYTES) return files.read(path);
  throw new ModelkeepError('INVALID_ARTIFACT', `${path} has ${size} bytes, at most ${MAX_BYTES} are read`);
}

/** A text file with its lines ended as Python reads them. @throws ModelkeepError `INVALID_ARTIFACT` */
export async function readLines(files: VersionFiles, path: string): Promise<string> {
  return (await readText(files, path)).replaceAll(/\r\n?/g, '\n');
}

/** A value of a file shown in a message, cut where it is long. */
export function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

/** The error of a value that cannot be what it is. */
export function invalidValue(path: string, key: string, value: unknown, why: string): ModelkeepError {
  return new ModelkeepError('INVALID_ARTIFACT', `${path}: ${key} is ${shown(value)}; ${why}`);
}

/** The error of something that is not served. */
export function unsupported(message: string): ModelkeepError {
  return new ModelkeepError('UNSUPPORTED_FORMAT', message);
}

/** True for a JSON object. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
