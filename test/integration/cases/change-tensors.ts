import { readFileSync, writeFileSync } from 'node:fs';
import { safetensors } from '../../unit/formats/memory-files.js';

/** A tensor of a safetensors file. */
export interface Tensor {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

interface Entry {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data_offsets: readonly [number, number];
}

/** Changes the tensors of a safetensors file. */
export function changeTensors(path: string, change: (tensors: Map<string, Tensor>) => void): void {
  const bytes = readFileSync(path);
  const begin = 8 + Number(bytes.readBigUInt64LE());
  const { __metadata__: metadata, ...header } = JSON.parse(bytes.toString('utf8', 8, begin)) as Record<string, Entry>;
  const tensors = new Map<string, Tensor>(
    Object.entries(header).map(
      ([
        name,
        {
          dtype,
          shape,
          data_offsets: [from, to],
        },
      ]) => [name, { dtype, shape, data: bytes.subarray(begin + from, begin + to) }],
    ),
  );
  change(tensors);
  const changed: Record<string, unknown> = metadata === undefined ? {} : { __metadata__: metadata };
  let end = 0;
  for (const [name, { dtype, shape, data }] of tensors) {
    changed[name] = { dtype, shape, data_offsets: [end, (end += data.length)] };
  }
  writeFileSync(
    path,
    safetensors(JSON.stringify(changed), Buffer.concat([...tensors.values()].map(({ data }) => data))),
  );
}

/** Puts rows behind a table of F32: sin(1), sin(2) … */
export function growTable(tensors: Map<string, Tensor>, name: string, more: number): void {
  const table = tensors.get(name);
  const [rows, width] = table?.shape ?? [];
  if (table === undefined || rows === undefined || width === undefined) throw new Error(`there is no table ${name}`);
  const added = Float32Array.from({ length: more * width }, (_, i) => Math.sin(i + 1));
  tensors.set(name, {
    ...table,
    shape: [rows + more, width],
    data: Buffer.concat([table.data, new Uint8Array(added.buffer)]),
  });
}
