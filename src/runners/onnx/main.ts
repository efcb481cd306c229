/** The runner process for ONNX graphs: hosts many versions and answers frames on file descriptor 3, one at a time. */
import { Socket } from 'node:net';
import { asModelkeepError, ModelkeepError } from '../../core/index.js';
import { encodeFrame, FrameReader, type Frame, type Tensors } from '../frames.js';
import type { LoadedReply, RunnerMessage, RunnerStats } from '../messages.js';
import { HostedModel } from './hosted-model.js';

const models = new Map<string, HostedModel>();
let sessionsCreated = 0;

function hosted(key: string): HostedModel {
  const model = models.get(key);
  if (model === undefined)
    throw new ModelkeepError('INTERNAL', `Version ${key} is not loaded in runner ${process.pid}`);
  return model;
}

async function load(message: Extract<RunnerMessage, { op: 'load' }>): Promise<LoadedReply> {
  const started = performance.now();
  let model = models.get(message.key);
  const former = model;
  if (
    model === undefined ||
    (message.compiledFolder !== undefined && model.compiledFolder !== message.compiledFolder)
  ) {
    model = await HostedModel.load(message);
    sessionsCreated += 1;
    models.set(message.key, model);
    await former?.release();
    // What reading its files left in the JavaScript heap would stay until much more is allocated. Milliseconds.
    globalThis.gc?.();
  }
  const { task, maxTokens, facts, skipsPadding, inputs, outputs } = model;
  const known = { ...(task === undefined ? {} : { task }), maxTokens, facts };
  return { ...known, skipsPadding, inputs, outputs, loadMs: performance.now() - started };
}

async function unload(key: string): Promise<void> {
  const model = models.get(key);
  models.delete(key);
  await model?.release();
  // What the version left in the JavaScript heap goes back too, before the memory is said to be back. Milliseconds.
  globalThis.gc?.();
}

function stats(): RunnerStats {
  const loneSessions = [...models.values()].filter((model) => model.isPreparedForLone).length;
  const rssBytes = process.memoryUsage.rss();
  return { pid: process.pid, loaded: [...models.keys()], sessionsCreated, loneSessions, rssBytes };
}

/** A reply, and what there is to do when it is on its way. */
interface Answer {
  readonly result?: unknown;
  readonly tensors?: Tensors;
  readonly afterwards?: () => Promise<void>;
}

async function predict(message: Extract<RunnerMessage, { op: 'predict' }>): Promise<Answer> {
  const model = hosted(message.key);
  const result = await model.predict(message);
  return message.lone === true ? { result, afterwards: () => model.prepareForLone() } : { result };
}

async function answer(message: RunnerMessage, tensors: Tensors): Promise<Answer> {
  switch (message.op) {
    case 'prepare':
      // Done at the start: nothing is answered before.
      return {};
    case 'load':
      return { result: await load(message) };
    case 'warm':
      await hosted(message.key).warm();
      return {};
    case 'predict':
      return predict(message);
    case 'infer':
      return { tensors: await hosted(message.key).infer(tensors, message.outputs) };
    case 'unload':
      await unload(message.key);
      return {};
    case 'stats':
      return { result: stats() };
  }
}

const channel = new Socket({ fd: 3 });
const reader = new FrameReader();
// What keeps it from that keeps it from loading too, which says so to who asked.
let queue: Promise<void> = HostedModel.rehearse()
  .catch((error: unknown) => console.error(`The rehearsal failed: ${String(error)}`))
  .then(() => globalThis.gc?.());

async function handle({ header, tensors }: Frame): Promise<void> {
  const { id } = header;
  let chunks: Buffer[];
  let afterwards: Answer['afterwards'];
  try {
    const reply = await answer(header as unknown as RunnerMessage, tensors);
    ({ afterwards } = reply);
    chunks = encodeFrame({ id, result: reply.result }, reply.tensors);
  } catch (error) {
    chunks = encodeFrame({ id, error: asModelkeepError(error).toJSON() });
  }
  channel.cork();
  for (const chunk of chunks) channel.write(chunk);
  channel.uncork();
  await afterwards?.();
}

channel.on('data', (chunk: Buffer) => {
  for (const frame of reader.push(chunk)) queue = queue.then(() => handle(frame));
});
// The node closed the channel or died: finish what was asked, then end. Nothing else would ever end this process.
channel.once('end', () => void queue.finally(() => process.exit(0)));
channel.once('error', () => process.exit(1));
