import { readdirSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { openDirectoryFiles, planSession } from '../../src/formats/index.js';
import { openTask, type Encoding, type EncodingOutputs, type TaskRequest } from '../../src/tasks/index.js';

/** A fixture's task with a session of its own: answers as a runner gives them, one sequence at a time. */
export interface TaskModel {
  ask(request: TaskRequest): Promise<unknown>;
  /** Encodings of a request, without running them. */
  encodings(request: TaskRequest): Promise<readonly Encoding[]>;
  close(): Promise<void>;
}

const ints = (values: readonly number[]) => new Tensor('int64', BigInt64Array.from(values, BigInt), [1, values.length]);

async function runOne(session: InferenceSession, encoding: Encoding): Promise<EncodingOutputs> {
  const feeds: Record<string, Tensor> = {};
  for (const name of session.inputNames) {
    if (name === 'input_ids') feeds[name] = ints(encoding.ids);
    else if (name === 'attention_mask') feeds[name] = ints(encoding.ids.map(() => 1));
    else feeds[name] = ints(encoding.typeIds ?? encoding.ids.map(() => 0));
  }
  const results = await session.run(feeds);
  return Object.fromEntries(
    Object.entries(results).map(([name, { dims, data }]) => [
      name,
      { dims: dims.slice(1), data: data as Float32Array },
    ]),
  );
}

/** Opens the model of a folder of `test/fixtures`. */
export async function openTaskModel(folder: string, task?: string): Promise<TaskModel> {
  const root = resolve('test/fixtures', folder);
  const paths = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((p) =>
    statSync(join(root, p)).isFile(),
  );
  const files = openDirectoryFiles(root, paths.toSorted());
  const open = await openTask(files, task === undefined ? {} : { task });
  const plan = await planSession(files, { task: open.name });
  const session = await InferenceSession.create(plan.graph, {
    intraOpNumThreads: 1,
    extra: {
      session: {
        disable_prepacking: '1',
        ...(plan.externalDataFolder && {
          model_external_initializers_file_folder_path: `${plan.externalDataFolder}/`,
        }),
      },
    },
  });
  return {
    encodings: async (request) => (await open.prepare(request)).encodings,
    ask: async (request) => {
      const prepared = await open.prepare(request);
      const outputs: EncodingOutputs[] = [];
      for (const encoding of prepared.encodings) outputs.push(await runOne(session, encoding));
      return prepared.finish(outputs);
    },
    close: () => session.release(),
  };
}

/** Where an answer differs from a golden: undefined if nowhere; numbers may differ by 1e-4. */
export function differenceOf(actual: unknown, expected: unknown, path = 'answer'): string | undefined {
  if (typeof expected === 'number' && typeof actual === 'number' && Math.abs(actual - expected) <= 1e-4)
    return undefined;
  if (Array.isArray(expected) && Array.isArray(actual) && expected.length === actual.length) {
    return firstOf(expected.map((each, i) => () => differenceOf(actual[i], each, `${path}[${i}]`)));
  }
  if (isRecord(expected) && isRecord(actual)) {
    const keys = Object.keys(expected).toSorted();
    if (keys.join() === Object.keys(actual).toSorted().join()) {
      return firstOf(keys.map((key) => () => differenceOf(actual[key], expected[key], `${path}.${key}`)));
    }
  }
  if (actual === expected) return undefined;
  return `${path} is ${JSON.stringify(actual)?.slice(0, 300)}, not ${JSON.stringify(expected)?.slice(0, 300)}`;
}

function firstOf(checks: readonly (() => string | undefined)[]): string | undefined {
  for (const check of checks) {
    const found = check();
    if (found !== undefined) return found;
  }
  return undefined;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
