import { closeSync, openSync, readSync } from 'node:fs';
import { Tensor } from 'onnxruntime-node';
import { ModelkeepError } from '../../core/index.js';
import { DTYPE_BYTES, WORD_ROWS, widenFloats, type WordTable } from '../../formats/index.js';

/**
 * Rows of one table that a process keeps, in bytes: 170 of 384 columns, which are four of ten words of any text. Reading a
 * row that is not kept takes 1.2 µs.
 */
const KEPT_BYTES = 256 * 1024;
/** Largest room for the rows of one run that is kept for the next, in bytes: 680 tokens of 384 columns. */
const ROOM_BYTES = 1024 * 1024;
const FLOAT_BYTES = DTYPE_BYTES.F32;

/** What a run is fed of `input_ids` and `attention_mask`: of tensors from outside too, so anything may be missing. */
type Feeds = Record<string, Tensor>;

/** For the rows of one run, whichever table they are of: runs of a process follow one another. */
let room = new Float32Array(0);

function roomFor(floats: number): Float32Array {
  if (floats <= room.length) return room;
  const made = new Float32Array(floats);
  if (made.byteLength <= ROOM_BYTES) room = made;
  return made;
}

/**
 * The words of versions that have one table in common, read row by row from its file. A graph that looked them up would
 * have to map it, and the system maps 16 pages where one is touched: half of a small model's weights would be in memory
 * for some thousand rows of them.
 */
class OpenTable {
  readonly #table: WordTable;
  readonly #file: number;
  readonly #rowBytes: number;
  /** The row of word `id` is in slot `id` modulo the number of slots, if it is there; slots come into use one by one. */
  readonly #slots: (Float32Array | undefined)[];
  readonly #ids: Int32Array;
  readonly #kept: ArrayBufferLike;
  readonly #scale = new Float32Array(1);
  versions = 0;

  constructor(table: WordTable) {
    const { columns, rows, dtype } = table;
    const slots = Math.min(rows, Math.max(1, Math.floor(KEPT_BYTES / (columns * FLOAT_BYTES))));
    this.#table = table;
    this.#rowBytes = columns * DTYPE_BYTES[dtype];
    this.#slots = Array.from({ length: slots });
    this.#ids = new Int32Array(slots).fill(-1);
    // Filled with zeros, all of it would be in memory at once.
    this.#kept = Buffer.allocUnsafeSlow(slots * columns * FLOAT_BYTES).buffer;
    this.#file = openSync(table.file, 'r');
  }

  close(): void {
    closeSync(this.#file);
  }

  /** The rows of the ids whose mask is not negative: float32 [count, columns], good until the next call for any table. */
  rowsOf(ids: BigInt64Array, mask: BigInt64Array): Tensor {
    const { columns } = this.#table;
    let count = 0;
    for (const one of mask) if (one >= 0n) count += 1;
    const found = roomFor(count * columns);
    let at = 0;
    for (let place = 0; place < mask.length; place++) {
      if (mask[place]! < 0n) continue;
      found.set(this.#find(Number(ids[place]), place), at);
      at += columns;
    }
    return new Tensor('float32', found.subarray(0, at), [count, columns]);
  }

  #find(id: number, place: number): Float32Array {
    const slot = id % this.#ids.length;
    const known = this.#slots[slot];
    if (known !== undefined && this.#ids[slot] === id) return known;
    const { rows, columns } = this.#table;
    if (!(id >= 0 && id < rows)) {
      throw new ModelkeepError(
        'INVALID_INPUT',
        `input_ids: ${id} at place ${place} is no word of the model, which has ${rows}. Send ids from 0 to ${rows - 1}`,
      );
    }
    const row = known ?? new Float32Array(this.#kept, slot * columns * FLOAT_BYTES, columns);
    this.#slots[slot] = row;
    this.#ids[slot] = -1;
    this.#read(id, row);
    this.#ids[slot] = id;
    return row;
  }

  #read(id: number, row: Float32Array): void {
    const { offset, dtype, scalesOffset = 0 } = this.#table;
    const bytes = this.#rowBytes;
    const at = offset + id * bytes;
    if (dtype === 'F32') return this.#readInto(row, at, id);
    if (dtype === 'I8') {
      const codes = new Int8Array(bytes);
      this.#readInto(codes, at, id);
      this.#readInto(this.#scale, scalesOffset + id * FLOAT_BYTES, id);
      const [scale = 0] = this.#scale;
      for (let column = 0; column < row.length; column++) row[column] = codes[column]! * scale;
      return;
    }
    const narrow = Buffer.alloc(bytes);
    this.#readInto(narrow, at, id);
    row.set(widenFloats(dtype, narrow));
  }

  #readInto(into: NodeJS.ArrayBufferView, at: number, id: number): void {
    if (readSync(this.#file, into, 0, into.byteLength, at) === into.byteLength) return;
    const { file } = this.#table;
    throw new ModelkeepError('LOAD_FAILED', `${file} ends before the row of word ${id}. Load the version again`);
  }
}

const tables = new Map<string, OpenTable>();

/** The table of words of one version; versions with the same one share what is kept of it. */
export class WordRows {
  readonly #key: string;
  readonly #table: OpenTable;
  #closed = false;

  /** @throws the file system's error if the table's file cannot be opened */
  constructor(table: WordTable) {
    // Equal bytes may be tables of different shapes.
    this.#key = JSON.stringify(table);
    this.#table = tables.get(this.#key) ?? new OpenTable(table);
    tables.set(this.#key, this.#table);
    this.#table.versions += 1;
  }

  /**
   * What a run is fed, with the rows of its words; they are good until the next call for any table. Feeds that lack the
   * ids or the mask, or in which they are not of one length, are left as they are for the runtime to refuse.
   *
   * @throws ModelkeepError `INVALID_INPUT` naming an id that is no word; `LOAD_FAILED` if the file is cut off
   */
  addTo(feeds: Feeds): Feeds {
    const ids = feeds['input_ids']?.data;
    const mask = feeds['attention_mask']?.data;
    const fit = ids instanceof BigInt64Array && mask instanceof BigInt64Array && ids.length === mask.length;
    return fit ? { ...feeds, [WORD_ROWS]: this.#table.rowsOf(ids, mask) } : feeds;
  }

  /** Lets the table go; the last of its versions closes its file. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#table.versions -= 1;
    if (this.#table.versions > 0) return;
    tables.delete(this.#key);
    this.#table.close();
  }
}
