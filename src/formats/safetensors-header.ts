/** The fields of a tensor in a header, as they are written. */
export type TensorFields = Readonly<Record<string, unknown>>;

/** What is wrong with the text of a header. */
export class HeaderFault extends Error {}

/** Most entries of a list: dimensions of a tensor. */
const MAX_LIST = 64;
/** Longest number, in characters. */
const MAX_NUMBER = 40;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const isSpace = (byte: number | undefined): boolean => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
/** Characters that numbers and the words true, false and null are made of. */
const isBare = (byte: number): boolean =>
  (byte >= 0x30 && byte <= 0x39) ||
  (byte >= 0x61 && byte <= 0x7a) ||
  byte === 0x2b ||
  byte === 0x2d ||
  byte === 0x2e ||
  byte === 0x45;

/**
 * Reads the JSON of a safetensors header piece by piece, so that memory is that of the tensors it names and not of
 * whatever JSON may hold: `JSON.parse` makes fifty times its bytes of nested lists. It takes the format's grammar alone,
 * an object of flat objects, and sees names that are repeated, of which `JSON.parse` keeps the last silently.
 */
class HeaderScanner {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** Walks an object: `onEntry` reads the value of each key. */
  object(what: string, onEntry: (key: string) => void): void {
    this.#expect('{', what);
    if (this.#takes('}')) return;
    do {
      const key = this.#string(`a key of ${what}`);
      this.#expect(':', what);
      onEntry(key);
    } while (this.#takes(','));
    this.#expect('}', what);
  }

  /** A value that is no object: text, number, true, false, null, or a list of such. */
  flatValue(what: string, isInList = false): unknown {
    this.#skipSpace();
    if (this.#bytes[this.#at] === QUOTE) return this.#string(what);
    if (!isInList && this.#takes('[')) return this.#list(what);
    return this.#bare(what);
  }

  /** A string, as metadata has them; nothing is kept of it. */
  skipString(what: string): void {
    this.#string(what);
  }

  end(): void {
    this.#skipSpace();
    if (this.#at < this.#bytes.length) throw new HeaderFault(`it goes on behind its end, at byte ${this.#at}`);
  }

  #list(what: string): readonly unknown[] {
    const list: unknown[] = [];
    if (this.#takes(']')) return list;
    do {
      if (list.length >= MAX_LIST) throw new HeaderFault(`${what} has more than ${MAX_LIST} entries`);
      list.push(this.flatValue(what, true));
    } while (this.#takes(','));
    this.#expect(']', what);
    return list;
  }

  #string(what: string): string {
    this.#skipSpace();
    const bytes = this.#bytes;
    const start = this.#at;
    if (bytes[start] !== QUOTE) throw new HeaderFault(`${what} is no text, at byte ${start}`);
    let at = start + 1;
    for (; at < bytes.length && bytes[at] !== QUOTE; at++) if (bytes[at] === BACKSLASH) at++;
    this.#at = at + 1;
    return this.#parsed(start, what) as string;
  }

  #bare(what: string): unknown {
    const start = this.#at;
    while (this.#at < this.#bytes.length && isBare(this.#bytes[this.#at] ?? 0)) this.#at++;
    if (this.#at - start > MAX_NUMBER) throw new HeaderFault(`${what} has a number that is too long`);
    return this.#parsed(start, what);
  }

  #parsed(start: number, what: string): unknown {
    const text = this.#bytes.toString('utf8', start, this.#at);
    try {
      return JSON.parse(text) as unknown;
    } catch (error) {
      throw new HeaderFault(`${what} is malformed at byte ${start}`, { cause: error });
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

  #expect(char: string, what: string): void {
    if (!this.#takes(char)) throw new HeaderFault(`${what} lacks a ${char} at byte ${this.#at}`);
  }
}

/** A name for messages, cut where it is long. */
export function shortName(name: string): string {
  return JSON.stringify(name.length > 200 ? `${name.slice(0, 197)}...` : name);
}

/**
 * Reads the tensors of a header.
 *
 * @param onTensor told of each, in the order of the text
 * @throws HeaderFault saying what is wrong
 */
export function scanHeader(bytes: Buffer, onTensor: (name: string, fields: TensorFields) => void): void {
  const scanner = new HeaderScanner(bytes);
  const names = new Set<string>();
  scanner.object('it', (name) => {
    if (names.has(name)) throw new HeaderFault(`it names ${shortName(name)} twice`);
    names.add(name);
    if (name === '__metadata__') {
      scanner.object(name, (key) => scanner.skipString(`${name}.${key.slice(0, 200)}`));
      return;
    }
    const fields: Record<string, unknown> = {};
    const what = `tensor ${shortName(name)}`;
    scanner.object(what, (field) => {
      if (Object.hasOwn(fields, field)) throw new HeaderFault(`${what} has ${shortName(field)} twice`);
      if (Object.keys(fields).length >= MAX_LIST) throw new HeaderFault(`${what} has more than ${MAX_LIST} fields`);
      // A field of this name would be the object's prototype.
      if (field !== '__proto__') fields[field] = scanner.flatValue(`${field.slice(0, 200)} of ${what}`);
      else scanner.flatValue(what);
    });
    onTensor(name, fields);
  });
  scanner.end();
}
