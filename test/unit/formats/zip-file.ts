import { crc32, deflateRawSync } from 'node:zlib';

/** An entry of {@link zipFile}; sizes and name are written as they are said, true or not. */
export interface ZipEntry {
  readonly name: string;
  readonly bytes: Uint8Array | string;
  readonly deflate?: boolean;
  /** Already deflated bytes instead, which would unpack to this many. */
  readonly unpacksTo?: number;
}

interface Record {
  readonly name: Buffer;
  readonly data: Buffer;
  readonly fields: Buffer;
}

function record({ name, bytes, deflate = false, unpacksTo }: ZipEntry): Record {
  const raw = Buffer.from(bytes);
  const data = deflate ? deflateRawSync(raw) : raw;
  const encoded = Buffer.from(name);
  const fields = Buffer.alloc(26);
  fields.writeUInt16LE(20, 0);
  fields.writeUInt16LE(deflate || unpacksTo !== undefined ? 8 : 0, 4);
  fields.writeUInt32LE(unpacksTo === undefined ? crc32(raw) : 0, 10);
  fields.writeUInt32LE(data.length, 14);
  fields.writeUInt32LE(unpacksTo ?? raw.length, 18);
  fields.writeUInt16LE(encoded.length, 22);
  return { name: encoded, data, fields };
}

/** A zip archive with these entries, also such as no honest program writes. */
export function zipFile(entries: readonly ZipEntry[]): Buffer {
  const locals: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const { name, data, fields } of entries.map(record)) {
    const local = Buffer.concat([Buffer.from('PK\x03\x04'), fields, name, data]);
    const rest = Buffer.alloc(14);
    rest.writeUInt32LE(offset, 10);
    directory.push(Buffer.concat([Buffer.from('PK\x01\x02'), Buffer.from([20, 0]), fields, rest, name]));
    locals.push(local);
    offset += local.length;
  }
  const central = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  end.writeUInt16LE(entries.length, 8);
  end.writeUInt16LE(entries.length, 10);
  end.writeUInt32LE(central.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...locals, central, end]);
}

const MIB = 1024 * 1024;

/** A deflated stream of that many MiB of zeros, made without deflating them all. */
export function deflatedZeros(mebibytes: number): Buffer {
  // With a full flush one MiB ends at a byte's border and refers to nothing before it, so it can be repeated.
  const whole = deflateRawSync(Buffer.alloc(MIB), { finishFlush: 3 });
  return Buffer.concat([...Array<Buffer>(mebibytes).fill(whole), deflateRawSync(Buffer.alloc(0))]);
}
