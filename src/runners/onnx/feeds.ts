import { Tensor as OrtTensor } from 'onnxruntime-node';
import { ELEMENT_ARRAYS } from '../../core/index.js';
import type { FedType, InputRole, TextInput, TextInputs } from '../../formats/index.js';
import type { Encoding } from '../../tasks/index.js';
import type { Batch } from './batches.js';

/** What fills sequences up, and where their places begin. */
export interface Padding {
  /** Id that fills a sequence up. */
  readonly padId: number;
  /** True if it is filled up on the left. */
  readonly padLeft: boolean;
  /** What stands in the mask for filling. @defaultValue 0 */
  readonly filling?: number | undefined;
  /** The place of the first token, where the graph is fed places. @defaultValue 0 */
  readonly firstPosition?: number | undefined;
}

type Numbers = { [at: number]: number };

/** 1 in float16. */
const ONE_IN_FLOAT16 = 0x3c00;

/** What a role gives for the token at a place of a sequence. */
function valueOf(role: InputRole, { ids, typeIds }: Encoding, at: number, first: number): number {
  if (role === 'ids') return ids[at]!;
  if (role === 'types') return typeIds?.[at] ?? 0;
  return role === 'positions' ? first + at : 1;
}

/** Makes what a graph is fed of encoded texts. */
export class TextFeeds {
  readonly #inputs: readonly TextInput[];
  readonly #padding: Padding;

  constructor({ inputs }: TextInputs, padding: Padding) {
    this.#inputs = inputs;
    this.#padding = padding;
  }

  /** The tensors of one run; the rows that a run has more than sequences are copies of the first. */
  of(encodings: readonly Encoding[], { indexes, length, rows = indexes.length }: Batch): Record<string, OrtTensor> {
    const feeds: Record<string, OrtTensor> = {};
    const sequences = Array.from({ length: rows }, (_, row) => encodings[indexes[row] ?? indexes[0]!]!);
    for (const { name, type, role } of this.#inputs) {
      if (role === 'lengths' || role === 'rows') {
        const values = sequences.map(({ ids }, row) => (role === 'lengths' ? ids.length : row));
        feeds[name] = new OrtTensor(type, arrayOf(type, values) as never, [rows]);
      } else if (type === 'int64') {
        feeds[name] = new OrtTensor(type, this.#wide(role, sequences, length), [rows, length]);
      } else {
        feeds[name] = new OrtTensor(type, this.#cells(type, role, sequences, length) as never, [rows, length]);
      }
    }
    return feeds;
  }

  #filler(role: InputRole): number {
    const { padId, filling = 0, firstPosition = 0 } = this.#padding;
    if (role === 'ids') return padId;
    if (role === 'positions') return Math.max(firstPosition - 1, 0);
    return role === 'mask' ? filling : 0;
  }

  #wide(role: InputRole, sequences: readonly Encoding[], length: number): BigInt64Array {
    const { padLeft, firstPosition = 0 } = this.#padding;
    const cells = new BigInt64Array(sequences.length * length);
    const filler = this.#filler(role);
    if (filler !== 0) cells.fill(BigInt(filler));
    sequences.forEach((sequence, row) => {
      const count = sequence.ids.length;
      const begin = row * length + (padLeft ? length - count : 0);
      for (let at = 0; at < count; at++) cells[begin + at] = BigInt(valueOf(role, sequence, at, firstPosition));
    });
    return cells;
  }

  #cells(type: FedType, role: InputRole, sequences: readonly Encoding[], length: number): unknown {
    const { padLeft, firstPosition = 0 } = this.#padding;
    const values = Array.from({ length: sequences.length * length }, () => this.#filler(role));
    sequences.forEach((sequence, row) => {
      const count = sequence.ids.length;
      const begin = row * length + (padLeft ? length - count : 0);
      for (let at = 0; at < count; at++) values[begin + at] = valueOf(role, sequence, at, firstPosition);
    });
    return arrayOf(type, values);
  }
}

/** Whole numbers as the elements of a tensor. */
function arrayOf(type: FedType, values: readonly number[]): unknown {
  if (type === 'int64') return BigInt64Array.from(values, BigInt);
  if (type === 'uint64') return BigUint64Array.from(values, BigInt);
  const { BYTES_PER_ELEMENT } = ELEMENT_ARRAYS[type];
  const cells = new ELEMENT_ARRAYS[type](new ArrayBuffer(values.length * BYTES_PER_ELEMENT)) as unknown as Numbers;
  values.forEach((value, at) => {
    // As float16 only a mask and segments are fed, whose numbers are 0 and 1.
    cells[at] = type === 'float16' && value === 1 ? ONE_IN_FLOAT16 : value;
  });
  return cells;
}
