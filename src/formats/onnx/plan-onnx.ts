import { dirname } from 'node:path';
import { ModelkeepError, type TensorInfo, type VersionFiles } from '../../core/index.js';
import type { SessionPlan } from '../session-plan.js';
import { ActivationWatch, type Activation } from './activations.js';
import {
  customOperatorError,
  cutZipMap,
  isCustom,
  mixesRows,
  readNode,
  type OnnxNode,
  type Operator,
} from './nodes.js';
import { readOnnxModel, type LargeInitializer, type OnnxModel } from './model-reader.js';
import { externalDataFields } from './model-writer.js';
import { readValueInfo, tensorValueInfo } from './value-info.js';
import { bytesField, concat, fieldsIn, WIRE, type Field } from './wire.js';

/** Newest opset of ONNX's own operators that onnxruntime 1.30 loads; measured with a graph of one Identity. */
export const MAX_OPSET = 26;
/** Newest ir_version that onnxruntime 1.30 loads; measured likewise. */
export const MAX_IR_VERSION = 13;

/** Most bytes of external data that are put into the graph because they cannot be mapped: protobuf ends at 2 GiB. */
const MAX_INLINE_BYTES = 1.5 * 1024 ** 3;

/**
 * Rewrites an ONNX file so that its large initializers are mapped where they lie, and so that all its outputs are
 * tensors.
 *
 * @param onCustomOperator told of each operator of a domain that the runtime does not know. Absent: refused
 * @throws ModelkeepError `UNSUPPORTED_FORMAT` for operators or versions that the runtime has not; `INVALID_ARTIFACT`
 */
export async function planOnnx(
  files: VersionFiles,
  path: string,
  onCustomOperator = (operator: Operator): void => {
    throw customOperatorError(path, operator);
  },
): Promise<SessionPlan> {
  const model = await readOnnxModel(files, path);
  checkVersions(model);
  const placing = new Placing(files);
  const parts: Uint8Array[] = [];
  const zipMaps = new Map<string, TensorInfo>();
  const infos: { field: Field; info: ReturnType<typeof readValueInfo> }[] = [];
  const initialized = new Set<string>();
  let mixes = await functionsMixRows(model);
  const watch = new ActivationWatch();
  for (const field of model.graph) {
    const bytes = (start = field.at, end = field.end): Promise<Buffer> => model.window.bytes(start, end);
    const large = model.large.get(field.at);
    if (large !== undefined) {
      initialized.add(large.name);
      parts.push(await placing.tensor(model, large));
    } else if (field.field === 1) {
      const node = readNode(await bytes(field.start));
      const { functionDomains: own } = model;
      mixes ||= node.operators.some(mixesRows);
      watch.see(node);
      node.operators.filter((one) => isCustom(one) && !own.has(one.domain)).forEach(onCustomOperator);
      parts.push(node.op === 'ZipMap' ? withoutZipMap(path, node, zipMaps) : await bytes());
    } else if (field.field === 11 || field.field === 12) {
      infos.push({ field, info: readValueInfo(await bytes(field.start)) });
    } else {
      if (field.field === 5) initialized.add(await smallName(model, field));
      parts.push(await bytes());
    }
  }
  const inputs: TensorInfo[] = [];
  const outputs: TensorInfo[] = [];
  for (const { field, info } of infos) {
    const zipped = zipMaps.get(info.name);
    const tensor = zipped ?? tensorOf(path, info);
    parts.push(
      zipped === undefined
        ? await model.window.bytes(field.at, field.end)
        : bytesField(field.field, tensorValueInfo(tensor)),
    );
    if (field.field === 12) outputs.push(tensor);
    else if (!initialized.has(tensor.name)) inputs.push(tensor);
  }
  const rest: Uint8Array[] = [];
  for (const { at, end } of model.fields) rest.push(await model.window.bytes(at, end));
  const graph = concat([...rest, bytesField(7, concat(parts))]);
  const activations = activationsOf(outputs, watch);
  const plan = {
    graph,
    inputs,
    outputs,
    activations,
    ...(mixes ? { mixesRows: true } : {}),
    derived: [],
    replaced: [],
  };
  return placing.folder === undefined ? plan : { ...plan, externalDataFolder: placing.folder };
}

function activationsOf(outputs: readonly TensorInfo[], watch: ActivationWatch): ReadonlyMap<string, Activation> {
  return new Map(
    outputs.flatMap(({ name }): [string, Activation][] => {
      const found = watch.of(name);
      return found === undefined ? [] : [[name, found]];
    }),
  );
}

/** True if a function that the file itself defines has an operator that mixes rows. */
async function functionsMixRows({ fields, window }: OnnxModel): Promise<boolean> {
  for (const { field, start, end } of fields) {
    if (field !== 25) continue;
    const message = await window.bytes(start, end);
    for (const inner of fieldsIn(message)) {
      if (inner.field !== 7 || inner.wire !== WIRE.bytes) continue;
      if (readNode(message.subarray(inner.start, inner.end)).operators.some(mixesRows)) return true;
    }
  }
  return false;
}

function checkVersions({ path, opsets, irVersion }: OnnxModel): void {
  const opset = opsets.get('') ?? 1;
  if (opset > MAX_OPSET || irVersion > MAX_IR_VERSION) {
    throw new ModelkeepError(
      'UNSUPPORTED_FORMAT',
      `${path} has opset ${opset} and ir_version ${irVersion}; supported are at most ${MAX_OPSET} and ` +
        `${MAX_IR_VERSION}. Export it with an older opset`,
    );
  }
}

function withoutZipMap(path: string, node: OnnxNode, zipMaps: Map<string, TensorInfo>): Uint8Array {
  const { replacement, output } = cutZipMap(path, node);
  zipMaps.set(output.name, output);
  return replacement;
}

function tensorOf(path: string, { name, tensor }: ReturnType<typeof readValueInfo>): TensorInfo {
  if (tensor !== undefined) return tensor;
  throw new ModelkeepError(
    'UNSUPPORTED_FORMAT',
    `${path}: "${name}" is no tensor of a supported type; export the model with tensors for inputs and outputs`,
  );
}

async function smallName(model: OnnxModel, { start, end }: Field): Promise<string> {
  const name = (await model.window.fields(start, end)).find(({ field }) => field === 8);
  return name === undefined ? '' : model.window.text(name);
}

/** Points initializers at files of one folder, and copies what cannot be mapped into the graph. */
class Placing {
  readonly #files: VersionFiles;
  #inlineBytes = 0;
  folder: string | undefined;

  constructor(files: VersionFiles) {
    this.#files = files;
  }

  async tensor({ window }: OnnxModel, { name, kept, data }: LargeInitializer): Promise<Uint8Array> {
    const fields: Uint8Array[] = [];
    for (const { at, end } of kept) fields.push(await window.bytes(at, end));
    const bytes = data.end - data.start;
    const span = this.#files.locate(data.path, data.start, data.end);
    const folder = span === undefined ? undefined : dirname(span.file);
    if (span !== undefined && bytes > 0) this.folder ??= folder;
    if (span !== undefined && bytes > 0 && folder === this.folder) {
      return bytesField(5, concat([...fields, externalDataFields(span, bytes)]));
    }
    this.#inlineBytes += bytes;
    if (this.#inlineBytes > MAX_INLINE_BYTES) {
      throw new ModelkeepError(
        'UNSUPPORTED_FORMAT',
        `Initializer "${name}" cannot be mapped and is too large to be copied: put external data beside the model`,
      );
    }
    fields.push(bytesField(9, await this.#files.read(data.path, { start: data.start, end: data.end })));
    return bytesField(5, concat(fields));
  }
}
