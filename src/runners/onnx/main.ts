/** The runner process for ONNX graphs: hosts many versions and answers frames on file descriptor 3, one at a time. */
import { Socket } from 'node:net';
import { asModelkeepError, ModelkeepError } from '../../core/index.js';
import { encodeFrame, FrameReader, type Frame, type Tensors } from '../frames.js';
import type { LoadedReply, RunnerMessage, RunnerStats } from '../messages.js';
import { HostedModel } from './hosted-model.js';
import { wakeRuntime } from './wake-runtime.js';

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
  }
  const { task, maxTokens, skipsPadding, inputs, outputs } = model;
  const known = { ...(task === undefined ? {} : { task }), ...(maxTokens === undefined ? {} : { maxTokens }) };
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
  return { pid: process.pid, loaded: [...models.keys()], sessionsCreated, rssBytes: process.memoryUsage.rss() };
}

async function answer(message: RunnerMessage, tensors: Tensors): Promise<{ result?: unknown; tensors?: Tensors }> {
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
      return { result: await hosted(message.key).predict(message) };
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
// What cannot be woken cannot load either, and says so there.
let queue: Promise<void> = wakeRuntime().catch(() => undefined);

async function handle({ header, tensors }: Frame): Promise<void> {
  const { id } = header;
  let chunks: Buffer[];
  try {
    const reply = await answer(header as unknown as RunnerMessage, tensors);
    chunks = encodeFrame({ id, result: reply.result }, reply.tensors);
  } catch (error) {
    chunks = encodeFrame({ id, error: asModelkeepError(error).toJSON() });
  }
  channel.cork();
  for (const chunk of chunks) channel.write(chunk);
  channel.uncork();
}

channel.on('data', (chunk: Buffer) => {
  for (const frame of reader.push(chunk)) queue = queue.then(() => handle(frame));
});
// The node closed the channel or died: finish what was asked, then end. Nothing else would ever end this process.
channel.once('end', () => void queue.finally(() => process.exit(0)));
channel.once('error', () => process.exit(1));
