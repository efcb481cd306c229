import { lstatSync, readFileSync, statSync, type Stats } from 'node:fs';
import { join, resolve } from 'node:path';
import {
  asModelkeepError,
  EVALUATION_FILE,
  fileError,
  GOLDEN_FILE,
  MAX_EVALUATION_BYTES,
  MAX_GOLDEN_BYTES,
  MAX_GOLDEN_EXAMPLES,
  ModelkeepError,
  type Abortable,
  type VersionRecord,
  type VersionStore,
} from '../core/index.js';
import type { Artifact, ArtifactFile } from '../formats/index.js';
import { evaluationOf, goldenExample, jsonRows, type DataRow, type TaskRequest } from '../tasks/index.js';
import { openStoredFiles } from './stored-files.js';

/** Files that say how a version is checked. */
export interface EvidenceOptions {
  /** JSON lines of inputs with the outputs that the model gave where it was trained; every node computes them again. */
  readonly golden?: string;
  /** JSON lines of labelled examples; promotions are measured on them. */
  readonly evaluation?: string;
}

/** How many versions back an evaluation set is looked for. */
const VERSIONS_BACK = 50;

function invalid(path: string, why: string, cause?: unknown): ModelkeepError {
  return new ModelkeepError('INVALID_ARTIFACT', `${path}: ${why}`, { cause, details: { path } });
}

/**
 * Adds the files that say how a version is checked: those that are named, else those that a pulled version has in its
 * folder `.modelkeep`.
 *
 * @param path what is published
 * @throws ModelkeepError `INVALID_ARTIFACT` for a file that is missing or too large
 */
export function addEvidence(artifact: Artifact, path: string, options: EvidenceOptions): Artifact {
  const folder = statSync(path).isDirectory() ? path : undefined;
  const added = [
    evidenceFile(GOLDEN_FILE, options.golden, folder, MAX_GOLDEN_BYTES),
    evidenceFile(EVALUATION_FILE, options.evaluation, folder, MAX_EVALUATION_BYTES),
  ].filter((file) => file !== undefined);
  if (added.length === 0) return artifact;
  const files = [...artifact.files, ...added].toSorted((a, b) => (a.path < b.path ? -1 : 1));
  return { ...artifact, files };
}

function evidenceFile(
  path: string,
  named: string | undefined,
  folder: string | undefined,
  maxBytes: number,
): ArtifactFile | undefined {
  const absolutePath = named === undefined ? folder && join(folder, path) : resolve(named);
  if (absolutePath === undefined) return undefined;
  const stat = statOf(absolutePath, named !== undefined);
  if (stat === undefined) return undefined;
  if (!stat.isFile()) throw invalid(named ?? path, 'is no file. Check the path');
  if (stat.size === 0) throw invalid(named ?? path, 'is empty: give at least one example');
  if (stat.size > maxBytes) throw invalid(named ?? path, `has ${stat.size} bytes, at most ${maxBytes} are allowed`);
  return { path, absolutePath, size: stat.size };
}

/** A file that is named may be a link; one that merely lies in the folder may not lead out of it. */
function statOf(absolutePath: string, isNamed: boolean): Stats | undefined {
  if (!isNamed) return lstatSync(absolutePath, { throwIfNoEntry: false });
  const stat = statSync(absolutePath, { throwIfNoEntry: false });
  if (stat === undefined) throw invalid(absolutePath, 'does not exist. Check the path');
  return stat;
}

/** The examples that a version carries, as requests of its task. */
export interface Examples {
  readonly requests: readonly TaskRequest[];
  /** The error for a request that the task does not take, naming file and line. */
  blame(problem: { readonly at: number; readonly error: ModelkeepError }): ModelkeepError;
}

/**
 * The examples as requests of the task, so that those of another task are refused at publish.
 *
 * @throws ModelkeepError `INVALID_ARTIFACT` naming file, line and field
 */
export function examplesOf({ files }: Artifact, task: string | undefined): Examples {
  const golden = rowsOf(files, GOLDEN_FILE);
  const evaluation = rowsOf(files, EVALUATION_FILE);
  if (golden.rows.length > MAX_GOLDEN_EXAMPLES)
    throw invalid(golden.name, `has ${golden.rows.length} examples, at most ${MAX_GOLDEN_EXAMPLES} are allowed`);
  const examples = [
    { ...golden, check: (row: DataRow) => goldenExample(task, row).request },
    { ...evaluation, check: (row: DataRow) => evaluationOf(task).example(row) },
  ].flatMap(({ name, rows, check }) =>
    rows.map(({ line, row }) => {
      try {
        const { inputs, parameters } = check(row);
        return { name, line, request: { inputs, parameters } };
      } catch (error) {
        throw invalid(name, `line ${line}: ${asModelkeepError(error).message}`, error);
      }
    }),
  );
  return {
    requests: examples.map(({ request }) => request),
    blame: ({ at, error }) => {
      const { name = '', line = 0 } = examples[at] ?? {};
      return invalid(name, `line ${line}: ${error.message}`, error);
    },
  };
}

function rowsOf(files: readonly ArtifactFile[], path: string) {
  const file = files.find((each) => each.path === path);
  if (file === undefined) return { name: path, rows: [] };
  try {
    return { name: file.absolutePath, rows: jsonRows(readFileSync(file.absolutePath, 'utf8')) };
  } catch (error) {
    if (error instanceof ModelkeepError) throw invalid(file.absolutePath, error.message, error);
    throw fileError(error, `Cannot read ${file.absolutePath}`, 'make it readable and publish again');
  }
}

/** The rows of a small file of a version, from the store; undefined if it has none of that path. */
async function storedRows(
  store: VersionStore,
  record: VersionRecord,
  path: string,
  options: Abortable,
): Promise<readonly DataRow[] | undefined> {
  const files = openStoredFiles(store, record, await store.readManifest(record, options));
  if (files.size(path) === undefined) return undefined;
  return jsonRows((await files.read(path, {}, options)).toString('utf8')).map(({ row }) => row);
}

/** An evaluation set, and the version that carries it. */
export interface EvaluationSet {
  readonly version: number;
  readonly rows: readonly DataRow[];
}

/** The evaluation set of a version, if it carries one. @throws ModelkeepError what reading says */
export async function readEvaluation(
  store: VersionStore,
  record: VersionRecord,
  options: Abortable = {},
): Promise<EvaluationSet | undefined> {
  const rows = await storedRows(store, record, EVALUATION_FILE, options);
  return rows === undefined ? undefined : { version: record.version, rows };
}

/** The golden examples of a version as they are stored, if it carries some. @throws ModelkeepError what reading says */
export function readGolden(
  store: VersionStore,
  record: VersionRecord,
  options: Abortable = {},
): Promise<readonly DataRow[] | undefined> {
  return storedRows(store, record, GOLDEN_FILE, options);
}

/**
 * The evaluation set that a promotion is measured on: that of the version now serving, so that a publisher cannot lower
 * the bar by an easier one; else the candidate's; else that of the newest version of the model that carries one.
 *
 * @throws ModelkeepError what reading says
 */
export async function findEvaluation(
  store: VersionStore,
  candidate: VersionRecord,
  serving: VersionRecord | undefined,
  options: Abortable = {},
): Promise<EvaluationSet | undefined> {
  const { model } = candidate;
  const all = (await store.listVersions({ model }, options)).toReversed().slice(0, VERSIONS_BACK);
  const seen = new Set<number>();
  for (const record of [...(serving === undefined ? [] : [serving]), candidate, ...all]) {
    if (seen.has(record.version)) continue;
    seen.add(record.version);
    const found = await readEvaluation(store, record, options);
    if (found !== undefined) return found;
  }
  return undefined;
}
