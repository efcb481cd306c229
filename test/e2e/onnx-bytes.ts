/** The bytes of a protocol buffer's field that holds bytes, a text or another message. */
function field(number: number, value: Uint8Array | string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([varint((number << 3) | 2), varint(bytes.length), bytes]);
}

function numberField(number: number, value: number): Buffer {
  return Buffer.concat([varint(number << 3), varint(value)]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return Buffer.from([...bytes, rest]);
}

const FLOAT = 1;
const EXTERNAL = 1;

/** An ONNX model that gives out one float, whose bytes lie in another file: `location`, from its first byte. */
export function onnxWithExternalData(location: string): Buffer {
  const entry = (key: string, value: string): Buffer => field(13, Buffer.concat([field(1, key), field(2, value)]));
  const weight = Buffer.concat([
    numberField(1, 1),
    numberField(2, FLOAT),
    field(8, 'w'),
    entry('location', location),
    entry('offset', '0'),
    entry('length', '4'),
    numberField(14, EXTERNAL),
  ]);
  const node = Buffer.concat([field(1, 'w'), field(2, 'y'), field(4, 'Identity')]);
  const shape = field(1, numberField(1, 1));
  const type = field(1, Buffer.concat([numberField(1, FLOAT), field(2, shape)]));
  const output = Buffer.concat([field(1, 'y'), field(2, type)]);
  const graph = Buffer.concat([field(1, node), field(2, 'g'), field(5, weight), field(12, output)]);
  const opset = numberField(2, 17);
  return Buffer.concat([numberField(1, 8), field(7, graph), field(8, opset)]);
}

/** Element types, by the numbers that ONNX gives them. */
export const ELEMENT_TYPES = Object.freeze({
  float32: 1,
  uint8: 2,
  int8: 3,
  uint16: 4,
  int16: 5,
  int32: 6,
  int64: 7,
  string: 8,
  bool: 9,
  float16: 10,
  float64: 11,
  uint32: 12,
  uint64: 13,
});

/** An ONNX model that gives out each of its inputs: `in_TYPE`, of one dimension of any size, as `out_TYPE`. */
export function onnxThatEchoes(types: readonly (keyof typeof ELEMENT_TYPES)[]): Buffer {
  const anySize = field(2, field(1, field(2, 'n')));
  const value = (name: string, type: keyof typeof ELEMENT_TYPES): Buffer =>
    Buffer.concat([field(1, name), field(2, field(1, Buffer.concat([numberField(1, ELEMENT_TYPES[type]), anySize])))]);
  const parts = types.flatMap((type) => [
    field(1, Buffer.concat([field(1, `in_${type}`), field(2, `out_${type}`), field(4, 'Identity')])),
    field(11, value(`in_${type}`, type)),
    field(12, value(`out_${type}`, type)),
  ]);
  const graph = Buffer.concat([...parts, field(2, 'echo')]);
  return Buffer.concat([numberField(1, 8), field(7, graph), field(8, numberField(2, 17))]);
}
