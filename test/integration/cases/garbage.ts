import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { ModelkeepError, type VersionFiles } from '../../../src/core/index.js';
import { planSession, validateFiles } from '../../../src/formats/index.js';
import { checkText } from '../../../src/runners/index.js';
import { detectTask, openTask, type Encoding, type EncodingOutputs } from '../../../src/tasks/index.js';
import { memoryFiles } from '../../unit/formats/memory-files.js';

/** What may stand where something else belongs. */
export const GARBAGE: readonly unknown[] = [
  null,
  true,
  0,
  -1,
  1.5,
  1e300,
  '',
  'garbage',
  '(((',
  '__proto__',
  'x'.repeat(5_000),
  [],
  ['garbage'],
  [[1]],
  {},
  { garbage: 1 },
  { deep: { deeper: [[[[{}]]]] } },
];

/** Files that the tokenizer is opened on. */
const OF_TOKENIZER = /^(tokenizer\.json|vocab\.(txt|json)|merges\.txt|.*\.model)$/;

/** A folder in memory. */
export type Folder = Readonly<Record<string, Buffer>>;

/** Reads a fixture, without its goldens. */
export function folderOf(fixture: string): Folder {
  const root = resolve('test/fixtures', fixture);
  const paths = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((path) =>
    statSync(join(root, path)).isFile(),
  );
  return Object.fromEntries(
    paths.filter((path) => !path.startsWith('golden')).map((path) => [path, readFileSync(join(root, path))]),
  );
}

const TEXT = 'A cat sleeps on the mat.';
/** Inputs of a task, in the form that it takes. */
const INPUTS: Readonly<Record<string, unknown>> = {
  'question-answering': { question: 'Who sleeps?', context: TEXT },
  'sentence-similarity': { source_sentence: TEXT, sentences: [TEXT, 'good'] },
  'text-ranking': { query: TEXT, texts: [TEXT, 'good'] },
  'fill-mask': 'a [MASK] cat',
};

/** Codes with which a publisher may be refused. */
const REFUSALS: ReadonlySet<string> = new Set(['INVALID_ARTIFACT', 'UNSUPPORTED_FORMAT']);

/** What came of a folder: an error, or what its graph and its tokens are. */
type Outcome =
  | ModelkeepError
  | {
      readonly plan: Awaited<ReturnType<typeof planSession>>;
      readonly task: string | undefined;
      readonly sequences: string;
    };

async function checked(files: VersionFiles, apart: boolean): Promise<Outcome> {
  const task = await detectTask(files);
  await validateFiles(files, 'hf', { task });
  const plan = await planSession(files, { task });
  if (task === undefined) return { plan, task, sequences: '' };
  // As a publish does: a tokenizer may end the process in which it is opened.
  if (apart) await checkText(files, { task, requests: [{ inputs: INPUTS[task] ?? TEXT }] });
  const open = await openTask(files, { task });
  const { encodings } = await open.prepare({ inputs: INPUTS[task] ?? TEXT });
  return { plan, task, sequences: JSON.stringify([encodings, open.facts]) };
}

async function outcomeOf(files: VersionFiles, apart: boolean): Promise<Outcome> {
  try {
    return await checked(files, apart);
  } catch (error) {
    if (error instanceof ModelkeepError) return error;
    throw error;
  }
}

function ints(values: readonly number[]): Tensor {
  return new Tensor('int64', BigInt64Array.from(values, BigInt), [1, values.length]);
}

async function runOne(session: InferenceSession, { ids, typeIds }: Encoding): Promise<EncodingOutputs> {
  const feeds = {
    input_ids: ints(ids),
    attention_mask: ints(ids.map(() => 1)),
    token_type_ids: ints(typeIds ?? ids.map(() => 0)),
  };
  const known = Object.entries(feeds).filter(([name]) => session.inputNames.includes(name));
  const results = await session.run(Object.fromEntries(known));
  return Object.fromEntries(
    Object.entries(results).map(([name, { dims, data }]) => [
      name,
      { dims: dims.slice(1), data: data as Float32Array },
    ]),
  );
}

/** Asks the version once, as its first request would. */
async function answer(files: VersionFiles, { plan, task }: Exclude<Outcome, ModelkeepError>): Promise<unknown> {
  const session = await InferenceSession.create(plan.graph, { intraOpNumThreads: 1, logSeverityLevel: 4 });
  try {
    if (task === undefined) return undefined;
    const prepared = await (await openTask(files, { task })).prepare({ inputs: INPUTS[task] ?? TEXT });
    const outputs: EncodingOutputs[] = [];
    for (const encoding of prepared.encodings) outputs.push(await runOne(session, encoding));
    return await prepared.finish(outputs);
  } finally {
    await session.release();
  }
}

/** Tries folders that are not what training left. */
export class GarbageBench {
  readonly #folder: Folder;
  readonly #whole: Exclude<Outcome, ModelkeepError>;

  private constructor(folder: Folder, whole: Exclude<Outcome, ModelkeepError>) {
    this.#folder = folder;
    this.#whole = whole;
  }

  static async open(folder: Folder): Promise<GarbageBench> {
    const whole = await checked(memoryFiles(folder), false);
    if (whole instanceof ModelkeepError) throw whole;
    return new GarbageBench(folder, whole);
  }

  /**
   * What is wrong with what came of a folder with some files changed; undefined where it is refused by name, or answers.
   *
   * @param named words of which a refusal has one
   */
  async fault(
    changes: Readonly<Record<string, Buffer | undefined>>,
    named: readonly string[],
  ): Promise<string | undefined> {
    const kept = Object.entries({ ...this.#folder, ...changes }).filter(([, bytes]) => bytes !== undefined);
    const files = memoryFiles(Object.fromEntries(kept) as Folder);
    const started = performance.now();
    const outcome = await outcomeOf(
      files,
      Object.keys(changes).some((path) => OF_TOKENIZER.test(path)),
    );
    const ms = performance.now() - started;
    if (ms > 20_000) return `it took ${Math.round(ms)} ms`;
    if (outcome instanceof ModelkeepError) {
      const { code, message } = outcome;
      return REFUSALS.has(code) && named.some((word) => message.includes(word))
        ? undefined
        : `${code}: ${message.slice(0, 300)}`;
    }
    const { plan, sequences } = outcome;
    const isSame = sequences === this.#whole.sequences && Buffer.from(plan.graph).equals(this.#whole.plan.graph);
    if (isSame) return undefined;
    try {
      await answer(files, outcome);
      return undefined;
    } catch (error) {
      return `its first request fails: ${String(error).slice(0, 300)}`;
    }
  }
}
