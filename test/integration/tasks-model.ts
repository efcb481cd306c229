import { readdirSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { openDirectoryFiles, planSession } from '../../src/formats/index.js';
import { openTask, type Encoding, type EncodingOutputs, type TaskRequest } from '../../src/tasks/index.js';

/** A fixture's task with a session of its own: answers as a runner gives them, one sequence at a time. */
export interface TaskModel {
  ask(request: TaskRequest): Promise<unknown>;
  /** Encodings of a request, without running them. */
  encodings(request: TaskRequest): readonly Encoding[];
  close(): Promise<void>;
}

async function runOne(session: InferenceSession, encoding: Encoding): Promise<EncodingOutputs> {
  const ints = (values: readonly number[]) =>
    new Tensor(
      'int64',
      BigInt64Array.from(values, (value) => BigInt(value)),
      [1, values.length],
    );
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
  const files = openDirectoryFiles(root, paths.sort());
  const open = await openTask(files, task === undefined ? {} : { task });
  const plan = await planSession(files);
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
    encodings: (request) => open.prepare(request).encodings,
    ask: async (request) => {
      const prepared = open.prepare(request);
      const outputs: EncodingOutputs[] = [];
      for (const encoding of prepared.encodings) outputs.push(await runOne(session, encoding));
      return prepared.finish(outputs);
    },
    close: () => session.release(),
  };
}

/** A value with its numbers rounded to what the goldens hold within 1e-4, for comparing shapes. */
export function expectClose(actual: unknown, expected: unknown, path = 'answer'): void {
  if (typeof expected === 'number' && typeof actual === 'number') {
    if (Math.abs(actual - expected) <= 1e-4) return;
  } else if (Array.isArray(expected) && Array.isArray(actual) && expected.length === actual.length) {
    expected.forEach((each, i) => expectClose(actual[i], each, `${path}[${i}]`));
    return;
  } else if (isRecord(expected) && isRecord(actual)) {
    const keys = Object.keys(expected).sort();
    if (keys.join() === Object.keys(actual).sort().join()) {
      for (const key of keys) expectClose(actual[key], expected[key], `${path}.${key}`);
      return;
    }
  } else if (actual === expected) return;
  throw new Error(
    `${path} is ${JSON.stringify(actual)?.slice(0, 300)}, not ${JSON.stringify(expected)?.slice(0, 300)}`,
  );
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
