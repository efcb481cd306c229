import { ModelkeepError, type VersionFiles } from '../../../src/core/index.js';

/** Files in memory whose reads never leave them, and whose places are never known. */
export function memoryFiles(
  contents: Readonly<Record<string, Uint8Array>>,
): VersionFiles & { readonly largest: number } {
  let largest = 0;
  return {
    paths: Object.keys(contents).toSorted(),
    get largest() {
      return largest;
    },
    size: (path) => contents[path]?.byteLength,
    async read(path, { start = 0, end } = {}) {
      const bytes = contents[path];
      const stop = end ?? bytes?.byteLength ?? 0;
      if (bytes === undefined || start < 0 || stop < start || stop > bytes.byteLength) {
        throw new ModelkeepError('INTERNAL', `A read of ${path} from ${start} to ${stop} leaves the file`);
      }
      largest = Math.max(largest, stop - start);
      return Buffer.from(bytes.subarray(start, stop));
    },
    locate: () => undefined,
    contentOf: () => undefined,
  };
}

/** A safetensors file from its header's text and the bytes behind it. */
export function safetensors(header: string, data: Uint8Array = new Uint8Array()): Buffer {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(Buffer.byteLength(header)));
  return Buffer.concat([length, Buffer.from(header), data]);
}
