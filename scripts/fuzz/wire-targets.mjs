/** What comes over connections: bodies with tensors in raw form, and the frames of runners. Runs what is built. */
import { ELEMENT_ARRAYS } from '../../dist/core/index.js';
import { readInferBody, writeOutputs } from '../../dist/protocols/http/infer-body.js';
import { encodeFrame, FrameReader } from '../../dist/runners/index.js';
import { mutate, mutateDocument } from './mutations.mjs';

const TYPES = Object.keys(ELEMENT_ARRAYS);
/** Shapes of up to 24 elements, with and without any. */
const SHAPES = [[], [0], [1], [3], [2, 3], [4, 0, 2], [2, 3, 4]];

const elementsOf = (shape) => shape.reduce((product, dim) => product * dim, 1);

/** A tensor of a type whose bits are those of 0 and 1, which every type has. */
function tensorOf(type, dims) {
  const count = elementsOf(dims);
  if (type === 'string')
    return { type, dims, data: Array.from({ length: count }, (_, at) => ['', 'ä', 'text'][at % 3]) };
  const bytes = Uint8Array.from({ length: count * ELEMENT_ARRAYS[type].BYTES_PER_ELEMENT }, (_, at) => at % 2);
  return { type, dims, data: new ELEMENT_ARRAYS[type](bytes.buffer) };
}

/** Throws if a tensor has another number of elements than its shape says, or another kind of them. */
function checkWhole(name, { type, dims, data }) {
  if (data.length !== elementsOf(dims)) throw new Error(`${name} has ${data.length} elements for [${dims.join(', ')}]`);
  const isKind =
    type === 'string' ? data.every((text) => typeof text === 'string') : data instanceof ELEMENT_ARRAYS[type];
  if (!isKind) throw new Error(`${name} is no ${type}`);
}

/** A body of the Open Inference Protocol with these tensors in raw form, the JSON apart from what is behind it. */
function bodyOf(tensors) {
  const { outputs, raw } = writeOutputs(tensors, { isBinary: () => true, saysContent: false });
  return { json: { id: 'r', inputs: outputs }, binary: Buffer.concat(raw) };
}

function bodyCases() {
  const each = [...TYPES, 'string'].map((type, at) => {
    return [{ name: 'a', tensor: tensorOf(type, SHAPES[at % SHAPES.length]) }];
  });
  const many = [...TYPES, 'string'].map((type, at) => ({
    name: type,
    tensor: tensorOf(type, SHAPES[(at + 3) % SHAPES.length]),
  }));
  const plain = { id: 'p', inputs: [{ name: 'a', datatype: 'INT64', shape: [3], data: [1, 2, 3] }] };
  return [...each, many].map(bodyOf).concat({ json: plain, binary: Buffer.alloc(0) });
}

/** A body, and what its header says of it, which is the truth unless it was damaged. */
function damagedBody({ json, binary }, random) {
  let text = Buffer.from(JSON.stringify(random.once(2) ? mutateDocument(json, random) : json));
  if (random.once(4)) text = mutate(text, text.length, random);
  const behind = random.once(2) ? binary : mutate(Buffer.concat([binary, Buffer.alloc(1)]), binary.length + 1, random);
  const odd = ['', '-1', '0', '1e2', ' 7', '9'.repeat(30), String(text.length - 1), String(text.length + 1), undefined];
  const length = random.once(8) ? random.one(odd) : String(text.length);
  return { path: `body, with the length ${length}`, contents: { body: Buffer.concat([text, behind]) }, length };
}

function frameCases() {
  const tensors = (offset) =>
    Object.fromEntries(
      [...TYPES, 'string'].map((type, at) => [type, tensorOf(type, SHAPES[(at + offset) % SHAPES.length])]),
    );
  const frames = [
    encodeFrame({ id: 1, op: 'stats' }),
    encodeFrame({ id: 2, result: { answers: [{ output: [{ label: 'ä', score: 0.5 }] }] } }),
    encodeFrame({ id: 3 }, { a: tensorOf('float32', [2, 3]) }),
    ...SHAPES.map((_, at) => encodeFrame({ id: at }, tensors(at))),
  ].map((chunks) => Buffer.concat(chunks));
  return [...frames, Buffer.concat(frames.slice(0, 4))].map((stream) => ({ stream }));
}

/** The first frame of a stream with another header, whose length is told as it is. */
function withHeader(stream, change) {
  const [header, body] = [stream.readUInt32LE(0), stream.readUInt32LE(4)];
  const changed = change(stream.subarray(8, 8 + header));
  const prefix = Buffer.alloc(8);
  prefix.writeUInt32LE(changed.length, 0);
  prefix.writeUInt32LE(body, 4);
  return Buffer.concat([prefix, changed, stream.subarray(8 + header)]);
}

function damagedStream({ stream }, random) {
  const document = (bytes) => Buffer.from(JSON.stringify(mutateDocument(JSON.parse(bytes.toString('utf8')), random)));
  const ways = [
    () => mutate(stream, Math.min(64, stream.length), random),
    () => mutate(stream, stream.length, random),
    () => withHeader(stream, (bytes) => mutate(bytes, bytes.length, random)),
    () => withHeader(stream, document),
    () => withHeader(stream, document),
  ];
  const bytes = random.one(ways)();
  const cuts = Array.from({ length: random.below(4) }, () => random.below(bytes.length + 1)).toSorted((a, b) => a - b);
  return { path: `stream, cut at ${cuts.join(', ')}`, contents: { stream: bytes }, cuts };
}

/** By name: the cases, how one is damaged, what reads it, and what it may be refused with. */
export const WIRE_TARGETS = {
  tensors: {
    codes: ['INVALID_INPUT'],
    cases: bodyCases,
    damage: damagedBody,
    read({ contents: { body }, length }) {
      const { inputs } = readInferBody(body, length);
      for (const { name, tensor } of inputs) checkWhole(name, tensor);
      // What was read and is written again is read as the same.
      const again = bodyOf(inputs);
      const json = Buffer.from(JSON.stringify(again.json));
      const second = bodyOf(readInferBody(Buffer.concat([json, again.binary]), String(json.length)).inputs);
      if (!second.binary.equals(again.binary)) throw new Error('What was written is read as something else');
    },
  },
  frames: {
    codes: ['RUNNER_CRASHED'],
    cases: frameCases,
    damage: damagedStream,
    read({ contents: { stream }, cuts }) {
      const reader = new FrameReader();
      const ends = [...cuts, stream.length];
      const frames = ends.flatMap((end, at) => reader.push(stream.subarray(ends[at - 1] ?? 0, end)));
      for (const { header, tensors } of frames) {
        if (typeof header !== 'object' || header === null) throw new Error('A frame has no header');
        for (const [name, tensor] of Object.entries(tensors)) checkWhole(name, tensor);
      }
    },
  },
};
