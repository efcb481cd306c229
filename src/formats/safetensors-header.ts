import { isUtf8 } from 'node:buffer';

/** The fields of a tensor in a header, as they are written. */
export type TensorFields = Readonly<Record<string, unknown>>;

/** A tensor of a header, as it is met while the header is read. */
export interface ScannedTensor {
  /** Where the quote before its name is, in the bytes of the header. */
  readonly nameAt: number;
  /** Where the list of its dimensions begins; undefined if it has none. */
  readonly shapeAt: number | undefined;
  readonly fields: TensorFields;
}

/** What is wrong with the text of a header. */
export class HeaderFault extends Error {}

/** Most entries of a list: dimensions of a tensor. */
const MAX_LIST = 64;
/** Longest number, in characters. */
const MAX_NUMBER = 40;
/** Digits of a number that is exact in a double whatever they are. */
const EXACT_DIGITS = 15;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const ZERO = 0x30;
const NINE = 0x39;
const isSpace = (byte: number | undefined): boolean => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
/** Characters that numbers and the words true, false and null are made of. */
const isBare = (byte: number): boolean =>
  (byte >= ZERO && byte <= NINE) ||
  (byte >= 0x61 && byte <= 0x7a) ||
  byte === 0x2b ||
  byte === 0x2d ||
  byte === 0x2e ||
  byte === 0x45;

/**
 * Reads the JSON of a safetensors header piece by piece, so that memory is that of the tensors it names and not of
 * whatever JSON may hold: `JSON.parse` makes fifty times its bytes of nested lists. It takes the format's grammar alone,
 * an object of flat objects.
 */
class HeaderScanner {
  readonly #bytes: Buffer;
  #at: number;

  constructor(bytes: Buffer, at = 0) {
    this.#bytes = bytes;
    this.#at = at;
  }

  /** Walks an object: `onEntry` is told where the key begins and reads the value. */
  object(what: () => string, onEntry: (keyAt: number, key: string) => void): void {
    this.#expect('{', what);
    if (this.#takes('}')) return;
    do {
      this.#skipSpace();
      const keyAt = this.#at;
      const key = this.string(() => `a key of ${what()}`);
      this.#expect(':', what);
      onEntry(keyAt, key);
    } while (this.#takes(','));
    this.#expect('}', what);
  }

  /** Where the next value begins. */
  place(): number {
    this.#skipSpace();
    return this.#at;
  }

  /** A value that is no object: text, number, true, false, null, or a list of such. */
  flatValue(what: () => string, isInList = false): unknown {
    this.#skipSpace();
    if (this.#bytes[this.#at] === QUOTE) return this.string(what);
    if (!isInList && this.#takes('[')) return this.#list(what);
    return this.#bare(what);
  }

  end(): void {
    this.#skipSpace();
    if (this.#at < this.#bytes.length) throw new HeaderFault(`it goes on behind its end, at byte ${this.#at}`);
  }

  string(what: () => string): string {
    this.#skipSpace();
    const bytes = this.#bytes;
    const start = this.#at;
    if (bytes[start] !== QUOTE) throw new HeaderFault(`${what()} is no text, at byte ${start}`);
    let at = start + 1;
    let isPlain = true;
    for (; at < bytes.length && bytes[at] !== QUOTE; at++) {
      const byte = bytes[at] ?? 0;
      if (byte === BACKSLASH) at++;
      if (byte === BACKSLASH || byte < 0x20) isPlain = false;
    }
    this.#at = at + 1;
    if (isPlain && at < bytes.length) return bytes.toString('utf8', start + 1, at);
    return this.#parsed(start, what) as string;
  }

  #list(what: () => string): readonly unknown[] {
    const list: unknown[] = [];
    if (this.#takes(']')) return list;
    do {
      if (list.length >= MAX_LIST) throw new HeaderFault(`${what()} has more than ${MAX_LIST} entries`);
      list.push(this.flatValue(what, true));
    } while (this.#takes(','));
    this.#expect(']', what);
    return list;
  }

  #bare(what: () => string): unknown {
    const bytes = this.#bytes;
    const start = this.#at;
    let number = 0;
    let isDigits = true;
    for (; this.#at < bytes.length; this.#at++) {
      const byte = bytes[this.#at] ?? 0;
      if (!isBare(byte)) break;
      if (byte >= ZERO && byte <= NINE) number = number * 10 + byte - ZERO;
      else isDigits = false;
    }
    const length = this.#at - start;
    if (length > MAX_NUMBER) throw new HeaderFault(`${what()} has a number that is too long`);
    // A leading zero is left to the parser to refuse.
    const isPlain = isDigits && length > 0 && length <= EXACT_DIGITS && (length === 1 || bytes[start] !== ZERO);
    return isPlain ? number : this.#parsed(start, what);
  }

  #parsed(start: number, what: () => string): unknown {
    const text = this.#bytes.toString('utf8', start, this.#at);
    try {
      return JSON.parse(text) as unknown;
    } catch (error) {
      throw new HeaderFault(`${what()} is malformed at byte ${start}`, { cause: error });
    }
  }

  #skipSpace(): void {
    while (isSpace(this.#bytes[this.#at])) this.#at++;
  }

  #takes(char: string): boolean {
    this.#skipSpace();
    if (this.#bytes[this.#at] !== char.charCodeAt(0)) return false;
    this.#at++;
    return true;
  }

  #expect(char: string, what: () => string): void {
    if (!this.#takes(char)) throw new HeaderFault(`${what()} lacks a ${char} at byte ${this.#at}`);
  }
}

/** A name for messages, cut where it is long. */
export function shortName(name: string): string {
  return JSON.stringify(name.length > 200 ? `${name.slice(0, 197)}...` : name);
}

/** The text that begins with the quote at a place of a header that was scanned. */
export function stringAt(bytes: Buffer, at: number): string {
  return new HeaderScanner(bytes, at).string(() => 'a name');
}

/** The list that begins at a place of a header that was scanned. */
export function listAt(bytes: Buffer, at: number): readonly unknown[] {
  return new HeaderScanner(bytes, at).flatValue(() => 'a list') as readonly unknown[];
}

/**
 * Reads the tensors of a header. Nothing is kept of them, so names that are there twice are not noticed.
 *
 * @param onTensor told of each, in the order of the text
 * @throws HeaderFault saying what is wrong
 */
export function scanHeader(bytes: Buffer, onTensor: (name: string, tensor: ScannedTensor) => void): void {
  if (!isUtf8(bytes)) throw new HeaderFault('it is not in UTF-8');
  const scanner = new HeaderScanner(bytes);
  let hasMetadata = false;
  scanner.object(
    () => 'it',
    (nameAt, name) => {
      if (!name.isWellFormed()) throw new HeaderFault(`the name ${shortName(name)} is no Unicode`);
      if (name !== '__metadata__') return onTensor(name, scanTensor(scanner, name, nameAt));
      if (hasMetadata) throw new HeaderFault(`it names ${shortName(name)} twice`);
      hasMetadata = true;
      scanner.object(
        () => name,
        (_, key) => scanner.string(() => `${name}.${key.slice(0, 200)}`),
      );
    },
  );
  scanner.end();
}

function scanTensor(scanner: HeaderScanner, name: string, nameAt: number): ScannedTensor {
  const fields: Record<string, unknown> = {};
  let shapeAt: number | undefined;
  const what = (): string => `tensor ${shortName(name)}`;
  scanner.object(what, (_, field) => {
    if (Object.hasOwn(fields, field)) throw new HeaderFault(`${what()} has ${shortName(field)} twice`);
    if (Object.keys(fields).length >= MAX_LIST) throw new HeaderFault(`${what()} has more than ${MAX_LIST} fields`);
    if (field === 'shape') shapeAt = scanner.place();
    const value = scanner.flatValue(() => `${field.slice(0, 200)} of ${what()}`);
    // A field of this name would be the object's prototype.
    if (field !== '__proto__') fields[field] = value;
  });
  return { nameAt, shapeAt, fields };
}
