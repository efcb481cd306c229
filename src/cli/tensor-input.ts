import { ModelkeepError, type Tensor, type TensorInfo } from '../app/index.js';

/** Numbers, or texts, in lists of equal lengths. */
type Nested = number | string | readonly Nested[];

function refuse(why: string): ModelkeepError {
  return new ModelkeepError(
    'INVALID_INPUT',
    `--tensor ${why}: write nested lists of numbers, a list a row, such as '[[5.1,3.5,1.4,0.2]]'`,
  );
}

function parse(text: string): readonly unknown[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw refuse(`is no JSON (${(error as Error).message})`);
  }
  if (!Array.isArray(parsed)) throw refuse('is no list');
  return parsed;
}

/** Lengths of the lists at each depth, checked for all of them. */
function shapeOf(value: unknown): number[] {
  if (!Array.isArray(value)) return [];
  const shapes = value.map(shapeOf);
  const [first = []] = shapes;
  if (shapes.some((shape) => shape.join() !== first.join())) throw refuse('has rows of different lengths');
  return [value.length, ...first];
}

function dataOf(type: TensorInfo['type'], values: readonly unknown[]): Tensor['data'] {
  if (type === 'string') {
    if (!values.every((value) => typeof value === 'string')) throw refuse('has a value that is no text');
    return values;
  }
  if (!values.every((value) => typeof value === 'number')) throw refuse('has a value that is no number');
  if (type === 'float64') return Float64Array.from(values);
  if (type === 'float32') return Float32Array.from(values);
  if (type === 'int64' && values.every(Number.isSafeInteger)) return BigInt64Array.from(values, BigInt);
  throw refuse(`cannot be turned into ${type}`);
}

/**
 * Makes a model's one input of nested lists in JSON.
 *
 * @throws ModelkeepError `INVALID_INPUT` for no lists of equal lengths, values of another kind than the model takes, or
 * a model of several inputs
 */
export function tensorFromText(text: string, inputs: readonly TensorInfo[]): Readonly<Record<string, Tensor>> {
  const [input, more] = inputs;
  if (input === undefined || more !== undefined) {
    const names = inputs.map(({ name }) => name).join(', ');
    throw new ModelkeepError(
      'INVALID_INPUT',
      `--tensor is for models of one input; this one has ${names || 'none'}: send tensors to /v2/models/…/infer`,
    );
  }
  const nested = parse(text);
  const dims = shapeOf(nested);
  const values = nested.flat(Infinity);
  return { [input.name]: { type: input.type, dims, data: dataOf(input.type, values) } };
}

/** A tensor as nested lists for JSON; 64-bit integers become numbers. */
export function nestedLists({ dims, data }: Tensor): Nested {
  const plain = Array.from<unknown>(data as ArrayLike<unknown>).map((value) =>
    typeof value === 'bigint' ? Number(value) : (value as number | string),
  );
  return dims
    .slice(1)
    .toReversed()
    .reduce<Nested[]>((rows, size) => {
      const count = size === 0 ? 0 : rows.length / size;
      return Array.from({ length: count }, (_, row) => rows.slice(row * size, (row + 1) * size));
    }, plain);
}
