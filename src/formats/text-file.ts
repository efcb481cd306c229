import { ModelkeepError } from '../core/index.js';

/** Marks at the beginning of a text file and what they say of the rest. */
const MARKS: readonly (readonly [readonly number[], 'utf-8' | 'utf-16le' | 'utf-16be'])[] = [
  [[0xef, 0xbb, 0xbf], 'utf-8'],
  [[0xff, 0xfe], 'utf-16le'],
  [[0xfe, 0xff], 'utf-16be'],
];

/**
 * The text of a file: UTF-8, with or without a byte order mark, or UTF-16 with one, as editors and shells on Windows
 * write it. The mark is no part of the text.
 *
 * @param path for messages
 * @throws ModelkeepError `INVALID_ARTIFACT` for bytes that are no such text, naming where the first of them lies
 */
export function decodeText(bytes: Uint8Array, path: string): string {
  const encoding = MARKS.find(([mark]) => mark.every((byte, at) => bytes[at] === byte))?.[1] ?? 'utf-8';
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes);
  } catch (error) {
    throw new ModelkeepError(
      'INVALID_ARTIFACT',
      `${path} is no ${encoding.toUpperCase()} text at ${placeOfBadByte(bytes, encoding)}. Save the file again as UTF-8`,
      { cause: error, details: { path } },
    );
  }
}

/** Where the first bytes lie that are no text. */
function placeOfBadByte(bytes: Uint8Array, encoding: string): string {
  const decodes = (end: number): boolean => {
    try {
      new TextDecoder(encoding, { fatal: true }).decode(bytes.subarray(0, end), { stream: true });
      return true;
    } catch {
      return false;
    }
  };
  return `byte ${longestGood(bytes.length, decodes)}`;
}

/** The length of the longest beginning that is good, where all shorter ones are good and all longer ones are not. */
function longestGood(length: number, isGood: (length: number) => boolean): number {
  let good = 0;
  let bad = length + 1;
  while (bad - good > 1) {
    const middle = (good + bad) >>> 1;
    if (isGood(middle)) good = middle;
    else bad = middle;
  }
  return good;
}

/**
 * Parses the text of a JSON file.
 *
 * @throws ModelkeepError `INVALID_ARTIFACT` naming the file, the line and the column where it stops being JSON
 */
export function parseJson(text: string, path: string): unknown;
export function parseJson<T>(text: string, path: string, parse: (text: string) => T): T;
export function parseJson(text: string, path: string, parse: (text: string) => unknown = JSON.parse): unknown {
  try {
    return parse(text);
  } catch (error) {
    throw new ModelkeepError('INVALID_ARTIFACT', `${path} is not JSON${placeOf(text, error)}. Save the model again`, {
      cause: error,
      details: { path },
    });
  }
}

/** Longest text that is parsed again and again to find the place, in characters: 4 Mi. */
const MAX_SEARCHED = 4 * 1024 * 1024;

/** Where a text stops being JSON; the engine does not always tell. */
function placeOf(text: string, error: unknown): string {
  if (text.trim() === '') return ': it is empty';
  if (endsTooEarly(text, error)) return `: it ends in the middle, after ${text.length} characters`;
  if (text.length > MAX_SEARCHED) return '';
  const position = longestGood(text.length, (length) => {
    const beginning = text.slice(0, length);
    try {
      JSON.parse(beginning);
      return true;
    } catch (cut) {
      return endsTooEarly(beginning, cut);
    }
  });
  const before = text.slice(0, position);
  const line = before.split('\n').length;
  const column = before.length - before.lastIndexOf('\n');
  return ` at line ${line}, column ${column}, where it has ${JSON.stringify(text.slice(position, position + 20))}`;
}

function endsTooEarly(text: string, error: unknown): boolean {
  const message = error instanceof Error ? error.message : '';
  const position = /at position (\d+)/.exec(message)?.[1];
  return /end of JSON input|Unterminated/i.test(message) || Number(position) >= text.length;
}
