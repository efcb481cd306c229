import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  digestOf,
  checkPrecision,
  ModelkeepError,
  parseReference,
  versionName,
  type ContentSource,
  type Manifest,
  type TransferProgress,
  type VersionFiles,
  type VersionRecord,
  type VersionStore,
} from '../core/index.js';
import {
  adaptedConfig,
  buildManifest,
  hasAdapter,
  inspectAdapter,
  openLocalFiles,
  readTextChoices,
  validateFiles,
  type Artifact,
  readTrainingFacts,
} from '../formats/index.js';
import { addEvidence } from './evidence.js';
import { addTextChoices } from './prepare-text.js';
import { sourceOf, taskOf, type Prepared } from './prepare.js';
import { openPath, type OpenedPath } from './open-path.js';
import type { PushOptions } from './push.js';
import { understoodOf } from './understood.js';
import { openStoredFiles } from './stored-files.js';
import { Workspace } from './workspace.js';

/** Files of a base that the version made from it needs: weights, configuration, tokenizer. */
const OF_BASE = /\.(safetensors|json|txt|model)$/;
/** Where checks believe all weights to be, so that none is read. */
const NOWHERE = Object.freeze({ file: '/nowhere/weights', offset: 0, digest: digestOf(new Uint8Array()), size: 0 });

/**
 * Reads and checks a PEFT adapter, and makes a version of it and of the version that it was trained on: the files of
 * both, so that nothing of the base is sent again and the new version stands by itself.
 *
 * @param path the adapter's directory, one that holds it, or an archive of either
 * @param base reference of the version that it was trained on
 * @throws ModelkeepError `UNSUPPORTED_FORMAT` for a base that is no checkpoint or an adapter that is not supported;
 * `INVALID_ARTIFACT` for one that is damaged or does not fit its base; `INVALID_INPUT` for the precision, which is that
 * of the base if none is chosen; what resolving the base says
 */
export async function prepareAdapter(
  store: VersionStore,
  path: string,
  base: string,
  options: PushOptions,
): Promise<Prepared> {
  const { signal } = options;
  const abortable = signal === undefined ? {} : { signal };
  const record = await store.resolve(parseReference(base), abortable);
  const manifest = await store.readManifest(record, abortable);
  const stored = openStoredFiles(store, record, manifest);
  checkBase(record, stored);
  const workspace = new Workspace();
  let opened: OpenedPath | undefined;
  try {
    opened = await openPath(path, workspace, abortable);
    const prepared = await prepareOver({ record, manifest, stored }, opened.path, options, workspace);
    return { ...prepared, discard: () => workspace[Symbol.dispose]() };
  } catch (error) {
    workspace[Symbol.dispose]();
    throw opened === undefined ? error : opened.named(error);
  }
}

/** The version that an adapter was trained on. */
interface Base {
  readonly record: VersionRecord;
  readonly manifest: Manifest;
  readonly stored: VersionFiles;
}

async function prepareOver(
  { record, manifest: below, stored }: Base,
  path: string,
  options: PushOptions,
  workspace: Workspace,
): Promise<Omit<Prepared, 'discard'>> {
  const { signal, onProgress, task: asked } = options;
  const abortable = signal === undefined ? {} : { signal };
  const own = await inspectAdapter(path, { checkpoint: options.checkpoint });
  onProgress?.('inspect', { doneBytes: 0, totalBytes: own.files.reduce((sum, { size }) => sum + size, 0) });
  const folder = (): string => workspace.folder();
  const artifact = { ...(await withConfig(own, stored, folder)), task: asked ?? own.task };
  const chosen = addTextChoices(artifact, path, options, folder, await readTextChoices(stored));
  const files = overlay(chosen, stored);
  const evident = addEvidence(chosen, path, options);
  const { task, warnings, text, validated } = await taskOf(
    evident,
    files,
    (each) => validateFiles(files, 'hf', { task: each, derive: () => Promise.resolve(NOWHERE) }),
    abortable,
  );
  const precision = checkPrecision(options.precision ?? below.precision ?? 'fp32');
  const understood = understoodOf({ artifact: { ...evident, task }, precision, ...validated, text });
  const numbers: string[] = [];
  const manifest = await buildManifest(evident, {
    ...abortable,
    precision,
    onProgress: (progress: TransferProgress) => onProgress?.('hash', progress),
    onWarning: (sentence) => numbers.push(sentence),
  });
  const { warnings: unread, ...facts } = await readTrainingFacts(artifact);
  return {
    manifest: joined(manifest, below, task),
    source: sourceFrom(evident, record),
    warnings: [...artifact.warnings, ...numbers, ...warnings, ...unread],
    facts,
    understood,
    metadata: { understood, base: { version: versionName(record), digest: record.digest } },
    parent: versionName(record),
  };
}

function checkBase(record: VersionRecord, files: VersionFiles): void {
  const name = versionName(record);
  if (record.format !== undefined && record.format !== 'hf') {
    throw new ModelkeepError(
      'UNSUPPORTED_FORMAT',
      `${name} is of the format ${record.format}; an adapter needs a base of the format hf, a Hugging Face directory`,
    );
  }
  if (!hasAdapter(files)) return;
  throw new ModelkeepError(
    'UNSUPPORTED_FORMAT',
    `${name} was made from an adapter itself. Name the version that the adapter was trained on, or publish a merged model`,
  );
}

/** The adapter's files, with a config.json that names the adapter's head where the base has another. */
async function withConfig(artifact: Artifact, stored: VersionFiles, folder: () => string): Promise<Artifact> {
  const isOwn = artifact.files.some(({ path }) => path === 'config.json');
  const { config, notes } = await adaptedConfig(overlay(artifact, stored), isOwn);
  const warnings = [...artifact.warnings, ...notes];
  if (config === undefined) return { ...artifact, warnings };
  const absolutePath = join(folder(), 'config.json');
  writeFileSync(absolutePath, `${JSON.stringify(config, undefined, 2)}\n`);
  const made = { path: 'config.json', absolutePath, size: statSync(absolutePath).size };
  const others = artifact.files.filter(({ path }) => path !== made.path);
  return { ...artifact, files: [...others, made], warnings };
}

/** The files of a base with those of the adapter before them. */
function overlay(artifact: Artifact, stored: VersionFiles): VersionFiles {
  const own = openLocalFiles(artifact.files);
  const of = (path: string): VersionFiles => (own.size(path) === undefined ? stored : own);
  const kept = stored.paths.filter((path) => OF_BASE.test(path) && own.size(path) === undefined);
  return {
    paths: [...own.paths, ...kept].toSorted(),
    size: (path) => (own.size(path) === undefined && !kept.includes(path) ? undefined : of(path).size(path)),
    read: (path, range, options) => of(path).read(path, range, options),
    contentOf: (path) => of(path).contentOf(path),
    locate: () => NOWHERE,
  };
}

function joined(own: Manifest, below: Manifest, task: string | undefined): Manifest {
  const paths = new Set(own.files.map(({ path }) => path));
  const kept = below.files.filter(({ path }) => OF_BASE.test(path) && !paths.has(path));
  const files = [...own.files, ...kept].toSorted((a, b) => (a.path < b.path ? -1 : 1));
  return task === undefined ? { ...own, files } : { ...own, files, task };
}

/** Reads the adapter's files; those of the base are in the store already. */
function sourceFrom(artifact: Artifact, base: VersionRecord): ContentSource {
  const own = sourceOf(artifact);
  const paths = new Set(artifact.files.map(({ path }) => path));
  return {
    open: (path, range, options) => {
      if (paths.has(path)) return own.open(path, range, options);
      const message = `The store lacks bytes of ${path} of ${versionName(base)}: publish that version again, then this one`;
      throw new ModelkeepError('DIGEST_MISMATCH', message);
    },
  };
}
