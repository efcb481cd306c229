/** Ways to damage bytes. Each takes the bytes and gives new ones; `end` is where what matters of them ends. */

/** Numbers at which readers go wrong: signs, overflows, ends. */
const NUMBERS = [
  0n,
  1n,
  2n,
  127n,
  128n,
  255n,
  256n,
  2n ** 31n - 1n,
  2n ** 31n,
  2n ** 32n,
  2n ** 53n,
  2n ** 60n,
  2n ** 63n,
  2n ** 64n - 1n,
];
/** What a header's JSON may be made of. */
const WORDS = [
  '0',
  '-1',
  '1e9',
  '9007199254740993',
  '1152921504606846976',
  '""',
  'null',
  'true',
  '[]',
  '{}',
  '[[',
  '{"',
  '"F32"',
  '"F13"',
  '"BOOL"',
  '"I64"',
  '"dtype"',
  '"shape"',
  '"data_offsets"',
  '"__metadata__"',
  '"__proto__"',
  '\\u0000',
  '\\',
  '"',
  ',',
  ':',
  '[',
  ']',
  '{',
  '}',
  ' ',
];

/** @param {bigint} value */
function varint(value) {
  const bytes = [];
  for (; value > 127n; value >>= 7n) bytes.push(Number(value & 127n) | 128);
  return Buffer.from([...bytes, Number(value)]);
}

/** @param {Buffer} bytes @param {number} at @param {number} removed @param {Uint8Array} added */
function spliced(bytes, at, removed, added) {
  return Buffer.concat([bytes.subarray(0, at), added, bytes.subarray(Math.min(bytes.length, at + removed))]);
}

/** @type {((bytes: Buffer, end: number, random: import('./random.mjs').Random) => Buffer)[]} */
const MUTATIONS = [
  (bytes, end, random) => {
    const copy = Buffer.from(bytes);
    for (let left = 1 + random.below(4); left > 0; left--) copy[random.below(end)] ^= 1 << random.below(8);
    return copy;
  },
  (bytes, end, random) => {
    const copy = Buffer.from(bytes);
    for (let left = 1 + random.below(8); left > 0; left--) copy[random.below(end)] = random.below(256);
    return copy;
  },
  (bytes, _end, random) => bytes.subarray(0, random.below(bytes.length)),
  (bytes, end, random) => bytes.subarray(0, random.below(end)),
  (bytes, end, random) => spliced(bytes, random.below(end), random.below(40), Buffer.alloc(0)),
  (bytes, end, random) => spliced(bytes, random.below(end), random.below(12), varint(random.one(NUMBERS))),
  (bytes, end, random) => spliced(bytes, random.below(end), random.below(12), Buffer.from(random.one(WORDS))),
  (bytes, end, random) => {
    const from = random.below(end);
    const run = bytes.subarray(from, Math.min(end, from + random.below(200)));
    return spliced(bytes, random.below(end), random.once(2) ? 0 : run.length, run);
  },
  (bytes, end, random) => {
    const long = Buffer.alloc(8);
    long.writeBigUInt64LE(random.one(NUMBERS));
    return spliced(bytes, random.once(3) ? 0 : random.below(end), 8, long);
  },
  (bytes, end, random) => spliced(bytes, random.below(end), 0, Buffer.alloc(1 + random.below(3000), random.below(256))),
  (bytes, end, random) => {
    // A number of a text, replaced by another.
    const text = bytes.toString('latin1', 0, end);
    const found = [...text.matchAll(/\d+/g)];
    if (found.length === 0) return bytes;
    const { 0: digits, index } = random.one(found);
    const number = random.once(2) ? String(BigInt(digits) + BigInt(random.below(9) - 4)) : String(random.one(NUMBERS));
    return spliced(bytes, index, digits.length, Buffer.from(number));
  },
];

/**
 * Damages bytes in one to three ways.
 *
 * @param {Buffer} bytes
 * @param {number} end where the structure ends: most damage is done before it
 * @param {import('./random.mjs').Random} random
 */
export function mutate(bytes, end, random) {
  let damaged = bytes;
  for (let left = random.once(3) ? 1 + random.below(3) : 1; left > 0; left--) {
    if (damaged.length === 0) return damaged;
    damaged = random.one(MUTATIONS)(damaged, Math.max(1, Math.min(end, damaged.length)), random);
  }
  return damaged;
}

/**
 * A safetensors file whose header was damaged while its length still says the truth, so that the damage is read.
 *
 * @param {Buffer} bytes
 * @param {import('./random.mjs').Random} random
 */
export function mutateHeader(bytes, random) {
  const end = 8 + Number(bytes.readBigUInt64LE(0));
  const header = mutate(bytes.subarray(8, end), end - 8, random);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  return Buffer.concat([length, header, bytes.subarray(end)]);
}

/** What a value in a document may become; a function gets what was there. */
const ODD_VALUES = [
  null,
  true,
  '',
  '4',
  '__proto__',
  'FP16',
  'BF16',
  'BYTES',
  'string',
  'float64',
  [],
  {},
  -1,
  0,
  0.5,
  3,
  8,
  2 ** 31,
  2 ** 53,
  1e300,
  (value) => [value],
  (value) => [value, value],
  (value) => ({ __proto__: null, value }),
  (value) => (typeof value === 'number' ? value + 1 : value),
  (value) => (typeof value === 'number' ? value - 1 : value),
  (value) => (Array.isArray(value) ? value.slice(1) : value),
  (value) => (Array.isArray(value) ? value.toReversed() : value),
];

/**
 * A document that still is JSON, with one value replaced, taken away or given another name.
 *
 * @param {unknown} document
 * @param {import('./random.mjs').Random} random
 */
export function mutateDocument(document, random) {
  const copy = structuredClone(document);
  const places = [];
  const visit = (value) => {
    if (typeof value !== 'object' || value === null) return;
    for (const key of Object.keys(value)) {
      places.push([value, key]);
      visit(value[key]);
    }
  };
  visit(copy);
  if (places.length === 0) return copy;
  const [holder, key] = random.one(places);
  const odd = random.one(ODD_VALUES);
  const way = random.below(8);
  if (way === 0) delete holder[key];
  else if (way === 1 && !Array.isArray(holder)) holder[`${key}s`] = holder[key];
  else holder[key] = typeof odd === 'function' ? odd(holder[key]) : structuredClone(odd);
  return copy;
}
