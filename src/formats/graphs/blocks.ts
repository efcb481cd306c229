import { ModelkeepError } from '../../core/index.js';
import type { ModelWriter } from '../onnx/model-writer.js';
import type { Checkpoint, Part } from './checkpoint.js';

/** Lowest finite float32: what transformers adds to the scores of masked tokens. */
export const LOWEST_FLOAT32 = -3.4028234663852886e38;

/** Activations by the names that config.json uses. */
const ACTIVATIONS: Readonly<Record<string, (writer: ModelWriter, x: string) => string>> = {
  gelu: (w, x) => w.node('Gelu', [x], { approximate: { text: 'none' } }),
  gelu_new: (w, x) => w.node('Gelu', [x], { approximate: { text: 'tanh' } }),
  gelu_pytorch_tanh: (w, x) => w.node('Gelu', [x], { approximate: { text: 'tanh' } }),
  relu: (w, x) => w.node('Relu', [x]),
  tanh: (w, x) => w.node('Tanh', [x]),
  silu: (w, x) => w.node('Mul', [x, w.node('Sigmoid', [x])]),
  swish: (w, x) => w.node('Mul', [x, w.node('Sigmoid', [x])]),
};

/** Applies an activation. @throws ModelkeepError `UNSUPPORTED_FORMAT` with the list of those that there are */
export function activate(writer: ModelWriter, name: string, x: string): string {
  const activation = Object.hasOwn(ACTIVATIONS, name) ? ACTIVATIONS[name] : undefined;
  if (activation !== undefined) return activation(writer, x);
  throw new ModelkeepError(
    'UNSUPPORTED_FORMAT',
    `Activation "${name}" is not supported; supported: ${Object.keys(ACTIVATIONS).join(', ')}`,
  );
}

/** A linear layer's weight, as PyTorch keeps it: [to, from]. */
export interface Weight {
  readonly part: Part;
  readonly name: string;
  readonly from: number;
  readonly to: number;
}

/** x · weightᵀ (+ bias) for x float32 [n, from], in the precision of the graph. */
export function multiply(c: Checkpoint, x: string, weight: Weight, bias?: string): string {
  const { part, name, from, to } = weight;
  const matrix = c.quantizer && c.matrix(part, name, [to, from]);
  if (c.quantizer !== undefined && matrix !== undefined) return c.quantizer.multiply(x, matrix, bias);
  return multiplyExactly(c, x, weight, bias);
}

function multiplyExactly(c: Checkpoint, x: string, { part, name, from, to }: Weight, bias?: string): string {
  const inputs = [x, c[part](name, [to, from]), ...(bias === undefined ? [] : [bias])];
  return c.writer.node('Gemm', inputs, { transB: { int: 1 } });
}

/** A linear layer on [n, from], in the precision of the graph. */
export function linear(
  c: Checkpoint,
  part: Part,
  name: string,
  x: string,
  [from, to]: readonly [number, number],
): string {
  return multiply(c, x, { part, name: `${name}.weight`, from, to }, c[part](`${name}.bias`, [to]));
}

/** A linear layer that is too small, or too decisive, to be quantized. */
export function exactLinear(
  c: Checkpoint,
  part: Part,
  name: string,
  x: string,
  [from, to]: readonly [number, number],
): string {
  return multiplyExactly(c, x, { part, name: `${name}.weight`, from, to }, c[part](`${name}.bias`, [to]));
}

/** The rows of the table of words that `input_ids` name: float32 [batch, sequence, columns]. */
export function lookUpWords(c: Checkpoint, { name, shape }: Words): string {
  const matrix = c.quantizer?.embeddings === true ? c.matrix('encoder', name, shape) : undefined;
  if (c.quantizer !== undefined && matrix !== undefined) return c.quantizer.lookUp(matrix, 'input_ids');
  return c.writer.node('Gather', [c.encoder(name, shape), 'input_ids']);
}

/** The table of words, in the encoder: [vocabulary, columns]. */
export interface Words {
  readonly name: string;
  readonly shape: readonly [number, number];
}

/** Layer normalisation over the last axis. */
export function layerNorm(c: Checkpoint, part: Part, name: string, x: string, size: number, epsilon: number): string {
  const inputs = [x, c[part](`${name}.weight`, [size]), c[part](`${name}.bias`, [size])];
  return c.writer.node('LayerNormalization', inputs, { axis: { int: -1 }, epsilon: { float: epsilon } });
}

/** Names and sizes of one family's encoder layers. */
export interface EncoderShape {
  readonly layers: number;
  readonly heads: number;
  readonly hidden: number;
  readonly intermediate: number;
  readonly activation: string;
  readonly epsilon: number;
  /** Name of a layer, without a dot at its end. */
  readonly layer: (index: number) => string;
  readonly names: {
    readonly query: string;
    readonly key: string;
    readonly value: string;
    readonly attentionOutput: string;
    readonly attentionNorm: string;
    readonly up: string;
    readonly down: string;
    readonly outputNorm: string;
  };
  /** Factor of the product of query and key. @defaultValue 1 / √(width of a head) */
  readonly scale?: number;
  /** What is added to the scores of a layer for the distance of two tokens. @defaultValue nothing */
  readonly relative?: (scored: Scored) => string;
}

/** A layer's queries and keys, for scores that depend on how far apart two tokens are. */
export interface Scored {
  /** Name of the layer. */
  readonly layer: string;
  /** float32 [batch, heads, sequence, width]. */
  readonly query: string;
  /** float32 [batch, heads, width, sequence]. */
  readonly key: string;
}

/** What all layers of one graph share. */
export interface Frame {
  /** int64 [2]: batch and sequence. */
  readonly tokens: string;
  /** float32 [batch, 1, 1, sequence]: 0 for a token, the lowest float for padding. */
  readonly bias: string;
}

/** Makes the {@link Frame} from the graph's inputs. */
export function frameOf(writer: ModelWriter): Frame {
  const mask = writer.node('Cast', ['attention_mask'], { to: { int: 1 } });
  const wide = writer.node('Unsqueeze', [mask, writer.ints([1, 2])]);
  const padding = writer.node('Sub', [writer.float(1), wide]);
  return {
    tokens: writer.node('Shape', ['input_ids']),
    bias: writer.node('Mul', [padding, writer.float(LOWEST_FLOAT32)]),
  };
}

/** Reshapes [batch · sequence, …] to [batch, sequence, …rest]. */
export function unflatten(writer: ModelWriter, frame: Frame, x: string, rest: readonly number[]): string {
  const shape = writer.node('Concat', [frame.tokens, writer.ints(rest)], { axis: { int: 0 } });
  return writer.node('Reshape', [x, shape]);
}

/**
 * The encoder of "Attention is all you need" with the normalisation behind each block, as BERT has it.
 *
 * @param x float32 [batch · sequence, hidden]; all layers but attention work on this flat form
 * @returns the same shape
 */
export function encode(c: Checkpoint, shape: EncoderShape, frame: Frame, x: string): string {
  let state = x;
  for (let index = 0; index < shape.layers; index++) state = encoderLayer(c, shape, frame, shape.layer(index), state);
  return state;
}

function encoderLayer(c: Checkpoint, shape: EncoderShape, frame: Frame, layer: string, x: string): string {
  const { names, hidden, intermediate, epsilon } = shape;
  const { writer } = c;
  const attended = attention(c, shape, frame, layer, x);
  const projected = linear(c, 'encoder', `${layer}.${names.attentionOutput}`, attended, [hidden, hidden]);
  const sum = writer.node('Add', [projected, x]);
  const middle = layerNorm(c, 'encoder', `${layer}.${names.attentionNorm}`, sum, hidden, epsilon);
  const up = linear(c, 'encoder', `${layer}.${names.up}`, middle, [hidden, intermediate]);
  const active = activate(writer, shape.activation, up);
  const down = linear(c, 'encoder', `${layer}.${names.down}`, active, [intermediate, hidden]);
  const output = writer.node('Add', [down, middle]);
  return layerNorm(c, 'encoder', `${layer}.${names.outputNorm}`, output, hidden, epsilon);
}

function attention(c: Checkpoint, shape: EncoderShape, frame: Frame, layer: string, x: string): string {
  const { writer } = c;
  const { hidden, heads, names } = shape;
  const width = hidden / heads;
  const split = (name: string, perm: readonly number[]): string => {
    const flat = linear(c, 'encoder', `${layer}.${name}`, x, [hidden, hidden]);
    return writer.node('Transpose', [unflatten(writer, frame, flat, [heads, width])], { perm: { ints: perm } });
  };
  const query = split(names.query, [0, 2, 1, 3]);
  const key = split(names.key, [0, 2, 3, 1]);
  const value = split(names.value, [0, 2, 1, 3]);
  const product = writer.node('MatMul', [query, key]);
  const scaled = writer.node('Mul', [product, writer.float(shape.scale ?? 1 / Math.sqrt(width))]);
  const distant = shape.relative?.({ layer, query, key });
  const content = distant === undefined ? scaled : writer.node('Add', [scaled, distant]);
  const scores = writer.node('Add', [content, frame.bias]);
  const weights = writer.node('Softmax', [scores], { axis: { int: -1 } });
  const mixed = writer.node('MatMul', [weights, value]);
  const joined = writer.node('Transpose', [mixed], { perm: { ints: [0, 2, 1, 3] } });
  return writer.node('Reshape', [joined, writer.ints([-1, hidden])]);
}

/** The first token of each sequence: [batch · sequence, hidden] to [batch, hidden]. */
export function firstToken(writer: ModelWriter, frame: Frame, x: string, hidden: number): string {
  return writer.node('Gather', [unflatten(writer, frame, x, [hidden]), writer.int(0)], { axis: { int: 1 } });
}

/**
 * Each row twice: [rows, size] to [2 · rows, size]. The runtime computes a matrix product of a single row in another
 * order than one of several, so a lone request would differ from a batch in the last bits.
 */
export function doubled(writer: ModelWriter, x: string, size: number): string {
  const apart = writer.node('Unsqueeze', [x, writer.ints([1])]);
  const pairs = writer.node('Expand', [apart, writer.ints([1, 2, 1])]);
  return writer.node('Reshape', [pairs, writer.ints([-1, size])]);
}

/** The first of each two rows: what {@link doubled} began, ended. */
export function halved(writer: ModelWriter, x: string, size: number): string {
  const pairs = writer.node('Reshape', [x, writer.ints([-1, 2, size])]);
  return writer.node('Gather', [pairs, writer.int(0)], { axis: { int: 1 } });
}
