import { ModelkeepClientError } from './error.js';

/** A tensor to send. */
export interface TensorIn {
  /** Such as `FP32`, `INT64` or `BYTES`. */
  readonly datatype: string;
  /** Sizes of the dimensions. */
  readonly shape: readonly number[];
  /** Values in row-major order. */
  readonly data: Iterable<number | bigint | boolean | string>;
}

/** A tensor that was answered; 64-bit integers are numbers. */
export interface TensorOut {
  readonly datatype: string;
  readonly shape: readonly number[];
  readonly data: readonly (number | boolean | string)[];
}

/** Options of `ModelkeepClient.infer`. */
export interface InferOptions {
  /** Outputs wanted. @defaultValue all */
  readonly outputs?: readonly string[];
}

/** What a run on tensors gave. */
export interface Inferred {
  readonly outputs: Readonly<Record<string, TensorOut>>;
  readonly model: string;
  readonly version: number;
}

/** A tensor in JSON. @throws ModelkeepClientError `INVALID_INPUT` for an integer that JSON does not hold exactly */
export function tensorToJson(name: string, { datatype, shape, data }: TensorIn): object {
  const values = Array.from(data, (value) => {
    if (typeof value !== 'bigint') return value;
    const plain = Number(value);
    if (Number.isSafeInteger(plain)) return plain;
    throw new ModelkeepClientError('INVALID_INPUT', `Input "${name}" holds ${value}, which JSON does not hold exactly`);
  });
  return { name, datatype, shape, data: values };
}
