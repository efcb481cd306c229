import {
  inLanes,
  ModelkeepError,
  type Arithmetic,
  type DerivedTensor,
  type DeriveTensor,
  type Digest,
  type TensorRecipe,
} from '../../core/index.js';
import type { ModelWriter, OnnxTypeName } from '../onnx/model-writer.js';
import { WORD_ROWS, type WordTable } from '../session-plan.js';
import {
  BLOCK_WEIGHTS,
  blocksLayout,
  quantizeBlocks,
  quantizeRows,
  rowsLayout,
  type QuantizedPart,
  type WeightBits,
} from '../quantize/quantize.js';

/** Changes when the arithmetic that makes the codes does: tensors of another edition are not found. */
const EDITION = 1;
/** Codes of activations lie in [-127, 127]; the runtime wants them as uint8 around this. */
const MIDDLE = 128;
const LARGEST_CODE = 127;
/** Smallest scale of a token: a token of zeros alone must not be divided by 0. */
const SMALLEST_SCALE = 1e-30;

/** Tensors that are made at the same time: while one is written, the next is computed. */
const PARALLEL = 4;

/** How a graph's weights are quantized. */
export interface Quantization {
  readonly arithmetic: Exclude<Arithmetic, 'fp32'>;
  /** True: the table of words too. */
  readonly embeddings: boolean;
  readonly bits: WeightBits;
  readonly derive: DeriveTensor;
}

/** A [rows, columns] matrix of the checkpoint that can be quantized. */
export interface QuantizableMatrix {
  readonly name: string;
  readonly shape: readonly [number, number];
  readonly source: TensorRecipe['sources'][number];
  readonly dtype: string;
  readonly read: () => Promise<Float32Array>;
}

/** How a matrix's codes lie: transposed for integer products, as they were for look-ups, in blocks of 32. */
type Kind = 'columns' | 'rows' | 'blocks';

/** Names of a quantized matrix's parts in the graph. */
interface Parts {
  readonly codes: string;
  readonly scales: string;
  readonly zeros?: string;
}

interface Pending {
  readonly recipe: TensorRecipe;
  readonly shape: readonly [number, number];
  readonly kind: Kind;
  readonly parts: Parts;
  /** True: the graph does not point at it. */
  readonly apart: boolean;
}

/** Writes products with quantized matrices into a graph, and has the codes made that it points at. */
export class Quantizer {
  readonly embeddings: boolean;
  readonly #writer: ModelWriter;
  readonly #quantization: Quantization;
  readonly #pending = new Map<string, Pending>();
  /** Values that are quantized already, with their scales: query, key and value share one. */
  readonly #rows = new Map<string, { readonly codes: string; readonly scale: string }>();
  readonly #derived: DerivedTensor[] = [];
  #words: WordTable | undefined;

  constructor(writer: ModelWriter, quantization: Quantization) {
    this.#writer = writer;
    this.#quantization = quantization;
    this.embeddings = quantization.embeddings;
  }

  /** The tensors that were made, after {@link finish}. */
  get derived(): readonly DerivedTensor[] {
    return this.#derived;
  }

  /** x · matrixᵀ (+ bias) for x float32 [n, columns]. */
  multiply(x: string, matrix: QuantizableMatrix, bias: string | undefined): string {
    switch (this.#quantization.arithmetic) {
      case 'int8':
        return this.#byRow(x, matrix, bias);
      case 'int8-fast':
        return this.#byBatch(x, matrix, bias);
      case 'int8-weights':
        return this.#byBlocks(x, matrix, bias);
    }
  }

  /** The rows of a table that `ids` name, as float32. */
  lookUp(table: QuantizableMatrix, ids: string): string {
    const w = this.#writer;
    const { codes, scales } = this.#take(table, 'rows');
    const found = w.node('Cast', [w.node('Gather', [codes, ids])], { to: { int: 1 } });
    return w.node('Mul', [found, w.node('Gather', [scales, ids])]);
  }

  /** The graph's input for rows of a table that is left to whoever runs the graph: {@link words}. */
  lookUpApart(table: QuantizableMatrix): string {
    this.#take(table, 'rows', true);
    return WORD_ROWS;
  }

  /** The table that {@link lookUpApart} left to whoever runs the graph, after {@link finish}. */
  get words(): WordTable | undefined {
    return this.#words;
  }

  /** Digests of the files that the tensors are made from. */
  get sources(): ReadonlySet<Digest> {
    return new Set([...this.#pending.values()].flatMap(({ recipe }) => recipe.sources.map(({ digest }) => digest)));
  }

  /** Has every tensor made that the graph needs. @throws ModelkeepError what making or writing it says */
  async finish(): Promise<void> {
    const all = [...this.#pending.values()];
    const made = await inLanes(PARALLEL, all, ({ recipe }) => this.#quantization.derive(recipe));
    for (const [at, pending] of all.entries()) {
      const tensor = made[at];
      if (tensor === undefined) continue;
      if (pending.apart) this.#words = wordTable(tensor, pending.shape);
      else this.#place(tensor, pending);
      this.#derived.push(tensor);
    }
  }

  /** Each token has a scale of its own, so what else is in the batch does not matter. */
  #byRow(x: string, matrix: QuantizableMatrix, bias: string | undefined): string {
    const w = this.#writer;
    const { codes, scales } = this.#take(matrix, 'columns');
    const row = this.#quantizeRows(x);
    const one = w.float(1);
    const product = w.runtimeNode('MatMulIntegerToFloat', [row.codes, codes, one, scales, w.byte(MIDDLE)]);
    const scaled = w.node('Mul', [product, row.scale]);
    return bias === undefined ? scaled : w.node('Add', [scaled, bias]);
  }

  #quantizeRows(x: string): { readonly codes: string; readonly scale: string } {
    const known = this.#rows.get(x);
    if (known !== undefined) return known;
    const w = this.#writer;
    const largest = w.node('ReduceMax', [w.node('Abs', [x]), w.ints([-1])], { keepdims: { int: 0 } });
    const bounded = w.node('Max', [largest, w.float(SMALLEST_SCALE * LARGEST_CODE)]);
    const scale = w.node('Div', [bounded, w.float(LARGEST_CODE)]);
    const middle = w.node('Expand', [w.byte(MIDDLE), w.node('Shape', [scale])]);
    const codes = w.node('QuantizeLinear', [x, scale, middle], { axis: { int: 0 } });
    const made = { codes, scale: w.node('Unsqueeze', [scale, w.ints([1])]) };
    this.#rows.set(x, made);
    return made;
  }

  #byBatch(x: string, matrix: QuantizableMatrix, bias: string | undefined): string {
    const { codes, scales } = this.#take(matrix, 'columns');
    const inputs = [x, codes, scales, ...(bias === undefined ? [] : ['', bias])];
    return this.#writer.runtimeNode('DynamicQuantizeMatMul', inputs);
  }

  #byBlocks(x: string, matrix: QuantizableMatrix, bias: string | undefined): string {
    const { codes, scales, zeros = '' } = this.#take(matrix, 'blocks');
    const [to, from] = matrix.shape;
    const inputs = [x, codes, scales, zeros, ...(bias === undefined ? [] : ['', bias])];
    return this.#writer.runtimeNode('MatMulNBits', inputs, {
      K: { int: from },
      N: { int: to },
      bits: { int: 8 },
      block_size: { int: BLOCK_WEIGHTS },
      // Activations in int8 too.
      accuracy_level: { int: 4 },
    });
  }

  /** Names of a matrix's parts in the graph; the tensor itself is made in {@link finish}. */
  #take(matrix: QuantizableMatrix, kind: Kind, apart = false): Parts {
    const base = `${matrix.name}/${kind}`;
    const names = { codes: `${base}/codes`, scales: `${base}/scales` };
    // Without it 0 is the middle, 128.
    const parts = kind === 'blocks' && this.#quantization.bits < 8 ? { ...names, zeros: `${base}/zeros` } : names;
    if (!this.#pending.has(base))
      this.#pending.set(base, { recipe: this.#recipe(matrix, kind), shape: matrix.shape, kind, parts, apart });
    return parts;
  }

  #recipe({ name, shape, dtype, source, read }: QuantizableMatrix, kind: Kind): TensorRecipe {
    const { bits } = this.#quantization;
    return {
      recipe: `quantized by ${kind}, ${bits} bits, from ${dtype} [${shape.join(', ')}], edition ${EDITION}`,
      sources: [source],
      make: async () => {
        const weights = await read();
        if (weights.length !== shape[0] * shape[1])
          throw new ModelkeepError('INVALID_ARTIFACT', `Tensor "${name}" has ${weights.length} numbers`);
        if (kind === 'blocks') return quantizeBlocks(weights, shape, bits);
        return quantizeRows(weights, shape, bits, kind === 'columns');
      },
    };
  }

  /** Points the graph at the parts of a tensor that was made. */
  #place(tensor: DerivedTensor, { shape: [rows, columns], kind, parts }: Pending): void {
    const external = (name: string, type: OnnxTypeName, dims: readonly number[], { offset, bytes }: QuantizedPart) =>
      this.#writer.externalTensor(name, type, dims, { ...tensor, offset: tensor.offset + offset }, bytes);
    if (kind !== 'blocks') {
      const { codes, scales } = rowsLayout(rows, columns);
      const transposed = kind === 'columns';
      external(parts.codes, 'int8', transposed ? [columns, rows] : [rows, columns], codes);
      external(parts.scales, 'float32', transposed ? [rows] : [rows, 1], scales);
      return;
    }
    const { codes, scales, zeros } = blocksLayout(rows, columns);
    const blocks = Math.ceil(columns / BLOCK_WEIGHTS);
    external(parts.codes, 'uint8', [rows, blocks, BLOCK_WEIGHTS], codes);
    external(parts.scales, 'float32', [rows, blocks], scales);
    if (parts.zeros !== undefined) external(parts.zeros, 'uint8', [rows, blocks], zeros);
  }
}

/** A table of words in 8 bits, where it was made. */
function wordTable({ file, offset, digest }: DerivedTensor, [rows, columns]: readonly [number, number]): WordTable {
  const { codes, scales } = rowsLayout(rows, columns);
  const scalesOffset = offset + scales.offset;
  return { file, digest, rows, columns, dtype: 'I8', offset: offset + codes.offset, scalesOffset };
}
