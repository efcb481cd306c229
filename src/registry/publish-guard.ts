import {
  checkModelName,
  ModelkeepError,
  versionName,
  type Abortable,
  type VersionRecord,
  type VersionStore,
} from '../core/index.js';
import { readJson } from '../formats/index.js';
import { openStoredFiles } from './stored-files.js';
import { labelsDigest, storedUnderstanding, type Understood } from './understood.js';

/** What happens to a push whose answers would be of another kind than those of the newest version. */
export const CHANGE_RULES = Object.freeze(['refuse', 'warn', 'allow'] as const);

/** One of {@link CHANGE_RULES}. */
export type ChangeRule = (typeof CHANGE_RULES)[number];

/** Kind of the store's entries that hold the rules; their keys are names of models. */
const ENTRY = 'publishing';

/** What may become the newest version of a model. */
export interface PublishingPolicy {
  readonly model: string;
  /** @defaultValue 'refuse' */
  readonly changes: ChangeRule;
}

/** Reads what may become the newest version of a model. @throws ModelkeepError what the store says */
export async function getPublishing(
  store: VersionStore,
  model: string,
  options: Abortable = {},
): Promise<PublishingPolicy> {
  const entry = await store.readEntry({ kind: ENTRY, key: checkModelName(model) }, options);
  const changes = CHANGE_RULES.find((rule) => rule === entry?.value['changes']) ?? 'refuse';
  return { model, changes };
}

/**
 * Says what may become the newest version of a model.
 *
 * @throws ModelkeepError `INVALID_INPUT` for a rule that is none; what the store says
 */
export async function setPublishing(
  store: VersionStore,
  { model, changes }: PublishingPolicy,
  options: Abortable = {},
): Promise<PublishingPolicy> {
  if (!CHANGE_RULES.includes(changes)) {
    throw new ModelkeepError(
      'INVALID_INPUT',
      `changes is ${JSON.stringify(changes)}; write one of ${CHANGE_RULES.join(', ')}`,
      { details: { field: 'changes' } },
    );
  }
  await store.writeEntry({ kind: ENTRY, key: checkModelName(model), value: { changes } }, options);
  return { model, changes };
}

/** A version that is about to be published. */
export interface Candidate {
  readonly model: string;
  readonly task?: string | undefined;
  readonly understood?: Understood | undefined;
  /** Its digest: the same contents as the newest change nothing. */
  readonly digest: string;
}

/** Tasks whose answers are vectors, which are worth nothing beside vectors of another length. */
const VECTORS: ReadonlySet<string> = new Set([
  'sentence-embeddings',
  'sentence-similarity',
  'feature-extraction',
  'sparse-embeddings',
]);

/**
 * Keeps a version from the place of the newest one where those who ask that one would get answers of another kind: no
 * task where there was one, another task, other labels, vectors of another length. What two pushes do at the same time is
 * held against the version that was the newest when each began.
 *
 * @param force publish it all the same
 * @returns sentences for the publisher, where the rule of the model is `warn` or `force` is given
 * @throws ModelkeepError `GATE_FAILED` naming what differs, where the rule is `refuse`
 */
export async function guardNewest(
  store: VersionStore,
  candidate: Candidate,
  { force = false, ...options }: Abortable & { readonly force?: boolean | undefined } = {},
): Promise<readonly string[]> {
  const newest = await newestOf(store, candidate.model, options);
  if (newest === undefined || newest.digest === candidate.digest) return [];
  const differences = await differencesFrom(store, newest, candidate, options);
  if (differences.length === 0) return [];
  const name = versionName(newest);
  const what = `It answers otherwise than ${name}, which ${candidate.model} now means: ${differences.join('; ')}`;
  const { changes } = await getPublishing(store, candidate.model, options);
  if (changes === 'allow') return [];
  if (changes === 'warn' || force) return [what];
  throw new ModelkeepError(
    'GATE_FAILED',
    `${what}. Publish it under another name, or with --force if all who ask ${candidate.model} are ready for it`,
    { details: { newest: name, differences } },
  );
}

async function newestOf(store: VersionStore, model: string, options: Abortable): Promise<VersionRecord | undefined> {
  try {
    return await store.resolve({ model, selector: { kind: 'latest' } }, options);
  } catch (error) {
    const isNew = error instanceof ModelkeepError && ['MODEL_NOT_FOUND', 'VERSION_NOT_FOUND'].includes(error.code);
    if (isNew) return undefined;
    throw error;
  }
}

async function differencesFrom(
  store: VersionStore,
  newest: VersionRecord,
  { task, understood }: Candidate,
  options: Abortable,
): Promise<readonly string[]> {
  // What takes tensors alone has no answers that a task would give.
  if (newest.task === undefined) return [];
  if (task === undefined) return [`it takes tensors only, and that one is asked for ${newest.task}`];
  if (task !== newest.task) return [`its task is ${task}, not ${newest.task}`];
  const before = storedUnderstanding(newest.metadata);
  const labels = await labelDifference(store, newest, { before, after: understood }, options);
  const width = before?.width;
  const isWider =
    VECTORS.has(task) && understood?.width !== undefined && width !== undefined && width !== understood.width;
  return [
    ...(labels === undefined ? [] : [labels]),
    ...(isWider ? [`its vectors have ${understood?.width} numbers, not ${width}`] : []),
  ];
}

function namesOf({ labels, labelCount }: Known): string {
  return labels === undefined ? `${labelCount} labels` : `the labels ${labels.slice(0, 20).join(', ')}`;
}

async function labelDifference(
  store: VersionStore,
  newest: VersionRecord,
  { before, after }: { readonly before: Understood | undefined; readonly after: Understood | undefined },
  options: Abortable,
): Promise<string | undefined> {
  if (after?.labelsDigest === undefined) return undefined;
  const known = before?.labelsDigest === undefined ? await storedLabels(store, newest, options) : before;
  if (known?.labelsDigest === undefined || known.labelsDigest === after.labelsDigest) return undefined;
  return `it has ${namesOf(after)}, not ${namesOf(known)}`;
}

type Known = Pick<Understood, 'labels' | 'labelCount' | 'labelsDigest'>;

/** The labels that config.json of a stored version names; undefined where it names none that can be read. */
async function storedLabels(
  store: VersionStore,
  record: VersionRecord,
  options: Abortable,
): Promise<Known | undefined> {
  try {
    const files = openStoredFiles(store, record, await store.readManifest(record, options));
    if (files.size('config.json') === undefined) return undefined;
    const { id2label } = await readJson(files, 'config.json');
    if (typeof id2label !== 'object' || id2label === null) return undefined;
    const labels: (string | number)[] = [];
    for (const [id, label] of Object.entries(id2label)) {
      if (!/^\d{1,5}$/.test(id) || (typeof label !== 'string' && typeof label !== 'number')) return undefined;
      labels[Number(id)] = label;
    }
    return { labels, labelCount: labels.length, labelsDigest: labelsDigest(labels) };
  } catch (error) {
    // What cannot be read of the newest version tells nothing of it, and is no fault of the one that is published.
    if (error instanceof ModelkeepError && error.code === 'INVALID_ARTIFACT') return undefined;
    throw error;
  }
}
