import type { ModelWriter } from '../onnx/model-writer.js';
import type { RotaryShape } from './layer-views.js';

/** Cosines and sines of the angles by which each position turns each pair of features: float32 [sequence, width]. */
export interface Rotation {
  readonly cos: string;
  readonly sin: string;
}

/**
 * Rotary positions: Su et al., "RoFormer: Enhanced Transformer with Rotary Position Embedding" (2021).
 *
 * @param name of the constant in the graph
 * @param width features of one head
 * @param theta base of the frequencies theta^(-2i / width) / factor
 */
export function rotationOf(writer: ModelWriter, name: string, width: number, { theta, factor }: RotaryShape): Rotation {
  const half = width / 2;
  const raw = Buffer.alloc(4 * half);
  for (let pair = 0; pair < half; pair++) {
    const frequency = Math.fround(1 / Math.fround(theta ** Math.fround((2 * pair) / width)));
    raw.writeFloatLE(frequency / factor, 4 * pair);
  }
  const frequencies = writer.inlineTensor(name, 'float32', [1, half], raw);
  const length = writer.node('Gather', [writer.node('Shape', ['input_ids']), writer.int(1)]);
  const range = writer.node('Range', [writer.int(0), length, writer.int(1)]);
  const positions = writer.node('Unsqueeze', [writer.node('Cast', [range], { to: { int: 1 } }), writer.ints([1])]);
  const angles = writer.node('Mul', [positions, frequencies]);
  const both = writer.node('Concat', [angles, angles], { axis: { int: -1 } });
  return { cos: writer.node('Cos', [both]), sin: writer.node('Sin', [both]) };
}

/** Turns queries or keys, float32 [batch, heads, sequence, width]: feature i and i + width / 2 are a pair. */
export function rotate(writer: ModelWriter, { cos, sin }: Rotation, x: string, width: number): string {
  const part = (from: number, to: number): string =>
    writer.node('Slice', [x, writer.ints([from]), writer.ints([to]), writer.ints([3])]);
  const second = writer.node('Neg', [part(width / 2, width)]);
  const turned = writer.node('Concat', [second, part(0, width / 2)], { axis: { int: -1 } });
  return writer.node('Add', [writer.node('Mul', [x, cos]), writer.node('Mul', [turned, sin])]);
}
