/** A tokenizer.json whose vocabulary was taken out of it. */
export interface SplitTokenizer {
  /** What the text holds, with an empty object as `model.vocab` if the vocabulary was taken out. */
  readonly json: unknown;
  /** Ids by token, in the order of the text; absent where `model.vocab` is no object of plain ids. */
  readonly vocabulary?: ReadonlyMap<string, number>;
}

const VOCABULARY = /"vocab"\s*:\s*\{/g;

const QUOTE = 0x22;
const COMMA = 0x2c;
const ZERO = 0x30;
const NINE = 0x39;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
const CLOSE = 0x7d;
const BLANK = 0x20;
/** The engine makes a part of a text that is this long or longer a view of it, which keeps the whole text in memory. */
const VIEW_LENGTH = 13;
/** Largest id that is read here. */
const MAX_ID = 2 ** 31;

/**
 * Parses the text of a tokenizer.json. A vocabulary of tens of thousands of tokens as an object costs more than all the
 * rest of loading a tokenizer, so it is read straight into a map; whatever is unusual about it is left to `JSON.parse`.
 *
 * @throws SyntaxError if the text is no JSON
 */
export function splitTokenizer(text: string): SplitTokenizer {
  const [match, another] = text.matchAll(VOCABULARY);
  const start = match === undefined ? 0 : match.index + match[0].length;
  const scanned = match === undefined || another !== undefined ? undefined : scanIds(text, start);
  if (scanned !== undefined) {
    const json: unknown = JSON.parse(text.slice(0, start) + text.slice(scanned.end));
    // Quotes inside of strings are escaped, so an object under this name is the one that was found.
    if (isEmptyObject((json as { model?: { vocab?: unknown } } | null)?.model?.vocab))
      return { json, vocabulary: scanned.ids };
  }
  return { json: JSON.parse(text) };
}

function isEmptyObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && Object.keys(value).length === 0;
}

function skipBlanks(text: string, from: number): number {
  let at = from;
  for (let char = text.charCodeAt(at); char === BLANK || char === 0x0a || char === 0x0d || char === 0x09;)
    char = text.charCodeAt(++at);
  return at;
}

/** Reads `"token": id, …` up to the closing brace, whose place is `end`; undefined for anything else. */
function scanIds(text: string, start: number): { ids: Map<string, number>; end: number } | undefined {
  const ids = new Map<string, number>();
  for (let at = skipBlanks(text, start); ; at = skipBlanks(text, at + 1)) {
    if (text.charCodeAt(at) !== QUOTE) return undefined;
    const end = endOfString(text, at);
    if (end === undefined) return undefined;
    const token = stringBetween(text, at, end);
    at = skipBlanks(text, end + 1);
    if (token === undefined || text.charCodeAt(at) !== COLON) return undefined;
    at = skipBlanks(text, at + 1);
    const first = at;
    let id = 0;
    for (let digit = text.charCodeAt(at); digit >= ZERO && digit <= NINE; digit = text.charCodeAt(++at))
      id = id * 10 + digit - ZERO;
    if (at === first || id > MAX_ID || (at > first + 1 && text.charCodeAt(first) === ZERO)) return undefined;
    ids.set(token, id);
    at = skipBlanks(text, at);
    if (text.charCodeAt(at) === CLOSE) return { ids, end: at };
    if (text.charCodeAt(at) !== COMMA) return undefined;
  }
}

/** The place of the quote that ends the string which begins at `start`; undefined if it is no string of JSON. */
function endOfString(text: string, start: number): number | undefined {
  for (let at = start + 1; ; at++) {
    const char = text.charCodeAt(at);
    if (char === QUOTE) return at;
    if (char === BACKSLASH) at++;
    // NaN at the end of the text.
    else if (!(char >= BLANK)) return undefined;
  }
}

function stringBetween(text: string, start: number, end: number): string | undefined {
  const inner = text.slice(start + 1, end);
  if (inner.length < VIEW_LENGTH && !inner.includes('\\')) return inner;
  try {
    // What this gives is a text of its own.
    return JSON.parse(text.slice(start, end + 1)) as string;
  } catch {
    // The whole text is no JSON then, and is refused as that.
    return undefined;
  }
}
