/** Opens a task, tokenizes with it, says what came of it and ends; reads files through the process that started it. */
import { asModelkeepError, errorFromJson, ModelkeepError, type VersionFiles } from '../../core/index.js';
import {
  firstPosition,
  openTask,
  OpenTokenizers,
  type Encoding,
  type OpenTask,
  type OpenTaskOptions,
  type TaskRequest,
} from '../../tasks/index.js';
import type { FromTextCheck, TextCheckJob, ToTextCheck } from './text-check.js';

const waiting = new Map<number, { resolve(bytes: Buffer): void; reject(error: Error): void }>();

function tell(message: FromTextCheck): void {
  process.send?.(message);
}

/** The files of the version, read by the process that has them. */
function remoteFiles(files: readonly (readonly [path: string, size: number])[]): VersionFiles {
  const sizes = new Map(files);
  let reads = 0;
  return {
    paths: files.map(([path]) => path),
    size: (path) => sizes.get(path),
    read: (path, { start, end } = {}) =>
      new Promise((resolve, reject) => {
        const read = (reads += 1);
        waiting.set(read, { resolve, reject });
        tell({ read, path, start, end });
      }),
    locate: () => undefined,
    contentOf: () => undefined,
  };
}

async function firstProblem(task: OpenTask, requests: readonly TaskRequest[]) {
  for (const [at, request] of requests.entries()) {
    tell({ begins: at });
    try {
      await task.prepare(request);
    } catch (error) {
      return { at, error: asModelkeepError(error).toJSON() };
    }
  }
  return undefined;
}

async function sequencesOf(
  files: VersionFiles,
  texts: readonly string[],
  options: OpenTaskOptions,
): Promise<readonly Encoding[]> {
  if (texts.length === 0) return [];
  const task = await openTask(files, { ...options, task: 'feature-extraction' });
  return (await task.prepare({ inputs: texts })).encodings;
}

async function check({ task: name, requests = [], samples = [], maxTokens }: TextCheckJob, files: VersionFiles) {
  const options = { tokenizers: new OpenTokenizers(), maxTokens };
  const task = await openTask(files, { ...options, task: name });
  const problem = await firstProblem(task, requests);
  const { facts, padId, padLeft, maxTokens: limit } = task;
  const found = {
    name: task.name,
    facts,
    padId,
    padLeft,
    maxTokens: limit,
    samples: await sequencesOf(files, samples, options),
    firstPosition: await firstPosition(files),
  };
  tell(problem === undefined ? { found } : { found, problem });
}

process.on('message', (message: ToTextCheck) => {
  if ('job' in message) {
    check(message.job, remoteFiles(message.files)).catch((error: unknown) =>
      tell({ failed: asModelkeepError(error).toJSON() }),
    );
    return;
  }
  const wanted = waiting.get(message.read);
  waiting.delete(message.read);
  if (wanted === undefined) throw new ModelkeepError('INTERNAL', `Nothing wanted to read ${message.read}`);
  if ('bytes' in message) wanted.resolve(Buffer.from(message.bytes));
  else wanted.reject(errorFromJson(message.error));
});
// Whoever started this has gone: there is nobody to tell.
process.on('disconnect', () => process.exit(0));
