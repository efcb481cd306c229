import { Option, type Command } from 'commander';
import {
  comparePrecision,
  ModelkeepError,
  parseReference,
  versionName,
  type PrecisionComparison,
} from '../../app/index.js';
import { invoke, NODE_SETTINGS, withSettings, type Invocation, type World } from '../command.js';
import { formOfPath, INPUT_FORMS, requestsOf, type InputForm, type LineRequest } from '../input/requests.js';
import { openSource } from '../input/text.js';
import { table } from '../output.js';
import { parseLimit } from '../parameters.js';

interface Flags {
  readonly data: string;
  readonly limit?: string;
  readonly input?: InputForm;
}

const EXAMPLES = `
Examples:
  $ modelkeep compare-precision sentiment --data texts.txt
  $ modelkeep compare-precision sentiment@production --data eval.jsonl --precision int8-weights --json`;

/** `modelkeep compare-precision`: how near a version's answers in 8 bits are to those in fp32, and how fast. */
export function comparePrecisionCommand(program: Command, world: World): void {
  const command = program
    .command('compare-precision')
    .summary('compare the answers of a version in 8 bits with those in fp32')
    .description(
      'Asks a checkpoint the same texts in fp32 and in another precision (--precision; default: the one it was published with, else int8) and says how near the outputs are, how often the best label is the same, and how many texts a second each answers. Nothing is published or changed.',
    )
    .argument('<ref>', 'such as sentiment, sentiment:3 or sentiment@production')
    .requiredOption(
      '--data <FILE>',
      'texts, as predict reads them: lines, JSON lines or a table (.csv); -: standard input',
    )
    .option('--limit <N>', 'take only the first N texts')
    .addOption(
      new Option('--input <FORM>', 'how texts are written; default: what the file’s name tells, else auto').choices(
        INPUT_FORMS,
      ),
    )
    .addHelpText('after', EXAMPLES);
  withSettings(command, NODE_SETTINGS).action(async (ref: string, flags: Flags) =>
    invoke(world, { ...flags }, (invocation) => compare(invocation, ref, flags)),
  );
}

async function compare(invocation: Invocation, ref: string, flags: Flags): Promise<void> {
  const { out, settings, signal, stdin } = invocation;
  const limit = parseLimit(flags.limit);
  const source = await openSource(flags.data, stdin);
  const store = await invocation.openStore();
  const record = await store.resolve(parseReference(ref), { signal });
  const published = (await store.readManifest(record, { signal })).precision;
  const { precision: setting, ...values } = settings.values;
  const precision = setting === 'as-published' ? (published ?? 'int8') : setting;
  if (precision === 'fp32')
    throw new ModelkeepError('INVALID_INPUT', '--precision fp32 is what others are compared with: choose another');
  const form = flags.input ?? formOfPath(flags.data);
  const requests = await taken(requestsOf(source, form, record.task), limit);
  const comparison = await comparePrecision(store, versionName(record), requests, {
    ...values,
    precision,
    signal,
    onProgress: (done, total) => out.progress('compare', { doneBytes: done, totalBytes: total }),
  });
  out.result(asJson(comparison), () => describe(comparison));
}

async function taken(requests: AsyncIterable<LineRequest>, limit = Number.POSITIVE_INFINITY): Promise<LineRequest[]> {
  const all: LineRequest[] = [];
  for await (const request of requests) {
    all.push(request);
    if (all.length >= limit) break;
  }
  return all;
}

function asJson({ record: { model, version, task }, ...comparison }: PrecisionComparison) {
  return { model, version, task, ...comparison };
}

function describe({ record, precision, texts, cosine, topLabel, textsPerSecond }: PrecisionComparison): string {
  const { fp32, other, ratio } = textsPerSecond;
  const rows: string[][] = [
    ['cosine, mean', '1', cosine.mean.toFixed(5)],
    ['cosine, lowest', '1', cosine.min.toFixed(5)],
  ];
  if (topLabel !== undefined)
    rows.push([`same best label (${topLabel.decisions})`, '100 %', `${(100 * topLabel.agreement).toFixed(1)} %`]);
  rows.push(['texts a second', fp32.toFixed(1), `${other.toFixed(1)} (${ratio.toFixed(2)} ×)`]);
  return `${versionName(record)} on ${texts} texts\n${table(['', 'fp32', precision], rows)}`;
}
