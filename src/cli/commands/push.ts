import { Option, type Command } from 'commander';
import {
  checkPrecision,
  describeUnderstood,
  formatBytes,
  FORMATS,
  POOLING_NAMES,
  PRECISIONS,
  push,
  versionName,
  type Format,
  type PoolingName,
  type Pushed,
  type PushPhase,
} from '../../app/index.js';
import { readMetadata } from '../input/metadata.js';
import { printable } from '../output.js';
import { invoke, STORE_SETTINGS, withSettings, type World } from '../command.js';

interface Flags {
  readonly name: string;
  readonly format?: string;
  readonly task?: string;
  readonly checkpoint?: string;
  readonly file?: string;
  readonly output?: readonly string[];
  readonly pooling?: string;
  readonly normalize?: boolean;
  readonly precision?: string;
  readonly requirements?: string;
  readonly golden?: string;
  readonly eval?: string;
  readonly message?: string;
  readonly parent?: string;
  readonly base?: string;
  readonly metadata?: string;
  readonly metadataFile?: string;
  readonly tag?: readonly string[];
  readonly force?: boolean;
  readonly allowCustomOperators?: boolean;
}

const PHASE: Readonly<Record<PushPhase, string>> = { inspect: 'checking', hash: 'hashing', send: 'sending' };

/** `modelkeep push`: publish a directory or file as the next version of a model. */
export function pushCommand(program: Command, world: World): void {
  const command = program
    .command('push')
    .summary('publish a directory or file as the next version of a model')
    .description(
      'Publishes a directory as training left it, or a single model file, as the next version of a model. Only what the store does not have yet is sent.',
    )
    .argument('<path>', 'the directory or file, or a .zip or .tar.gz of one')
    .requiredOption('--name <MODEL>', 'the model’s name')
    .option('--format <FORMAT>', `${FORMATS.join(', ')}; found out if not given`)
    .option('--task <TASK>', 'the task, such as text-classification; found out if not given')
    .option(
      '--checkpoint <N>',
      'which checkpoint-N of a training run: its number or name, or best; the newest if not given',
    )
    .option(
      '--file <PATH>',
      'which of several .onnx files, such as onnx/model_quantized.onnx; the nearest to full precision if not given',
    )
    .option(
      '--output <NAME...>',
      'the output of an ONNX graph that the task reads; of question-answering the start and the end',
    )
    .addOption(
      new Option(
        '--pooling <MODE>',
        'how the vectors of tokens become one; what modules.json says, else mean, if not given',
      ).choices(POOLING_NAMES),
    )
    .option('--normalize', 'give vectors length 1; what modules.json says if not given')
    .option('--no-normalize', 'leave vectors as long as they are')
    .option(
      '--precision <PRECISION>',
      `how nodes serve a checkpoint unless they are told otherwise: ${PRECISIONS.join(', ')}; its files stay as they are`,
    )
    .option(
      '--requirements <FILE>',
      'name==version lines: the Python packages of a joblib or skops model, which a node makes an environment of; the version then is two files, which plain pymongo scripts cannot read',
    )
    .option('--base <REF>', 'the version that a PEFT adapter directory was trained on; the new version is both')
    .option(
      '--golden <FILE>',
      'JSON lines of inputs with their outputs; every node computes them again before it serves',
    )
    .option('--eval <FILE>', 'JSON lines of labelled examples; promotions are measured on them')
    .option('-m, --message <TEXT>', 'why, for the history')
    .option('--parent <REF>', 'the version that it was made from')
    .option('--metadata <JSON>', 'free facts as a JSON object')
    .option(
      '--allow-custom-operators',
      'keep an ONNX model whose operators the runtime does not have, for other programs to pull and serve',
    )
    .option('--metadata-file <FILE>', 'free facts in a JSON file, at most 1 MiB')
    .option('--tag <TAG...>', 'tags, which can be changed later')
    .option(
      '--force',
      'make a new version even if the newest has the same contents, or answers otherwise: another task, other labels, longer or shorter vectors',
    )
    .addHelpText(
      'after',
      '\nExamples:\n  $ modelkeep push ./checkpoint-500 --name sentiment\n  $ modelkeep push ./v3 --name sentiment -m "trained on more reviews" --store mongodb://127.0.0.1:27017/models\n  $ modelkeep push ./v3 --name sentiment --golden golden.jsonl --eval eval.jsonl\n  $ modelkeep push ./v3 --name sentiment --parent sentiment@production --tag reviews --metadata \'{"dataset": "reviews-2026"}\'\n  $ modelkeep push model.joblib --name iris --json\n  $ modelkeep push model.joblib --name iris --requirements requirements.txt\n  $ modelkeep push ./adapter --base sentiment:3 --name sentiment',
    );
  withSettings(command, STORE_SETTINGS).action(async (path: string, flags: Flags) =>
    invoke(world, { ...flags }, async ({ out, openStore, signal, user }) => {
      const { name, format, task, checkpoint, precision, requirements, golden, message } = flags;
      const { parent, base, force, allowCustomOperators, file, output, pooling, normalize } = flags;
      const metadata = await readMetadata(flags);
      const store = await openStore();
      const pushed = await push(store, path, {
        name,
        signal,
        by: user,
        ...(format === undefined ? {} : { format: format as Format }),
        ...(task === undefined ? {} : { task }),
        checkpoint,
        file,
        outputs: output,
        pooling: pooling as PoolingName | undefined,
        normalize,
        ...(precision === undefined ? {} : { precision: checkPrecision(precision) }),
        ...(requirements === undefined ? {} : { requirements }),
        ...(golden === undefined ? {} : { golden }),
        ...(flags.eval === undefined ? {} : { evaluation: flags.eval }),
        ...(message === undefined ? {} : { message }),
        ...(parent === undefined ? {} : { parent }),
        ...(base === undefined ? {} : { base }),
        ...(metadata === undefined ? {} : { metadata }),
        ...(flags.tag === undefined ? {} : { tags: flags.tag }),
        ...(force === undefined ? {} : { force }),
        ...(allowCustomOperators === undefined ? {} : { allowCustomOperators }),
        onProgress: (phase, progress) => out.progress(PHASE[phase], progress),
      });
      for (const warning of pushed.warnings) out.note(`warning: ${warning}`);
      out.result(pushed, describe);
    }),
  );
}

function describe({ record, created, sentBytes, reusedBytes, totalBytes, understood }: Pushed): string {
  const name = versionName(record);
  if (!created) return `${name} is the same already: nothing sent, no new version made (--force makes one)`;
  const facts = understood === undefined ? [] : describeUnderstood(understood);
  return [
    `${name} published: ${formatBytes(totalBytes)}, of which ${formatBytes(sentBytes)} sent and ${formatBytes(reusedBytes)} in the store already`,
    ...facts.map(([label, text]) => `  ${label.padEnd(10)} ${printable(text)}`),
  ].join('\n');
}
