import type { Tensor as OrtTensor } from 'onnxruntime-node';
import { ModelkeepError } from '../../core/index.js';
import { widenFloats } from '../../formats/index.js';

/**
 * The numbers of a tensor as float32: exactly for float16, rounded for float64.
 *
 * @throws ModelkeepError `LOAD_FAILED` for a tensor of other numbers
 */
export function toFloats({ type, data }: Pick<OrtTensor, 'type' | 'data'>): Float32Array {
  if (data instanceof Float32Array) return data;
  if (data instanceof Float64Array) return Float32Array.from(data);
  if (type === 'float16' && ArrayBuffer.isView(data)) {
    return widenFloats('F16', Buffer.from(data.buffer, data.byteOffset, data.byteLength));
  }
  throw new ModelkeepError('LOAD_FAILED', `The graph gives ${type} where numbers with fractions are read`);
}
