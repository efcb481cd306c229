import { ModelkeepError, type TensorInfo } from '../../core/index.js';
import { bytesField, concat, fieldsIn, WIRE } from './wire.js';

/** Domains whose operators are in onnxruntime. */
const KNOWN_DOMAINS = new Set(['', 'ai.onnx', 'ai.onnx.ml', 'com.microsoft']);

/** Deepest nesting of graphs in nodes that is read. */
const MAX_DEPTH = 32;

/** What matters of a NodeProto. */
export interface OnnxNode {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Its operator and those of the nodes in its graphs. */
  readonly operators: readonly Operator[];
  /** Number of elements of each list attribute, by name. */
  readonly listLengths: ReadonlyMap<string, number>;
}

/** An operator and the domain that defines it. */
export interface Operator {
  readonly op: string;
  readonly domain: string;
}

/**
 * Operators that quantize by the largest and smallest number of their whole input, whatever rows it holds: one text then
 * answers by the company that it runs in.
 */
const QUANTIZING_AT_RUN = new Set(['DynamicQuantizeLinear', 'DynamicQuantizeMatMul', 'DynamicQuantizeLSTM']);

/** True for an operator by which the answer of one row depends on the other rows. */
export function mixesRows({ op }: Operator): boolean {
  return QUANTIZING_AT_RUN.has(op);
}

/** True for an operator of a domain that the runtime does not know. */
export function isCustom({ domain }: Operator): boolean {
  return !KNOWN_DOMAINS.has(domain);
}

/** The refusal of an operator of a domain that the runtime does not know. */
export function customOperatorError(path: string, { op, domain }: Operator): ModelkeepError {
  return new ModelkeepError(
    'UNSUPPORTED_FORMAT',
    `${path} uses the custom operator ${op} of the domain "${domain}", which the runtime does not have; supported ` +
      `domains: ${[...KNOWN_DOMAINS].filter(Boolean).join(', ')}. push --allow-custom-operators keeps it for other ` +
      'programs to serve',
  );
}

/** Reads a NodeProto. @throws ModelkeepError `INVALID_ARTIFACT` */
export function readNode(message: Buffer, depth = 0): OnnxNode {
  if (depth > MAX_DEPTH) {
    throw new ModelkeepError('INVALID_ARTIFACT', `The ONNX file nests more than ${MAX_DEPTH} graphs`);
  }
  const inputs: string[] = [];
  const outputs: string[] = [];
  const operators: Operator[] = [];
  const listLengths = new Map<string, number>();
  let op = '';
  let domain = '';
  for (const { field, wire, start, end } of fieldsIn(message)) {
    if (wire !== WIRE.bytes) continue;
    const text = (): string => message.toString('utf8', start, end);
    if (field === 1) inputs.push(text());
    else if (field === 2) outputs.push(text());
    else if (field === 4) op = text();
    else if (field === 7) domain = text();
    else if (field === 5) {
      const attribute = readAttribute(message.subarray(start, end), depth);
      listLengths.set(attribute.name, attribute.length);
      operators.push(...attribute.operators);
    }
  }
  return { op, inputs, outputs, operators: [{ op, domain }, ...operators], listLengths };
}

function readAttribute(
  message: Buffer,
  depth: number,
): { readonly name: string; readonly length: number; readonly operators: readonly Operator[] } {
  let name = '';
  let length = 0;
  const operators: Operator[] = [];
  for (const { field, wire, start, end } of fieldsIn(message)) {
    if (field === 1 && wire === WIRE.bytes) name = message.toString('utf8', start, end);
    else if (field === 9 || (field === 8 && wire === WIRE.varint)) length++;
    // Packed integers: each ends with a byte below 128.
    else if (field === 8) length += message.subarray(start, end).filter((byte) => byte < 0x80).length;
    else if ((field === 6 || field === 11) && wire === WIRE.bytes) {
      const graph = message.subarray(start, end);
      for (const inner of fieldsIn(graph)) {
        if (inner.field !== 1 || inner.wire !== WIRE.bytes) continue;
        operators.push(...readNode(graph.subarray(inner.start, inner.end), depth + 1).operators);
      }
    }
  }
  return { name, length, operators };
}

/**
 * Replaces a ZipMap, scikit-learn's last node, which makes a sequence of maps from a matrix of scores: the runtime
 * cannot return maps, so the matrix itself becomes the output, under the same name.
 */
export function cutZipMap(
  path: string,
  node: OnnxNode,
): { readonly replacement: Uint8Array; readonly output: TensorInfo } {
  const [input] = node.inputs;
  const [name] = node.outputs;
  if (input === undefined || name === undefined) {
    throw new ModelkeepError('INVALID_ARTIFACT', `${path}: a ZipMap has no input or no output. Export the model again`);
  }
  const classes = node.listLengths.get('classlabels_int64s') || node.listLengths.get('classlabels_strings') || -1;
  const identity = concat([bytesField(1, input), bytesField(2, name), bytesField(3, name), bytesField(4, 'Identity')]);
  return { replacement: bytesField(1, identity), output: { name, type: 'float32', dims: [-1, classes] } };
}
