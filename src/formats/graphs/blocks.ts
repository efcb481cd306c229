import { ModelkeepError } from '../../core/index.js';
import type { ModelWriter } from '../onnx/model-writer.js';
import type { Checkpoint, Part } from './checkpoint.js';
import { firstToken, headPlaces, joinHeads, ofRows, splitHeads, type Frame } from './frame.js';

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
    `config.json: the activation ${JSON.stringify(name).slice(0, 100)} (hidden_act, or the key of its family) is not ` +
      `supported; supported: ${Object.keys(ACTIVATIONS).join(', ')}`,
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

/** The rows of the table of words that `input_ids` names: float32 [rows, columns]. */
export function lookUpWords(c: Checkpoint, { name, shape }: Words, frame: Frame): string {
  const apart = c.wordRows(name, shape);
  if (apart !== undefined) return apart;
  const { quantizer, writer } = c;
  const ids = ofRows(writer, frame, 'input_ids');
  const matrix = quantizer?.embeddings === true ? c.matrix('encoder', name, shape) : undefined;
  if (quantizer !== undefined && matrix !== undefined) return quantizer.lookUp(matrix, ids);
  return writer.node('Gather', [c.encoder(name, shape), ids]);
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

/** What the last layer gives: computed when a head asks for it, so that nothing is computed which no head reads. */
export interface States {
  /** Of every token: float32 [rows, hidden]. */
  readonly all: () => string;
  /** Of the first token of each sequence, each row twice (see {@link doubled}): float32 [2 · batch, hidden]. */
  readonly first: () => string;
}

/** The states of a last layer that is computed for every token in any case. */
export function statesOf(writer: ModelWriter, frame: Frame, state: string, hidden: number): States {
  return { all: () => state, first: () => doubled(writer, firstToken(writer, frame, state), hidden) };
}

/**
 * The encoder of "Attention is all you need" with the normalisation behind each block, as BERT has it.
 *
 * @param x float32 [rows, hidden]
 */
export function encode(c: Checkpoint, shape: EncoderShape, frame: Frame, x: string): States {
  const { writer } = c;
  const { heads, hidden, layers, relative } = shape;
  const every = everyToken(writer, frame, shape);
  const layer = (index: number, state: string, asked: Asked): string =>
    encoderLayer(c, shape, { frame, every, asked, layer: shape.layer(index) }, state);
  let state = x;
  for (let index = 0; index < layers - 1; index++) state = layer(index, state, every);
  let last: string | undefined;
  const all = (): string => (last ??= layer(layers - 1, state, every));
  // What is added for the distances of tokens is there for all of them.
  const first = (): string =>
    last === undefined && relative === undefined
      ? layer(layers - 1, state, firstTokens(writer, frame, { heads, hidden }))
      : statesOf(writer, frame, all(), hidden).first();
  return { all, first };
}

/** The tokens for which a layer is computed; each sees all others. */
interface Asked {
  /** Their rows, of all rows. */
  readonly rows: (x: string) => string;
  /** Their rows as [batch, heads, of a sequence, width]. */
  readonly split: (x: string) => string;
  /** The reverse of it. */
  readonly join: (x: string) => string;
}

type Heads = Pick<EncoderShape, 'heads' | 'hidden'>;

function everyToken(writer: ModelWriter, frame: Frame, { heads, hidden }: Heads): Asked {
  const places = headPlaces(writer, frame, { inRow: heads, from: 0, count: heads });
  return {
    rows: (x) => x,
    split: (x) => splitHeads(writer, places, x, hidden / heads),
    join: (x) => joinHeads(writer, frame, x, heads, hidden / heads),
  };
}

function firstTokens(writer: ModelWriter, frame: Frame, { heads, hidden }: Heads): Asked {
  const swap = (x: string): string => writer.node('Transpose', [x], { perm: { ints: [0, 2, 1, 3] } });
  return {
    rows: (x) => doubled(writer, firstToken(writer, frame, x), hidden),
    split: (x) => swap(writer.node('Reshape', [x, writer.ints([-1, 2, heads, hidden / heads])])),
    join: (x) => writer.node('Reshape', [swap(x), writer.ints([-1, hidden])]),
  };
}

/** One layer: its name, and for which of the tokens it is computed. */
interface LayerPlan {
  readonly frame: Frame;
  readonly layer: string;
  readonly every: Asked;
  readonly asked: Asked;
}

function encoderLayer(c: Checkpoint, shape: EncoderShape, plan: LayerPlan, x: string): string {
  const { names, hidden, intermediate, epsilon } = shape;
  const { layer, asked } = plan;
  const { writer } = c;
  const own = asked.rows(x);
  const attended = attention(c, shape, plan, { x, own });
  const projected = linear(c, 'encoder', `${layer}.${names.attentionOutput}`, attended, [hidden, hidden]);
  const sum = writer.node('Add', [projected, own]);
  const middle = layerNorm(c, 'encoder', `${layer}.${names.attentionNorm}`, sum, hidden, epsilon);
  const up = linear(c, 'encoder', `${layer}.${names.up}`, middle, [hidden, intermediate]);
  const active = activate(writer, shape.activation, up);
  const down = linear(c, 'encoder', `${layer}.${names.down}`, active, [intermediate, hidden]);
  const output = writer.node('Add', [down, middle]);
  return layerNorm(c, 'encoder', `${layer}.${names.outputNorm}`, output, hidden, epsilon);
}

/** What the rows of `own`, some of `x`, find in all of `x`. */
function attention(
  c: Checkpoint,
  shape: EncoderShape,
  { frame, layer, every, asked }: LayerPlan,
  { x, own }: { readonly x: string; readonly own: string },
): string {
  const { writer } = c;
  const { hidden, heads, names } = shape;
  const project = (name: string, of: string): string => linear(c, 'encoder', `${layer}.${name}`, of, [hidden, hidden]);
  const query = asked.split(project(names.query, own));
  const key = writer.node('Transpose', [every.split(project(names.key, x))], { perm: { ints: [0, 1, 3, 2] } });
  const value = every.split(project(names.value, x));
  const product = writer.node('MatMul', [query, key]);
  const scaled = writer.node('Mul', [product, writer.float(shape.scale ?? 1 / Math.sqrt(hidden / heads))]);
  const distant = shape.relative?.({ layer, query, key });
  const content = distant === undefined ? scaled : writer.node('Add', [scaled, distant]);
  const scores = writer.node('Add', [content, frame.bias]);
  const weights = writer.node('Softmax', [scores], { axis: { int: -1 } });
  return asked.join(writer.node('MatMul', [weights, value]));
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
