import { Option, type Command } from 'commander';
import { asModelkeepError, ModelkeepError, openModelkeep, versionName, type Model } from '../../app/index.js';
import { invoke, NODE_SETTINGS, withSettings, type Invocation, type World } from '../command.js';
import { AnswerWriter, OUTPUT_FORMS, type OutputForm } from '../input/answers.js';
import { formOfPath, INPUT_FORMS, requestsOf, type InputForm, type LineRequest } from '../input/requests.js';
import { openSource, type TextSource } from '../input/text.js';
import { printable } from '../output.js';
import { parseParameters, type ParameterFlags } from '../parameters.js';
import { nestedLists, tensorFromText } from '../tensor-input.js';

interface Flags extends ParameterFlags {
  readonly file?: string;
  readonly input?: InputForm;
  readonly output?: OutputForm;
  readonly tensor?: string;
  readonly key?: string;
}

/** Requests of a stream that are under way at once, at the most: several full batches for each of two runners. */
const IN_FLIGHT = 128;
/** Answers between two looks at how far the input is. */
const PROGRESS_EVERY = 50;

const EXAMPLES = `
Examples:
  $ modelkeep predict sentiment "Happy coding !!!"
  $ modelkeep predict sentiment@production --top-k 2 "So-so." --json
  $ modelkeep predict sentiment < texts.txt > answers.jsonl
  $ modelkeep predict reader --file questions.csv > answers.csv
  $ modelkeep predict topics --param 'candidate_labels=["sports", "politics"]' "The match was long."
  $ modelkeep predict iris --tensor "[[5.1,3.5,1.4,0.2]]" --allow-pickle`;

/** `modelkeep predict`: ask a version. */
export function predictCommand(program: Command, world: World): void {
  const command = program
    .command('predict')
    .summary('ask a version')
    .description(
      'Answers texts as the transformers pipeline of the task does. Texts come from the command line, from a file, or from standard input: one text a line, JSON lines (a text, the fields of the task, or {"inputs", "parameters"}), or a table whose header names the fields. Answers come in order, one a line.',
    )
    .argument('<ref>', 'such as sentiment, sentiment:3 or sentiment@production')
    .argument('[text...]', 'the texts; none: read standard input')
    .option('-f, --file <FILE>', 'read inputs from this file; -: standard input')
    .addOption(
      new Option('--input <FORM>', 'how inputs are written; default: what the file’s name tells, else auto').choices(
        INPUT_FORMS,
      ),
    )
    .addOption(
      new Option('--output <FORM>', 'how answers are written; default: csv for a table, else jsonl').choices(
        OUTPUT_FORMS,
      ),
    )
    .option('--top-k <N>', 'how many answers to give for each text')
    .option('--param <NAME=VALUE...>', 'an option of the task; the value is JSON or a plain string')
    .option('--key <KEY>', 'for whom: where an alias is split, the same key gets the same version')
    .option('--tensor <LISTS>', 'nested lists of numbers for a model that takes tensors, a list a row')
    .addHelpText('after', EXAMPLES);
  withSettings(command, NODE_SETTINGS).action(async (ref: string, texts: readonly string[], flags: Flags) =>
    invoke(world, { ...flags }, (invocation) => predict(invocation, ref, texts, flags)),
  );
}

async function predict(invocation: Invocation, ref: string, texts: readonly string[], flags: Flags): Promise<void> {
  const { out, settings, signal, stdin } = invocation;
  const parameters = parseParameters(flags);
  if (texts.length > 0 && flags.file !== undefined) {
    throw new ModelkeepError('INVALID_INPUT', `Give texts or --file ${flags.file}, not both`);
  }
  const source = texts.length > 0 ? undefined : await openSource(flags.file, stdin);
  const store = await invocation.openStore();
  // A few texts are answered before a second runner would have started.
  const few = source === undefined && settings.origins.runners === 'default' ? { runners: 1 } : {};
  await using keep = await openModelkeep({ ...settings.values, ...few, store });
  const model = await keep.load(ref, { signal, ...(flags.key === undefined ? {} : { key: flags.key }) });
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
  if (source === undefined && flags.output === undefined) {
    const answers = await Promise.all(texts.map((text) => model.predict(text, { parameters, signal })));
    const result = { model: model.name, version: model.version, answers };
    out.result(result, () => texts.map((text, index) => describeAnswer(text, answers[index])).join('\n'));
    return;
  }
  if (source !== undefined && flags.file === undefined && stdin.isTTY === true)
    out.note(`Asking ${versionName(model.record)}: one text a line, end with Ctrl-D`);
  const form = flags.input ?? formOfPath(flags.file);
  const requests = source === undefined ? givenTexts(texts) : requestsOf(source, form, model.task);
  const output = flags.output ?? (form === 'csv' ? 'csv' : 'jsonl');
  await answerAll(invocation, { model, requests, parameters, output, source });
}

function givenTexts(texts: readonly string[]): LineRequest[] {
  return texts.map((text, index) => ({ inputs: text, row: { text }, line: index + 1 }));
}

interface Stream {
  readonly model: Model;
  readonly requests: AsyncIterable<LineRequest> | Iterable<LineRequest>;
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly output: OutputForm;
  readonly source: TextSource | undefined;
}

/** Answers in order, with a bounded number under way. */
async function answerAll(
  { out, stdout, stderr, signal, settings }: Invocation,
  { model, requests, parameters, output, source }: Stream,
): Promise<void> {
  const several = Object.hasOwn(parameters, 'top_k') || model.task === 'fill-mask';
  const writer = new AnswerWriter({ stdout, form: output, task: model.task, several, signal });
  // Answers on the terminal and a bar on it would write over one another.
  const shown = source?.totalBytes !== undefined && (stdout as { isTTY?: boolean }).isTTY !== true;
  const inFlight = Math.min(IN_FLIGHT, settings.values.maxQueue);
  let answered = 0;
  try {
    for await (const { request, output: answer } of model.predictMany(requests, { parameters, signal, inFlight })) {
      await writer.write(request, answer);
      answered += 1;
      if (shown && stderr.isTTY === true && answered % PROGRESS_EVERY === 0) {
        out.progress('predict', { doneBytes: source.doneBytes, totalBytes: source.totalBytes ?? 0 });
      }
    }
  } catch (error) {
    throw placed(error, source, answered);
  }
}

/** Says after how many answers a stream ended. */
function placed(thrown: unknown, source: TextSource | undefined, answered: number): unknown {
  const error = asModelkeepError(thrown);
  if (source === undefined || error.code !== 'INVALID_INPUT' || error.message.includes(source.name)) return thrown;
  const message = `${source.name}, input ${answered + 1}: ${error.message}`;
  return new ModelkeepError(error.code, message, { cause: thrown, details: error.details });
}

function describeAnswer(text: string, answer: unknown): string {
  const line = printable(text);
  const shown = line.length > 60 ? `${line.slice(0, 57)}...` : line;
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
