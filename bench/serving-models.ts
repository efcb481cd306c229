/**
 * The model and the texts of the benchmark `serving`: sentence-transformers/all-MiniLM-L6-v2 (84 MB, downloaded once, as
 * `npm run test:slow` does) with a head of three labels from a seed, in two versions that differ in that head.
 */
import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { copyFile, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { openStore, push } from '../src/app/index.js';
import { randomNumbers } from './bert-base.js';
import { BENCH_FOLDER, STORE_URL } from './node.js';
import { exportOnnx } from './plain.js';

/** Name of the model; version 1 is `minilm-1`, version 2 `minilm-2`. */
export const MODEL = 'minilm';
const LABELS = ['negative', 'neutral', 'positive'];
const HIDDEN = 384;
/** Longest sequence of the benchmark, in tokens: the peers it is compared with cut there too. */
const MAX_TOKENS = 128;

/** Folder of one of the two versions. */
export function modelFolder(version: 1 | 2): string {
  return join(BENCH_FOLDER, `minilm-${version}`);
}

/** Provides both versions in the store, and the first as a plain `.onnx` file for the bare loop. */
export async function prepareServing(): Promise<void> {
  const cache = resolve(BENCH_FOLDER, '..', 'minilm');
  const { stdout } = await promisify(execFile)('sh', ['test/fixtures/minilm/fetch.sh', cache]);
  for (const version of [1, 2] as const) await makeClassifier(stdout.trim(), version);
  await exportOnnx(modelFolder(1));
  await using store = await openStore(STORE_URL);
  const known = await store.listVersions({ model: MODEL });
  for (const version of [1, 2] as const)
    if (known.length < version) await push(store, modelFolder(version), { name: MODEL });
}

interface TensorHeader {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data_offsets: readonly [number, number];
}

/** The encoder as a classifier: its tensors renamed as `BertForSequenceClassification` has them, and a head. */
async function makeClassifier(source: string, version: 1 | 2): Promise<void> {
  const folder = modelFolder(version);
  if (existsSync(folder)) return;
  const unfinished = `${folder}.unfinished`;
  await rm(unfinished, { recursive: true, force: true });
  await mkdir(unfinished, { recursive: true });
  await copyFile(join(source, 'tokenizer.json'), join(unfinished, 'tokenizer.json'));
  const config = JSON.parse(await readFile(join(source, 'config.json'), 'utf8')) as object;
  const id2label = Object.fromEntries(LABELS.entries());
  const named = { ...config, architectures: ['BertForSequenceClassification'], id2label };
  await writeFile(join(unfinished, 'config.json'), JSON.stringify(named));
  const tokenizer = JSON.parse(await readFile(join(source, 'tokenizer_config.json'), 'utf8')) as object;
  const cut = { ...tokenizer, model_max_length: MAX_TOKENS };
  await writeFile(join(unfinished, 'tokenizer_config.json'), JSON.stringify(cut));
  const weights = withHead(await readFile(join(source, 'model.safetensors')), version);
  await writeFile(join(unfinished, 'model.safetensors'), weights);
  await rename(unfinished, folder);
}

function withHead(file: Buffer, seed: number): Buffer {
  const headerEnd = 8 + Number(file.readBigUInt64LE(0));
  const { __metadata__: _, ...tensors } = JSON.parse(file.toString('utf8', 8, headerEnd)) as Record<
    string,
    TensorHeader
  >;
  const header: Record<string, unknown> = { __metadata__: { format: 'pt' } };
  const body: Buffer[] = [];
  let end = 0;
  const add = (name: string, dtype: string, shape: readonly number[], data: Buffer): void => {
    header[name] = { dtype, shape, data_offsets: [end, end + data.byteLength] };
    end += data.byteLength;
    body.push(data);
  };
  for (const [name, { dtype, shape, data_offsets: at }] of Object.entries(tensors)) {
    if (dtype === 'F32') add(`bert.${name}`, dtype, shape, file.subarray(headerEnd + at[0], headerEnd + at[1]));
  }
  const random = randomNumbers(seed);
  const values = Float32Array.from({ length: LABELS.length * HIDDEN }, () => 0.4 * (random() - 0.5));
  add('classifier.weight', 'F32', [LABELS.length, HIDDEN], Buffer.from(values.buffer));
  add('classifier.bias', 'F32', [LABELS.length], Buffer.alloc(4 * LABELS.length));
  const text = JSON.stringify(header);
  const json = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.byteLength));
  return Buffer.concat([length, json, ...body]);
}

/** Words of a text at shares of all texts: short messages, reviews and passages, as users send them mixed. */
const LENGTHS: readonly (readonly [share: number, words: number])[] = [
  [0, 3],
  [0.25, 15],
  [0.5, 25],
  [0.75, 88],
  [1, 120],
];

function wordsAt(share: number): number {
  const above = Math.max(
    1,
    LENGTHS.findIndex(([at]) => at >= share),
  );
  const [from, few] = LENGTHS[above - 1]!;
  const [to, many] = LENGTHS[above]!;
  return Math.round(few + ((share - from) / (to - from)) * (many - few));
}

/**
 * 500 texts from a seed, made of the words of the evaluation texts; their lengths in tokens have about the quartiles
 * 19, 30 and 104 and the longest are cut.
 */
export function mixedTexts(count = 500): string[] {
  const lines = readFileSync('test/fixtures/sentiment/eval.jsonl', 'utf8').trimEnd().split('\n');
  const words = lines.flatMap((line) => (JSON.parse(line) as { text: string }).text.split(' '));
  const random = randomNumbers(7);
  return Array.from({ length: count }, () => {
    const length = wordsAt(random());
    const begin = Math.floor(random() * (words.length - length));
    return words.slice(begin, begin + length).join(' ');
  });
}
