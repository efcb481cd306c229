import type { ModelWriter } from '../onnx/model-writer.js';

/** Lowest finite float32: what transformers adds to the scores of masked tokens. */
export const LOWEST_FLOAT32 = -3.4028234663852886e38;

/**
 * What stands in `attention_mask` for a place that only fills a sequence up, beside 1 for a token and 0 for one that is
 * masked: such a place is not computed at all. What the outputs hold for it means nothing.
 */
export const FILLING = -1;

/**
 * What all layers of one graph share. All layers but attention work on a flat form that has a row for each place which
 * is computed, so that filling sequences up to one length costs only what attention spends on it.
 */
export interface Frame {
  /** int64 [2]: batch and sequence. */
  readonly tokens: string;
  /** float32 [batch, 1, 1, sequence]: 0 for a token, the lowest float for what is masked or filling. */
  readonly bias: string;
  /** int64 [rows]: the place of each row among batch · sequence. */
  readonly places: string;
  /** int64 [batch, sequence]: the row of each place; for filling that of some other. */
  readonly rows: string;
  /** int64 [rows, heads]: where attention's [batch, heads, sequence] has what the heads of each row found. */
  readonly joined: string;
}

/** Makes the {@link Frame} from the graph's inputs. */
export function frameOf(writer: ModelWriter, heads: number): Frame {
  const tokens = writer.node('Shape', ['input_ids']);
  const mask = maskOf(writer);
  const padding = writer.node('Sub', [writer.float(1), writer.node('Unsqueeze', [mask, writer.ints([1, 2])])]);
  const computed = flat(writer, writer.node('GreaterOrEqual', ['attention_mask', writer.int(0)]));
  const places = flat(writer, writer.node('NonZero', [computed]));
  const counted = writer.node('CumSum', [writer.node('Cast', [computed], { to: { int: 7 } }), writer.int(0)]);
  const row = writer.node('Max', [writer.node('Sub', [counted, writer.int(1)]), writer.int(0)]);
  return {
    tokens,
    bias: writer.node('Mul', [padding, writer.float(LOWEST_FLOAT32)]),
    places,
    rows: writer.node('Reshape', [row, tokens]),
    joined: joinedPlaces(writer, { tokens, places }, heads),
  };
}

/** float32 [batch, sequence]: 1 for a token, 0 for what is masked or filling. */
export function maskOf(writer: ModelWriter): string {
  return writer.node('Cast', [writer.node('Max', ['attention_mask', writer.int(0)])], { to: { int: 1 } });
}

/** The place p of batch b is p + b · sequence · (heads - 1) for the first head, and a sequence further for each next. */
function joinedPlaces(writer: ModelWriter, { tokens, places }: Pick<Frame, 'tokens' | 'places'>, heads: number) {
  const length = writer.node('Gather', [tokens, writer.int(1)]);
  const before = writer.node('Mul', [writer.node('Div', [places, length]), length]);
  const first = writer.node('Add', [places, writer.node('Mul', [before, writer.int(heads - 1)])]);
  const further = writer.node('Mul', [writer.ints(Array.from({ length: heads }, (_, head) => head)), length]);
  return writer.node('Add', [writer.node('Unsqueeze', [first, writer.ints([1])]), further]);
}

function flat(writer: ModelWriter, x: string): string {
  return writer.node('Reshape', [x, writer.ints([-1])]);
}

/** What an int64 [batch, sequence] value says of each row: int64 [rows]. */
export function ofRows(writer: ModelWriter, { places }: Frame, x: string): string {
  return writer.node('Gather', [flat(writer, x), places]);
}

/** Where each row stands in its sequence, counted from 0: int64 [rows]. */
export function positionsOfRows(writer: ModelWriter, { places, tokens }: Frame): string {
  return writer.node('Mod', [places, writer.node('Gather', [tokens, writer.int(1)])]);
}

/** [rows, size] as [batch, sequence, size]. */
export function unflatten(writer: ModelWriter, { rows }: Frame, x: string): string {
  return writer.node('Gather', [x, rows]);
}

/** The first token of each sequence: [rows, size] to [batch, size]. */
export function firstToken(writer: ModelWriter, { rows }: Frame, x: string): string {
  return writer.node('Gather', [x, writer.node('Gather', [rows, writer.int(0)], { axis: { int: 1 } })]);
}

/** Which of the heads that lie beside one another in a row are meant. */
export interface HeadsOfRow {
  /** Heads in a row. */
  readonly inRow: number;
  /** The first that is meant. */
  readonly from: number;
  readonly count: number;
}

/** Where the heads of each place lie among all heads of all rows: int64 [batch, heads, sequence], for {@link splitHeads}. */
export function headPlaces(writer: ModelWriter, { rows }: Frame, { inRow, from, count }: HeadsOfRow): string {
  const first = writer.node('Unsqueeze', [writer.node('Mul', [rows, writer.int(inRow)]), writer.ints([1])]);
  const heads = writer.ints(Array.from({ length: count }, (_, head) => from + head));
  return writer.node('Add', [first, writer.node('Unsqueeze', [heads, writer.ints([1])])]);
}

/** [rows, heads · width] as [batch, heads, sequence, width]. */
export function splitHeads(writer: ModelWriter, places: string, x: string, width: number): string {
  return writer.node('Gather', [writer.node('Reshape', [x, writer.ints([-1, width])]), places]);
}

/** [batch, heads, sequence, width] as [rows, heads · width]. */
export function joinHeads(writer: ModelWriter, { joined }: Frame, x: string, heads: number, width: number): string {
  const found = writer.node('Gather', [writer.node('Reshape', [x, writer.ints([-1, width])]), joined]);
  return writer.node('Reshape', [found, writer.ints([-1, heads * width])]);
}
