import { ModelkeepError } from '../../core/index.js';
import type { ModelConfig } from './config.js';
import type { Family, FamilyNames, Head, HeadKind } from './family.js';

/** The head that each task needs. */
export const HEAD_OF_TASK: Readonly<Record<string, HeadKind>> = Object.freeze({
  'text-classification': 'ForSequenceClassification',
  'zero-shot-classification': 'ForSequenceClassification',
  'text-ranking': 'ForSequenceClassification',
  'token-classification': 'ForTokenClassification',
  'question-answering': 'ForQuestionAnswering',
  'fill-mask': 'ForMaskedLM',
  'sparse-embeddings': 'ForMaskedLM',
  'feature-extraction': 'Model',
  'sentence-embeddings': 'Model',
  'sentence-similarity': 'Model',
});

/** The task that a head is for, where none was asked for. */
const TASK_OF_HEAD: Readonly<Record<HeadKind, string>> = Object.freeze({
  ForSequenceClassification: 'text-classification',
  ForTokenClassification: 'token-classification',
  ForQuestionAnswering: 'question-answering',
  ForMaskedLM: 'fill-mask',
  Model: 'feature-extraction',
});

/** What a class name says: a head that is served, one of transformers' that is not, or nothing. */
type Hint = HeadKind | 'other' | undefined;

/** A class name as transformers makes them. */
const CLASS = /^(?<of>[A-Z]\w*?)(?<head>For[A-Z]\w*|LMHeadModel|WithLMHead|Model)$/;
/** Heads of transformers that are served, by the second half of the class name. */
const SERVED: Readonly<Record<string, HeadKind>> = {
  ForSequenceClassification: 'ForSequenceClassification',
  ForTokenClassification: 'ForTokenClassification',
  ForQuestionAnswering: 'ForQuestionAnswering',
  ForMaskedLM: 'ForMaskedLM',
  WithLMHead: 'ForMaskedLM',
};
/** Heads of transformers that no task here serves. */
const NOT_SERVED = new Set(['ForMultipleChoice', 'ForNextSentencePrediction', 'ForCausalLM', 'LMHeadModel']);
/** Words of people's own class names that say what the head is. */
const WORDS: readonly (readonly [RegExp, HeadKind])[] = [
  [/SequenceClassification/i, 'ForSequenceClassification'],
  [/TokenClassification/i, 'ForTokenClassification'],
  [/QuestionAnswering/i, 'ForQuestionAnswering'],
  [/MaskedLM/i, 'ForMaskedLM'],
];

/** What the weights of a checkpoint have, and what its configuration says of it. */
export interface Heads {
  /** Heads that the weights have all of, the plain encoder among them. */
  readonly present: readonly HeadKind[];
  readonly hint: Hint;
  /** The class that `architectures` names. */
  readonly named: string | undefined;
  /** True if transformers has a class of this name. */
  readonly isKnown: boolean;
}

/** A checkpoint's tensors by the names of its family. */
export interface Weights {
  readonly family: Family;
  readonly config: ModelConfig;
  readonly has: (name: string) => boolean;
}

function hintOf(named: string | undefined, { names, heads, className }: Family): Pick<Heads, 'hint' | 'isKnown'> {
  if (named === undefined) return { hint: undefined, isKnown: false };
  const { of = '', head = '' } = CLASS.exec(named)?.groups ?? {};
  const isFamily = of === className || FAMILY_CLASSES.includes(of);
  if (isFamily && head === 'Model') return { hint: 'Model', isKnown: true };
  if (isFamily && head === 'ForPreTraining')
    return { hint: preTrainsMasks(names) ? 'ForMaskedLM' : 'other', isKnown: true };
  const served = Object.hasOwn(SERVED, head) ? SERVED[head] : undefined;
  if (isFamily && served !== undefined) return { hint: heads[served] === undefined ? 'other' : served, isKnown: true };
  if (isFamily && NOT_SERVED.has(head)) return { hint: 'other', isKnown: true };
  return { hint: WORDS.find(([word]) => word.test(named))?.[1], isKnown: false };
}

/** First halves of the class names of transformers that checkpoints of these families carry. */
const FAMILY_CLASSES = 'Albert Bert Camembert DebertaV2 DistilBert Electra ModernBert MPNet Roberta XLMRoberta'.split(
  ' ',
);

/** ELECTRA's pre-training tells true tokens from false ones; that of the others fills masks. */
function preTrainsMasks({ beside }: FamilyNames): boolean {
  return !beside.test('discriminator_predictions.dense.weight');
}

/** Finds the heads that a checkpoint has. */
export function headsOf({ family, config, has }: Weights): Heads {
  const architectures = config.raw('architectures');
  const [first] = Array.isArray(architectures) ? (architectures as readonly unknown[]) : [];
  const named = typeof first === 'string' && first !== '' ? first : undefined;
  const present = (Object.entries(family.heads) as [HeadKind, Head][])
    .filter(([, head]) => isPresent(head, family, config, has))
    .map(([kind]) => kind);
  return { present, named, ...hintOf(named, family) };
}

function isPresent(head: Head, { names }: Family, config: ModelConfig, has: Weights['has']): boolean {
  if (head.pools === true && !has(`${names.prefix}${names.pooler ?? ''}.weight`)) return false;
  return needsOf(head, config).every(has);
}

/** The tensors by which a checkpoint is known to have a head. */
export function needsOf({ needs }: Head, config: ModelConfig): readonly string[] {
  return typeof needs === 'function' ? needs(config) : needs;
}

/** True if two heads read the same tensors, so that a checkpoint has but one of them. */
function share(weights: Weights, one: HeadKind, other: HeadKind): boolean {
  const { heads } = weights.family;
  const of = (kind: HeadKind): readonly string[] => {
    const head = heads[kind];
    return head === undefined ? [] : needsOf(head, weights.config);
  };
  return of(one).some((name) => of(other).includes(name));
}

/**
 * The head that a checkpoint is published for.
 *
 * @param task what it is asked to serve; undefined: what it is by itself
 * @throws ModelkeepError `UNSUPPORTED_FORMAT` if it does not have the head that the task needs, or if what it is cannot be
 * told, with the tasks that it can serve
 */
export function chooseHead(weights: Weights, task: string | undefined): HeadKind {
  const heads = headsOf(weights);
  const wanted = task === undefined || !Object.hasOwn(HEAD_OF_TASK, task) ? undefined : HEAD_OF_TASK[task];
  if (wanted === undefined) return ownHead(weights, heads);
  const why = refusalOf(weights, heads, wanted);
  if (why === undefined) return wanted;
  throw new ModelkeepError(
    'UNSUPPORTED_FORMAT',
    `The task ${task} needs the head ${weights.family.className}${wanted}, ${why}. ${servedBy(weights, heads)}`,
  );
}

/** Why a head cannot be served; undefined if it can. */
function refusalOf(weights: Weights, { present, hint, named }: Heads, wanted: HeadKind): string | undefined {
  const { family, config } = weights;
  if (wanted === 'Model') return undefined;
  const head = family.heads[wanted];
  if (head === undefined) return 'which modelkeep does not serve for this family';
  const asNamed = `but config.json names the class ${named}, whose head has the same tensors and another meaning`;
  const isOther = hint === 'other' && isPresent(head, family, config, weights.has);
  if (isOther && needsOf(head, config).includes('classifier.weight')) return asNamed;
  // A head of which only a part is there is met, by name, when it is authored.
  if (hint === wanted && needsOf(head, config).some(weights.has)) return undefined;
  if (!present.includes(wanted)) {
    const pooler = head.pools === true ? [`${family.names.prefix}${family.names.pooler}.weight`] : [];
    const lacking = [...needsOf(head, config), ...pooler].filter((name) => !weights.has(name));
    return `but the checkpoint lacks ${lacking.map((name) => `"${name}"`).join(', ')}`;
  }
  const isAnother = hint !== undefined && hint !== 'other' && hint !== wanted && present.includes(hint);
  return isAnother && share(weights, hint, wanted) ? asNamed : undefined;
}

/** The head that a checkpoint has by its configuration and its tensors. */
function ownHead(weights: Weights, heads: Heads): HeadKind {
  const { present, hint, named } = heads;
  const { family, config } = weights;
  const described = named === undefined ? 'config.json names no class (architectures)' : `config.json names ${named}`;
  if (hint === 'other') {
    throw new ModelkeepError(
      'UNSUPPORTED_FORMAT',
      `${described}, whose head modelkeep does not serve. ${servedBy(weights, heads)}`,
    );
  }
  const head = hint === undefined ? undefined : family.heads[hint];
  // A part of it is enough: what is missing is then named.
  const isMeant = head !== undefined && (hint === 'Model' || needsOf(head, config).some(weights.has));
  if (hint !== undefined && isMeant) return hint;
  const others = present.filter((kind) => kind !== 'Model');
  const [only, second] = others;
  if (second === undefined) return only ?? 'Model';
  throw new ModelkeepError(
    'UNSUPPORTED_FORMAT',
    `${described}, and its tensors fit ${others.map((kind) => family.className + kind).join(' and ')}. ` +
      servedBy(weights, heads),
  );
}

/** The next step: the tasks that a checkpoint can be published for. */
function servedBy(weights: Weights, heads: Heads): string {
  return `Name one of the tasks that it can serve with --task: ${tasksOfHeads(weights, heads).join(', ')}`;
}

/** The tasks that a checkpoint can be published for, its own first. */
export function tasksOfHeads(weights: Weights, heads: Heads = headsOf(weights)): readonly string[] {
  return Object.entries(HEAD_OF_TASK)
    .filter(
      ([, kind]) => kind === 'Model' || (heads.present.includes(kind) && refusalOf(weights, heads, kind) === undefined),
    )
    .map(([task]) => task);
}

/** The task of a head. */
export function taskOfHead(kind: HeadKind): string {
  return TASK_OF_HEAD[kind];
}
