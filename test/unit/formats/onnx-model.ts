import { tensorValueInfo } from '../../../src/formats/onnx/value-info.js';
import { bytesField, concat, integerField } from '../../../src/formats/onnx/wire.js';

/** One node from x to y, both floats of any length. */
export interface OneNode {
  readonly op: string;
  /** @defaultValue ONNX's own */
  readonly domain?: string;
  /** Versions by domain; `''` is ONNX's own. @defaultValue 20 of ONNX's own */
  readonly opsets?: Readonly<Record<string, number>>;
}

/** An ONNX model of one node. */
export function oneNodeModel({ op, domain = '', opsets = { '': 20 } }: OneNode): Uint8Array {
  const node = concat([bytesField(1, 'x'), bytesField(2, 'y'), bytesField(4, op), bytesField(7, domain)]);
  const graph = concat([
    bytesField(1, node),
    bytesField(2, 'g'),
    bytesField(11, tensorValueInfo({ name: 'x', type: 'float32', dims: [-1] })),
    bytesField(12, tensorValueInfo({ name: 'y', type: 'float32', dims: [-1] })),
  ]);
  const versions = Object.entries(opsets).map(([name, version]) =>
    bytesField(8, concat([bytesField(1, name), integerField(2, version)])),
  );
  return concat([integerField(1, 10), bytesField(7, graph), ...versions]);
}
