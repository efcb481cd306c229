import { ModelkeepError, partsOfPrecision, type TensorInfo, type VersionFiles } from '../../core/index.js';
import { ModelWriter } from '../onnx/model-writer.js';
import { WORD_ROWS, type PlanFacts, type PlanOptions, type SessionPlan } from '../session-plan.js';
import { Checkpoint } from './checkpoint.js';
import type { ModelConfig } from './config.js';
import type { HeadKind } from './family.js';
import { FILLING } from './frame.js';
import { chooseHead, headsOf, type Weights } from './head-choice.js';
import { judgeLeftovers } from './leftovers.js';
import { Quantizer } from './quantizer.js';
import { readSpladePooling } from '../splade-pooling.js';
import { poolSparsely, SPARSE_TASK } from './sparse.js';
import { readNamed, weightsOf, type ReadCheckpoint } from './read-checkpoint.js';

function quantizerOf(writer: ModelWriter, options: PlanOptions): Quantizer | undefined {
  const { precision = 'fp32', weightBits: bits = 8, derive } = options;
  const { arithmetic, embeddings } = partsOfPrecision(precision);
  if (arithmetic === 'fp32') return undefined;
  if (derive !== undefined) return new Quantizer(writer, { arithmetic, embeddings, bits, derive });
  throw new ModelkeepError('INTERNAL', `Precision ${precision} needs a place for quantized tensors`);
}

/** Notes on what was taken for what: sentences for whoever publishes. */
function factsOf(
  { type, family, notes, config }: ReadCheckpoint,
  weights: Weights,
  kind: HeadKind,
  leftOut: readonly string[],
): PlanFacts {
  const { named, isKnown } = headsOf(weights);
  const served = family.className + kind;
  const own = named === undefined || isKnown ? [] : [`config.json names the class ${named}: it is served as ${served}`];
  const parts = leftOut.length === 0 ? [] : [`It leaves out what ${served} does not use: ${listed(leftOut)}`];
  const several = labelsMayHold(config, kind, named)
    ? [
        'config.json has no problem_type, so scores are a softmax; for labels that hold independently of each other set ' +
          'problem_type to "multi_label_classification"',
      ]
    : [];
  return { family: type, head: kind, leftOut, notes: [...notes, ...own, ...parts, ...several] };
}

/** True for a class of several labels at a time whose configuration does not say so. */
function labelsMayHold(config: ModelConfig, kind: HeadKind, named: string | undefined): boolean {
  const says = config.raw('problem_type') ?? undefined;
  return kind === 'ForSequenceClassification' && says === undefined && /multi_?label/i.test(named ?? '');
}

function listed(names: readonly string[]): string {
  const shown = names.slice(0, 5).map((name) => `"${name}"`);
  return shown.join(', ') + (names.length > shown.length ? ` and ${names.length - shown.length} more` : '');
}

/** @throws ModelkeepError `UNSUPPORTED_FORMAT` for a number of labels that the task cannot have */
function checkLabels(task: string | undefined, outputs: readonly TensorInfo[]): void {
  const labels = outputs.find(({ name }) => name === 'logits')?.dims[1];
  if (labels === undefined) return;
  const wrong = task === 'text-ranking' ? labels !== 1 : task === 'zero-shot-classification' && labels < 2;
  if (!wrong) return;
  const wanted = task === 'text-ranking' ? 'a model with one label' : 'a model with an entailment label among others';
  throw new ModelkeepError(
    'UNSUPPORTED_FORMAT',
    `The task ${task} needs ${wanted}, and this one has ${labels}. Publish it with --task text-classification`,
  );
}

/**
 * Authors the graph of a Hugging Face directory from its config.json and the headers of its weights: the tensors and the
 * task choose the head, and `architectures` is a hint.
 *
 * @throws ModelkeepError `UNSUPPORTED_FORMAT` for a family, head or option that is not supported, with the list of
 * those that are; `INVALID_ARTIFACT` if config.json and the tensors do not agree; what making quantized tensors says
 */
export async function planCheckpoint(files: VersionFiles, options: PlanOptions = {}): Promise<SessionPlan> {
  const found = await readNamed(files, options.derive);
  const { family, config, adapted } = found;
  const weights = weightsOf(found);
  const kind = chooseHead(weights, options.task);
  const head = family.heads[kind];
  if (head === undefined) throw new ModelkeepError('INTERNAL', `${family.className} has no head ${kind}`);
  const writer = new ModelWriter();
  const quantizer = quantizerOf(writer, options);
  // The decoder of a masked language model computes with every row of the table, so the graph has it anyway.
  const wordsApart = kind === 'ForMaskedLM' ? Number.POSITIVE_INFINITY : options.wordsApart;
  const { prefix } = family.names;
  const checkpoint = new Checkpoint(writer, adapted.files, adapted.tensors, { prefix, config, quantizer, wordsApart });
  const own = head.author(checkpoint, family.encode(checkpoint, config));
  const [scores] = own;
  const isSparse = options.task === SPARSE_TASK && scores !== undefined;
  const outputs = isSparse ? poolSparsely(writer, scores, await readSpladePooling(files)) : own;
  checkLabels(options.task, outputs);
  const unused = checkpoint.unused.filter((name) => adapted.touched.has(name) || !adapted.formerHeads.has(name));
  const leftOut = judgeLeftovers({ family, kind, unused, isNeeded: (name) => adapted.touched.has(name) });
  if (options.checkTies === true) await checkpoint.checkTies();
  await checkpoint.finish();
  const names = ['input_ids', 'attention_mask', ...(family.hasTokenTypes(config) ? ['token_type_ids'] : [])];
  const inputs = names.map((name): TensorInfo => ({ name, type: 'int64', dims: [-1, -1] }));
  const { folder, mapped, words } = checkpoint;
  const derived = quantizer?.derived ?? [];
  const replaced = [...(quantizer?.sources ?? [])].filter((digest) => !mapped.has(digest));
  const rows = words === undefined ? [] : [{ name: WORD_ROWS, type: 'float32', dims: [-1, words.columns] } as const];
  const graph = writer.finish(inputs, outputs, rows);
  const facts = factsOf(found, weights, kind, leftOut);
  const plan = { graph, inputs, outputs, facts, derived, replaced, filling: FILLING, ...(words && { words }) };
  return folder === undefined ? plan : { ...plan, externalDataFolder: folder };
}
