import { open } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import type { Command } from 'commander';
import { ModelkeepError, openModelkeep, versionName, type Model } from '../../app/index.js';
import { invoke, NODE_SETTINGS, withSettings, type Invocation, type World } from '../command.js';
import { nestedLists, tensorFromText } from '../tensor-input.js';

interface Flags {
  readonly file?: string;
  readonly param?: readonly string[];
  readonly topK?: string;
  readonly tensor?: string;
}

/** Requests of a streamed file that are under way at once: enough to keep two runners busy with full batches. */
const IN_FLIGHT = 64;

/** `modelkeep predict`: ask a version. */
export function predictCommand(program: Command, world: World): void {
  const command = program
    .command('predict')
    .summary('ask a version')
    .description(
      'Answers texts as the transformers pipeline of the task does. Texts come from the command line, from a file, or one a line from standard input; a line that is JSON is taken as the task’s input.',
    )
    .argument('<ref>', 'such as sentiment, sentiment:3 or sentiment@production')
    .argument('[text...]', 'the texts; none: read standard input')
    .option('-f, --file <FILE>', 'read one input a line from this file')
    .option('--top-k <N>', 'how many answers to give for each text')
    .option('--param <NAME=VALUE...>', 'an option of the task; the value is JSON or a plain string')
    .option('--tensor <LISTS>', 'nested lists of numbers for a model that takes tensors, a list a row')
    .addHelpText(
      'after',
      '\nExamples:\n  $ modelkeep predict sentiment "Happy coding !!!"\n  $ modelkeep predict sentiment@production --top-k 2 "So-so." --json\n  $ modelkeep predict sentiment < texts.txt > answers.jsonl\n  $ modelkeep predict iris --tensor "[[5.1,3.5,1.4,0.2]]" --allow-pickle',
    );
  withSettings(command, NODE_SETTINGS).action(async (ref: string, texts: readonly string[], flags: Flags) =>
    invoke(world, { ...flags, runners: (flags as { runners?: string }).runners ?? '1' }, (invocation) =>
      predict(invocation, ref, texts, flags),
    ),
  );
}

async function predict(invocation: Invocation, ref: string, texts: readonly string[], flags: Flags): Promise<void> {
  const { out, settings, openStore, signal, stdin } = invocation;
  const parameters = parseParameters(flags);
  const input = texts.length > 0 || flags.file === undefined ? stdin : await openInput(flags.file);
  const store = await openStore();
  await using keep = await openModelkeep({ ...settings.values, store });
  const model = await keep.load(ref, { signal });
  if (flags.tensor !== undefined) {
    const { inputs } = await keep.parts.service.describe(ref, { signal });
    const { tensors } = await model.infer({ tensors: tensorFromText(flags.tensor, inputs) }, { signal });
    const outputs = Object.fromEntries(Object.entries(tensors).map(([name, one]) => [name, nestedLists(one)]));
    out.result({ model: model.name, version: model.version, outputs }, () =>
      Object.entries(outputs)
        .map(([name, lists]) => `${name} ${JSON.stringify(lists)}`)
        .join('\n'),
    );
    return;
  }
  if (texts.length > 0) {
    const answers = await Promise.all(texts.map((text) => model.predict(text, { parameters, signal })));
    const result = { model: model.name, version: model.version, answers };
    out.result(result, () => texts.map((text, index) => describeAnswer(text, answers[index])).join('\n'));
    return;
  }
  if (flags.file === undefined && stdin.isTTY === true)
    out.note(`Asking ${versionName(model.record)}: one text a line, end with Ctrl-D`);
  await answerLines(invocation, model, input, parameters);
}

/** @throws ModelkeepError `INVALID_INPUT` for a file that cannot be read, before a model is loaded for it */
async function openInput(path: string): Promise<NodeJS.ReadableStream> {
  const refused = (why: string, cause?: unknown): ModelkeepError =>
    new ModelkeepError('INVALID_INPUT', `The file ${path} cannot be read: ${why}`, { cause });
  try {
    const file = await open(path);
    if (!(await file.stat()).isDirectory()) return file.createReadStream();
    await file.close();
  } catch (error) {
    throw refused((error as Error).message, error);
  }
  throw refused('it is a directory');
}

/** Answers line by line, in order, with a bounded number under way. */
async function answerLines(
  { stdout, signal }: Invocation,
  model: Model,
  input: NodeJS.ReadableStream,
  parameters: Record<string, unknown>,
): Promise<void> {
  const waiting: Promise<unknown>[] = [];
  const writeNext = async (): Promise<void> => {
    const line = `${JSON.stringify(await waiting.shift())}\n`;
    if (!stdout.write(line)) await new Promise<void>((resolve) => stdout.once('drain', resolve));
  };
  for await (const line of createInterface({ input, crlfDelay: Infinity })) {
    const answer = model.predict(parseLine(line), { parameters, signal });
    // A failure is thrown where its turn comes.
    answer.catch(() => undefined);
    waiting.push(answer);
    if (waiting.length >= IN_FLIGHT) await writeNext();
  }
  while (waiting.length > 0) await writeNext();
}

/** A line is the task's input as JSON if it looks like an object or a quoted string, else plain text. */
function parseLine(line: string): unknown {
  if (!/^\s*[{"]/.test(line)) return line;
  try {
    return JSON.parse(line) as unknown;
  } catch {
    return line;
  }
}

function parseParameters({ param = [], topK }: Flags): Record<string, unknown> {
  const entries = param.map((text) => {
    const equals = text.indexOf('=');
    if (equals < 1) throw new ModelkeepError('INVALID_INPUT', `--param ${JSON.stringify(text)} is not NAME=VALUE`);
    return [text.slice(0, equals), parseValue(text.slice(equals + 1))] as const;
  });
  if (topK !== undefined) entries.push(['top_k', parseValue(topK)]);
  return Object.fromEntries(entries);
}

function parseValue(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

function describeAnswer(text: string, answer: unknown): string {
  const shown = text.length > 60 ? `${text.slice(0, 57)}...` : text;
  const labels =
    Array.isArray(answer) && answer.every(isLabelled)
      ? answer.map(({ label, score }) => `${label} ${score.toFixed(4)}`).join(', ')
      : JSON.stringify(answer);
  return `${labels}  ${shown}`;
}

function isLabelled(value: unknown): value is { label: string; score: number } {
  const { label, score } = (value ?? {}) as { label?: unknown; score?: unknown };
  return typeof label === 'string' && typeof score === 'number';
}
