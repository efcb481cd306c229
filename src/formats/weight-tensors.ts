import type { VersionFiles } from '../core/index.js';
import { readOnnxModel } from './onnx/model-reader.js';
import { WIRE } from './onnx/wire.js';
import { readSafetensorsHeader } from './safetensors.js';
import type { SafetensorsDtype } from './tensor-table.js';

/** A tensor of a version's weights, wherever it lies. */
export interface WeightTensor {
  readonly name: string;
  /** Named as safetensors names it; undefined for an element type that it does not have. */
  readonly dtype?: SafetensorsDtype;
  readonly shape: readonly number[];
  /** The file that holds it. */
  readonly path: string;
  /** First byte in that file. */
  readonly start: number;
  /** The byte behind the last. */
  readonly end: number;
}

/** Element types of ONNX's TensorProto (onnx.proto3, enum DataType) that safetensors has too. */
const ONNX_DTYPES: Readonly<Record<number, SafetensorsDtype>> = Object.freeze({
  1: 'F32',
  2: 'U8',
  3: 'I8',
  5: 'I16',
  6: 'I32',
  7: 'I64',
  9: 'BOOL',
  10: 'F16',
  11: 'F64',
  16: 'BF16',
});

/**
 * The tensors of all weight files of a version by name: those of safetensors files, and the large initializers of ONNX
 * models. Only headers are read.
 *
 * @throws ModelkeepError `INVALID_ARTIFACT` for a file that is damaged
 */
export async function readWeightTensors(files: VersionFiles): Promise<ReadonlyMap<string, WeightTensor>> {
  const found = new Map<string, WeightTensor>();
  for (const path of files.paths) {
    const list = path.endsWith('.safetensors')
      ? await safetensorsOf(files, path)
      : path.endsWith('.onnx')
        ? await initializersOf(files, path)
        : [];
    // The same name in two files, such as a checkpoint and its export: told apart by the file.
    for (const tensor of list) found.set(found.has(tensor.name) ? `${path}#${tensor.name}` : tensor.name, tensor);
  }
  return found;
}

async function safetensorsOf(files: VersionFiles, path: string): Promise<WeightTensor[]> {
  const read = (start: number, end: number): Promise<Buffer> => files.read(path, { start, end });
  const { tensors } = await readSafetensorsHeader(path, files.size(path) ?? 0, read);
  return [...tensors.values()].map((tensor) => ({ ...tensor, path }));
}

async function initializersOf(files: VersionFiles, path: string): Promise<WeightTensor[]> {
  const { large } = await readOnnxModel(files, path);
  return [...large.values()].map(({ name, kept, data }) => {
    const ofKind = (wanted: number): number[] =>
      kept.flatMap(({ field, wire, value }) => (field === wanted && wire === WIRE.varint ? [value] : []));
    const dtype = ONNX_DTYPES[ofKind(2)[0] ?? 0];
    return { name, shape: ofKind(1), ...data, ...(dtype === undefined ? {} : { dtype }) };
  });
}
