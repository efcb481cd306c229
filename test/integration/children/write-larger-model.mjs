// Writes copies of the sentiment model whose feed-forward blocks are wider and random, so that versions have the weight
// that a test needs and every run touches all of it. Their answers mean nothing; no two share those tensors.
// In a process of its own, so that the test's own memory stays what it was.
//
//   node write-larger-model.mjs WIDTH DIRECTORY...       each copy weighs about 2 kB a unit of width
import { randomFillSync } from 'node:crypto';
import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const SOURCE = 'test/fixtures/sentiment/v2';
const HIDDEN = 128;

const [width, ...directories] = process.argv.slice(2);
const shapes = (name, shape) => {
  if (name.endsWith('intermediate.dense.weight')) return [Number(width), HIDDEN];
  if (name.endsWith('intermediate.dense.bias')) return [Number(width)];
  if (/layer\.\d+\.output\.dense\.weight$/.test(name)) return [HIDDEN, Number(width)];
  return shape;
};

/** Small random floats: random bits with the exponent of numbers from 0.0078 to 0.0156. */
function randomFloats(count) {
  const bytes = randomFillSync(Buffer.allocUnsafe(4 * count));
  for (let at = 3; at < bytes.byteLength; at += 4) {
    bytes[at] = 0x3c;
    bytes[at - 1] &= 0x7f;
  }
  return bytes;
}

async function write(directory) {
  await cp(SOURCE, directory, { recursive: true, filter: (path) => !path.endsWith('golden.jsonl') });
  const bytes = await readFile(join(SOURCE, 'model.safetensors'));
  const dataStart = 8 + Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString('utf8', 8, dataStart));
  const parts = [];
  const written = {};
  let at = 0;
  for (const [
    name,
    {
      dtype,
      shape,
      data_offsets: [begin, end],
    },
  ] of Object.entries(header).filter(([key]) => key !== '__metadata__')) {
    const wanted = shapes(name, shape);
    const part =
      wanted === shape
        ? bytes.subarray(dataStart + begin, dataStart + end)
        : randomFloats(wanted.reduce((a, b) => a * b, 1));
    written[name] = { dtype, shape: wanted, data_offsets: [at, at + part.byteLength] };
    parts.push(part);
    at += part.byteLength;
  }
  const json = Buffer.from(JSON.stringify(written), 'utf8');
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.byteLength));
  await writeFile(join(directory, 'model.safetensors'), Buffer.concat([length, json, ...parts]));
  const config = JSON.parse(await readFile(join(directory, 'config.json'), 'utf8'));
  await writeFile(join(directory, 'config.json'), JSON.stringify({ ...config, intermediate_size: Number(width) }));
}

for (const directory of directories) await write(directory);
