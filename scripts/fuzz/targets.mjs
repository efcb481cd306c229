/** What is fuzzed: fixtures, how they are damaged, and what reads them. Runs what is built, in `dist/`. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { cutFile, planSession, readSafetensorsHeader } from '../../dist/formats/index.js';
import { readSentencePipeline } from '../../dist/tasks/sentence-pipeline.js';
import { mutate, mutateHeader } from './mutations.mjs';
import { WIRE_TARGETS } from './wire-targets.mjs';

const FIXTURES = join(import.meta.dirname, '../../test/fixtures');

/** A read that no reader may ask for. */
export class OutsideRead extends Error {}

/** @param {string} folder @returns {Record<string, Buffer>} */
function contentsOf(folder) {
  const paths = readdirSync(join(FIXTURES, folder), { recursive: true, encoding: 'utf8' }).filter(
    (path) => /\.(json|safetensors|onnx)$/.test(path) && !/golden/.test(path),
  );
  return Object.fromEntries(
    paths.flatMap((path) => {
      const file = join(FIXTURES, folder, path);
      return statSync(file).isFile() ? [[path, readFileSync(file)]] : [];
    }),
  );
}

/** Files in memory that take notice of every read. @param {Record<string, Buffer>} contents */
function watchedFiles(contents) {
  const digest = `sha256:${'0'.repeat(64)}`;
  const seen = { bytes: 0, largest: 0 };
  return {
    seen,
    paths: Object.keys(contents).toSorted(),
    size: (path) => (Object.hasOwn(contents, path) ? contents[path].length : undefined),
    async read(path, { start = 0, end = contents[path]?.length ?? 0 } = {}) {
      const bytes = Object.hasOwn(contents, path) ? contents[path] : undefined;
      if (bytes === undefined || !(start >= 0 && start <= end && end <= bytes.length))
        throw new OutsideRead(`A read of ${path} from ${start} to ${end} leaves the file`);
      seen.bytes += end - start;
      seen.largest = Math.max(seen.largest, end - start);
      return Buffer.from(bytes.subarray(start, end));
    },
    locate: (path, start, end) => {
      if (!(start >= 0 && start <= end && end <= contents[path]?.length))
        throw new OutsideRead(`Bytes ${start} to ${end} of ${path} are mapped, which has ${contents[path]?.length}`);
      return { file: `/segments/${path.replaceAll('/', '_')}`, offset: start, digest };
    },
  };
}

/** Keeps nothing and makes nothing: what is merged would be as large as the layer. */
const derive = async () => ({ file: '/segments/made', offset: 0, digest: `sha256:${'0'.repeat(64)}`, size: 0 });

/** @param {ReturnType<typeof watchedFiles>} files @param {string} path */
async function cutsOf(files, path) {
  const { sizes } = await cutFile(files, path);
  const sum = sizes.reduce((total, size) => total + size, 0);
  if (sum !== files.size(path)) throw new Error(`The segments of ${path} have ${sum} bytes, not ${files.size(path)}`);
}

/** Runs all of them and throws the first failure of the last: each reader sees each damaged file. */
async function all(...readers) {
  let refusal;
  for (const read of readers) {
    try {
      await read();
    } catch (error) {
      if (error?.name !== 'ModelkeepError') throw error;
      refusal = error;
    }
  }
  if (refusal !== undefined) throw refusal;
}

/** Bytes of a safetensors file that are no tensors, as far as it says. @param {Buffer} bytes */
function headerBytes(bytes) {
  const length = bytes.length < 8 ? 0 : Number(bytes.readBigUInt64LE(0));
  return 8 + (length <= 100_000_000 ? length : 0);
}

const heads = readdirSync(join(FIXTURES, 'archs/heads'));
const FOLDERS = {
  safetensors: [
    ...heads.map((head) => `archs/heads/${head}`),
    ...readdirSync(join(FIXTURES, 'adapters')).map((name) => `adapters/${name}`),
    ...readdirSync(join(FIXTURES, 'tasks/dense')).map((name) => `tasks/dense/${name}`),
  ],
  onnx: ['iris', 'sentiment/v2-onnx'],
};

function safetensorsCases() {
  return FOLDERS.safetensors.map((folder) => {
    const contents = contentsOf(folder);
    const base = folder.startsWith('adapters/')
      ? readFileSync(join(FIXTURES, folder, 'base.txt'), 'utf8').trim()
      : undefined;
    return { contents: base === undefined ? contents : { ...contentsOf(base), ...contents } };
  });
}

function onnxCases() {
  const models = FOLDERS.onnx.flatMap((folder) =>
    Object.entries(contentsOf(folder)).filter(([path]) => path.endsWith('.onnx')),
  );
  return models.map(([, bytes]) => ({ contents: { 'model.onnx': bytes } }));
}

/** Reads a header, which must ask for no more bytes than the header has. */
async function readHeaderAlone(path, contents) {
  const files = watchedFiles(contents);
  const bytes = contents[path];
  const read = (start, end) => files.read(path, { start, end });
  const refused = await readSafetensorsHeader(path, bytes.length, read).then(
    () => undefined,
    (error) => error,
  );
  if (files.seen.bytes > headerBytes(bytes))
    throw new Error(`${files.seen.bytes} bytes were read for a header of ${headerBytes(bytes)}`);
  if (refused !== undefined) throw refused;
}

/** What a damaged file may be refused with. */
const FILE_CODES = ['INVALID_ARTIFACT', 'UNSUPPORTED_FORMAT'];

/** By name: the cases, how one is damaged, what reads it, and what it may be refused with. */
export const TARGETS = {
  ...WIRE_TARGETS,
  safetensors: {
    codes: FILE_CODES,
    cases: safetensorsCases,
    damage({ contents }, random) {
      const paths = Object.keys(contents);
      const weights = paths.filter((path) => path.endsWith('.safetensors'));
      const path = random.once(5) ? random.one(paths) : random.one(weights);
      const bytes = contents[path];
      const isWeights = path.endsWith('.safetensors');
      const damaged =
        isWeights && !random.once(3)
          ? mutateHeader(bytes, random)
          : mutate(bytes, isWeights ? headerBytes(bytes) : bytes.length, random);
      return { path, contents: { ...contents, [path]: damaged } };
    },
    async read({ path, contents }) {
      if (path.endsWith('.safetensors')) await readHeaderAlone(path, contents);
      const files = watchedFiles(contents);
      await all(
        () => planSession(files, { derive }),
        () => cutsOf(files, path),
        () => readSentencePipeline(files),
      );
    },
  },
  onnx: {
    codes: FILE_CODES,
    cases: onnxCases,
    damage({ contents }, random) {
      const bytes = contents['model.onnx'];
      // The weights of a large model are most of it: its structure is at both ends.
      const end = bytes.length > 2 ** 20 && random.once(2) ? 65_536 : bytes.length;
      return { path: 'model.onnx', contents: { 'model.onnx': mutate(bytes, end, random) } };
    },
    async read({ path, contents }) {
      const files = watchedFiles(contents);
      await all(
        () => planSession(files),
        () => cutsOf(files, path),
      );
    },
  },
};
