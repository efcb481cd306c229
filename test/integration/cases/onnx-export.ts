import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { TensorInfo } from '../../../src/core/index.js';
import { openDirectoryFiles, planSession } from '../../../src/formats/index.js';
import { ONNX_TYPE } from '../../../src/formats/onnx/model-writer.js';
import { tensorValueInfo } from '../../../src/formats/onnx/value-info.js';
import { bytesField, concat, fieldsIn, integerField } from '../../../src/formats/onnx/wire.js';

/** A node to put behind or before a graph. */
export interface NodeText {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly output: string;
  /** Of a Cast: the type to cast to. */
  readonly to?: keyof typeof ONNX_TYPE;
}

/** What an export makes of the graph of a checkpoint. */
export interface ExportChanges {
  /** Path of the graph in the folder. @defaultValue 'model.onnx' */
  readonly path?: string;
  /** Outputs that it declares. @defaultValue its own */
  readonly outputs?: readonly TensorInfo[];
  /** Inputs that it declares. @defaultValue its own */
  readonly inputs?: readonly TensorInfo[];
  /** Nodes before all others. */
  readonly before?: readonly NodeText[];
  /** Nodes behind all others. */
  readonly behind?: readonly NodeText[];
  /** Task whose graph is exported. @defaultValue 'text-classification' */
  readonly task?: string;
}

function nodeBytes({ op, inputs, output, to }: NodeText): Uint8Array {
  const attribute =
    to === undefined
      ? []
      : [bytesField(5, concat([bytesField(1, 'to'), integerField(3, ONNX_TYPE[to]), integerField(20, 2)]))];
  return bytesField(
    1,
    concat([
      ...inputs.map((name) => bytesField(1, name)),
      bytesField(2, output),
      bytesField(3, output),
      bytesField(4, op),
      ...attribute,
    ]),
  );
}

function changedGraph(graph: Uint8Array, { inputs, outputs, before = [], behind = [] }: ExportChanges): Uint8Array {
  const parts: Uint8Array[] = before.map(nodeBytes);
  const infos: Uint8Array[] = [];
  for (const { field, at, end } of fieldsIn(graph)) {
    const bytes = graph.subarray(at, end);
    if ((field === 11 && inputs !== undefined) || (field === 12 && outputs !== undefined)) continue;
    (field === 11 || field === 12 ? infos : parts).push(bytes);
  }
  parts.push(...behind.map(nodeBytes), ...infos);
  parts.push(...(inputs ?? []).map((info) => bytesField(11, tensorValueInfo(info))));
  parts.push(...(outputs ?? []).map((info) => bytesField(12, tensorValueInfo(info))));
  return concat(parts);
}

/** Writes the graph of a checkpoint as an ONNX file with its weights beside it, in the place of `model.safetensors`. */
export async function exportOnnx(folder: string, changes: ExportChanges = {}): Promise<string> {
  const { path = 'model.onnx', task = 'text-classification' } = changes;
  const names = ['config.json', 'model.safetensors'];
  const { graph: model } = await planSession(openDirectoryFiles(folder, names), { task });
  const target = join(folder, path);
  mkdirSync(dirname(target), { recursive: true });
  // A name of the same length, since that is written into the graph.
  const weights = 'model.onnx_data_1';
  renameSync(join(folder, 'model.safetensors'), join(dirname(target), weights));
  const parts: Uint8Array[] = [];
  for (const { field, at, start, end } of fieldsIn(model)) {
    if (field === 7) parts.push(bytesField(7, changedGraph(model.subarray(start, end), changes)));
    else parts.push(model.subarray(at, end));
  }
  const text = Buffer.from(concat(parts)).toString('latin1').replaceAll('model.safetensors', weights);
  writeFileSync(target, Buffer.from(text, 'latin1'));
  return folder;
}

/** Takes files away that say how a model is to be read. */
export function without(folder: string, ...names: readonly string[]): string {
  for (const name of names) rmSync(join(folder, name), { recursive: true, force: true });
  return folder;
}

/** Takes keys out of a JSON file. */
export function withoutKeys(folder: string, name: string, ...keys: readonly string[]): string {
  const path = join(folder, name);
  const json = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
  const kept = Object.entries(json).filter(([key]) => !keys.includes(key));
  writeFileSync(path, JSON.stringify(Object.fromEntries(kept)));
  return folder;
}
