import type { VersionFiles } from '../../core/index.js';
import { malformed, MAX_FIELD_HEAD_BYTES, readFieldHead, WIRE, type Field } from './wire.js';

/** Bytes read at once: enough for hundreds of nodes, little beside a model. */
const WINDOW_BYTES = 256 * 1024;

/** Most fields of one message: ten times the nodes and initializers of the largest graphs. A field takes 100 bytes here. */
const MAX_FIELDS = 1_000_000;

/** Reads a file front to back in small steps, jumping over what is not wanted; holds one window of it. */
export class ByteWindow {
  readonly #files: VersionFiles;
  readonly #path: string;
  readonly size: number;
  #bytes: Buffer = Buffer.alloc(0);
  #start = 0;

  constructor(files: VersionFiles, path: string) {
    this.#files = files;
    this.#path = path;
    this.size = files.size(path) ?? 0;
  }

  /** Bytes `start` to `end` of the file; valid for good. */
  async bytes(start: number, end: number): Promise<Buffer> {
    await this.#ensure(start, end);
    return Buffer.from(this.#bytes.subarray(start - this.#start, end - this.#start));
  }

  /** The fields of the message that lies at `start` to `end`; values are not read. */
  async fields(start: number, end: number): Promise<readonly Field[]> {
    const found: Field[] = [];
    for (let at = start; at < end;) {
      const headEnd = Math.min(end, at + MAX_FIELD_HEAD_BYTES);
      if (at < this.#start || headEnd > this.#start + this.#bytes.length) await this.#ensure(at, headEnd);
      const base = this.#start;
      const field = readFieldHead(this.#bytes.subarray(0, headEnd - base), at - base, base, end);
      if (found.length >= MAX_FIELDS) throw malformed(`more than ${MAX_FIELDS} fields in one message`, at);
      found.push(field);
      at = field.end;
    }
    return found;
  }

  /** The text of a field. */
  async text(field: Field): Promise<string> {
    return field.wire === WIRE.bytes ? (await this.bytes(field.start, field.end)).toString('utf8') : '';
  }

  async #ensure(start: number, end: number): Promise<void> {
    if (start >= this.#start && end <= this.#start + this.#bytes.length) return;
    const wanted = Math.min(this.size, Math.max(end, start + WINDOW_BYTES));
    this.#bytes = await this.#files.read(this.#path, { start, end: wanted });
    this.#start = start;
  }
}
