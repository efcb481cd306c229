import { Option, type Command } from 'commander';
import {
  compareEvaluations,
  evaluate,
  ModelkeepError,
  openModelkeep,
  versionName,
  type Comparison,
  type DataRow,
  type Evaluation,
  type Modelkeep,
} from '../../app/index.js';
import { invoke, NODE_SETTINGS, withSettings, type Invocation, type World } from '../command.js';
import { formOfPath, rowsOf } from '../input/requests.js';
import { openSource } from '../input/text.js';
import { table } from '../output.js';
import { parseLimit, parseParameters, type ParameterFlags } from '../parameters.js';

interface Flags extends Pick<ParameterFlags, 'param'> {
  readonly data: string;
  readonly compare?: string;
  readonly limit?: string;
  readonly input?: 'jsonl' | 'csv';
}

const DATA = `
Fields of the data, by task:
  text-classification       text, label (and text_pair; or sentence1, sentence2)
  token-classification      tokens, tags (BIO); or text, entities [{start, end, entity_group}]
  question-answering        question, context, answers
  fill-mask                 text (one mask), label
  zero-shot-classification  text, label, candidate_labels (or --param candidate_labels=[…])
  sentence-embeddings, sentence-similarity, sparse-embeddings   sentence1, sentence2, score
  text-ranking              query, texts, relevant

Examples:
  $ modelkeep eval sentiment --data eval.jsonl
  $ modelkeep eval sentiment@production --data eval.jsonl --compare sentiment:4
  $ modelkeep eval sentiment:3 --data eval.csv --limit 100 --json`;

/** `modelkeep eval`: measure a version on labelled data, and compare it with another. */
export function evalCommand(program: Command, world: World): void {
  const command = program
    .command('eval')
    .summary('measure a version on labelled data')
    .description(
      'Runs labelled examples through a version and gives the standard figures of its task, how long a request takes and how many a second. With --compare a second version answers the same examples, and a paired test says whether the difference is more than chance.',
    )
    .argument('<ref>', 'such as sentiment, sentiment:3 or sentiment@production')
    .requiredOption('--data <FILE>', 'JSON lines or a table (.csv) of examples; -: standard input')
    .option('--compare <REF>', 'a second version, such as the one that is to be promoted')
    .option('--limit <N>', 'take only the first N examples')
    .option('--param <NAME=VALUE...>', 'an option of the task; the value is JSON or a plain string')
    .addOption(
      new Option('--input <FORM>', 'how examples are written, if the name does not tell').choices(['jsonl', 'csv']),
    )
    .addHelpText('after', DATA);
  withSettings(command, NODE_SETTINGS).action(async (ref: string, flags: Flags) =>
    invoke(world, { ...flags }, (invocation) => evaluateAll(invocation, ref, flags)),
  );
}

async function evaluateAll(invocation: Invocation, ref: string, flags: Flags): Promise<void> {
  const { out, settings } = invocation;
  if (flags.data === '-' && flags.compare !== undefined) {
    throw new ModelkeepError('INVALID_INPUT', '--compare reads the data twice: give a file instead of standard input');
  }
  const limit = parseLimit(flags.limit);
  // A file that is not there is told before a model is loaded for it.
  await openSource(flags.data, invocation.stdin);
  const store = await invocation.openStore();
  await using keep = await openModelkeep({ ...settings.values, store });
  const first = await evaluateOne(invocation, keep, ref, flags, limit);
  if (flags.compare === undefined) {
    out.result(asJson(first), () => describe(first));
    return;
  }
  const second = await evaluateOne(invocation, keep, flags.compare, flags, limit);
  const comparison = compareEvaluations(first, second);
  const result = { first: asJson(first), second: asJson(second), comparison };
  out.result(result, () => describeBoth(first, second, comparison));
}

async function evaluateOne(
  { out, signal, stdin, settings }: Invocation,
  keep: Modelkeep,
  ref: string,
  flags: Flags,
  limit: number | undefined,
): Promise<Evaluation> {
  const source = await openSource(flags.data, stdin);
  const named = formOfPath(flags.data);
  const form = flags.input ?? (named === 'csv' ? 'csv' : 'jsonl');
  const model = await keep.load(ref, { signal });
  const { totalBytes } = source;
  const evaluation = await evaluate(model, rowsAlone(rowsOf(source, form)), {
    parameters: parseParameters(flags),
    signal,
    inFlight: Math.min(128, settings.values.maxQueue),
    ...(limit === undefined ? {} : { limit }),
    onProgress: (examples) => {
      if (totalBytes !== undefined && examples % 20 === 0)
        out.progress(String(model), { doneBytes: source.doneBytes, totalBytes });
    },
  });
  out.endProgress();
  return evaluation;
}

async function* rowsAlone(rows: AsyncIterable<{ readonly row: DataRow }>): AsyncGenerator<DataRow, void, undefined> {
  for await (const { row } of rows) yield row;
}

/** Without what is kept of each example. */
function asJson({ record, task, examples, figures, report, latencyMs, throughputPerSecond }: Evaluation) {
  const { model, version } = record;
  return { model, version, task, examples, figures, report, latencyMs, throughputPerSecond };
}

const shown = (figure: number | undefined): string => figure?.toFixed(3) ?? '';

/** Rows of a table: figures first, then what they cost. */
function figuresOf({ examples, figures, latencyMs, throughputPerSecond }: Evaluation): Map<string, string> {
  return new Map([
    ['examples', String(examples)],
    ...Object.entries(figures).map(([name, value]) => [name, shown(value)] as const),
    ['latency p50', `${latencyMs.p50.toFixed(1)} ms`],
    ['latency p95', `${latencyMs.p95.toFixed(1)} ms`],
    ['throughput', `${Math.round(throughputPerSecond)}/s`],
  ]);
}

function describe(evaluation: Evaluation): string {
  const head = ['', versionName(evaluation.record)];
  const parts = [table(head, [...figuresOf(evaluation)])];
  const { labels, confusion } = (evaluation.report ?? {}) as Partial<LabelsReport>;
  if (labels !== undefined && confusion !== undefined) {
    const rows = labels.map((each, i) => [
      each.label,
      ...[each.precision, each.recall, each.f1].map(shown),
      each.support,
      ...(confusion[i] ?? []),
    ]);
    const given = labels.map(({ label }) => `→ ${label}`);
    parts.push('', table(['label', 'precision', 'recall', 'f1', 'support', ...given], rows));
  }
  return parts.join('\n');
}

interface LabelsReport {
  readonly labels: readonly {
    readonly label: string;
    readonly precision: number;
    readonly recall: number;
    readonly f1: number;
    readonly support: number;
  }[];
  readonly confusion: readonly (readonly number[])[];
}

function describeBoth(first: Evaluation, second: Evaluation, { conclusion }: Comparison): string {
  const others = figuresOf(second);
  const rows = [...figuresOf(first)].map(([name, value]) => [name, value, others.get(name) ?? '']);
  const head = ['', versionName(first.record), versionName(second.record)];
  return [table(head, rows), '', conclusion].join('\n');
}
