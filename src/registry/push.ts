import {
  checkMetadata,
  checkModelName,
  checkTags,
  contentSize,
  manifestDigest,
  type Abortable,
  type Format,
  type Precision,
  type PublishResult,
  type TransferProgress,
  type VersionStore,
} from '../core/index.js';
import type { EvidenceOptions } from './evidence.js';
import { resolveParent } from './lineage.js';
import { prepareAdapter } from './prepare-adapter.js';
import { prepareFiles, type Prepared } from './prepare.js';
import type { TextOptions } from './prepare-text.js';
import { guardNewest } from './publish-guard.js';
import type { Understood } from './understood.js';

/** What a push is doing: `inspect` reads and checks the files, `hash` cuts them, `send` stores what is missing. */
export type PushPhase = 'inspect' | 'hash' | 'send';

/** Options of {@link push}. */
export interface PushOptions extends Abortable, EvidenceOptions, TextOptions {
  /** The model's name. */
  readonly name: string;
  /** The format, where it is not to be found out. */
  readonly format?: Format;
  /** The task, where it is not to be found out. */
  readonly task?: string;
  /**
   * Which checkpoint of a folder with `checkpoint-N` folders: its number or name, or `best`, as `trainer_state.json` says.
   *
   * @defaultValue the model in the folder itself, else the newest checkpoint
   */
  readonly checkpoint?: string | undefined;
  /** Which of several `.onnx` files: its path in the folder. @defaultValue the nearest to full precision */
  readonly file?: string | undefined;
  /**
   * The precision in which nodes serve it unless they are told otherwise. Its files stay as they are; versions of the
   * same files in two precisions are two versions. Only of checkpoints. @defaultValue 'fp32'
   */
  readonly precision?: Precision;
  /**
   * Of a pickled model: a file of `name==version` lines, which names the Python environment that the version runs in.
   * The version is then no single file any more, as plain scripts read it.
   */
  readonly requirements?: string;
  /**
   * Keep an ONNX model whose operators the runtime does not have, for other programs to pull and serve.
   *
   * @defaultValue false
   */
  readonly allowCustomOperators?: boolean;
  /**
   * Reference of the version that `path`, the directory of a PEFT adapter, was trained on. The new version has the files
   * of both, and shares all segments of the base.
   */
  readonly base?: string;
  /** Why, in the publisher's words. */
  readonly message?: string;
  /** Who publishes. */
  readonly by?: string;
  /** Reference of the version it was made from, of any model; kept as `model:version`. @defaultValue the `base` of an adapter */
  readonly parent?: string;
  /** Tags, which may be changed later. */
  readonly tags?: readonly string[];
  /** Free facts, at most 1 MiB as JSON; those that the directory tells are added under `training` and `card`. */
  readonly metadata?: Readonly<Record<string, unknown>>;
  /**
   * Make a new version even if the newest has the same contents, or if it answers otherwise than the newest: another
   * task, other labels, vectors of another length. @defaultValue false
   */
  readonly force?: boolean;
  /** Called often while it works; must not throw. */
  readonly onProgress?: (phase: PushPhase, progress: TransferProgress) => void;
}

/** What a push did. */
export interface Pushed extends PublishResult {
  /** Bytes of all files of the version. */
  readonly totalBytes: number;
  /** What is odd about the model but does not forbid it. */
  readonly warnings: readonly string[];
  /** What was understood of it; absent for pickled models. */
  readonly understood?: Understood;
}

/**
 * Publishes a directory or file as the next version of a model: reads and checks it, cuts it into segments, and sends
 * what the store does not have yet.
 *
 * @param path a directory as training, MLflow or a download left it, an archive of one, or a single file
 * @throws ModelkeepError `INVALID_REFERENCE` for the name, `INVALID_INPUT` for metadata, tags or the precision, what
 * resolving says for the parent, `GATE_FAILED` for a version that answers otherwise than the newest (see
 * {@link guardNewest}), `INVALID_ARTIFACT` or `UNSUPPORTED_FORMAT` for the files (nothing is stored then), and
 * what the store says
 */
export async function push(store: VersionStore, path: string, options: PushOptions): Promise<Pushed> {
  const { signal, onProgress, base, force } = options;
  const described = await describe(store, options);
  const prepared =
    base === undefined ? await prepareFiles(path, options) : await prepareAdapter(store, path, base, options);
  const { manifest, source, facts } = prepared;
  const { model } = described;
  const { task } = manifest;
  const candidate = { model, task, understood: prepared.understood, digest: manifestDigest(manifest) };
  const guarded = await guardedBy(prepared, () => guardNewest(store, candidate, { force, signal }));
  const warnings = [...prepared.warnings, ...guarded];
  const parent = described.parent ?? prepared.parent;
  // What the directory tells, unless the publisher says otherwise; never otherwise than what was found out.
  const metadata = {
    ...facts,
    ...options.metadata,
    ...prepared.metadata,
    ...(warnings.length === 0 ? {} : { warnings }),
  };
  const draft = {
    ...described,
    manifest,
    ...(parent === undefined ? {} : { parent }),
    ...(Object.keys(metadata).length === 0 ? {} : { metadata }),
    ...(force === undefined ? {} : { force }),
  };
  try {
    const result = await store.publish(draft, source, {
      ...(signal === undefined ? {} : { signal }),
      onProgress: (progress: TransferProgress) => onProgress?.('send', progress),
    });
    const { understood } = prepared;
    return { ...result, totalBytes: contentSize(manifest), warnings, ...(understood && { understood }) };
  } finally {
    prepared.discard();
  }
}

/** What was made on the way goes also where the version may not be published. */
async function guardedBy<T>({ discard }: Prepared, guard: () => Promise<T>): Promise<T> {
  try {
    return await guard();
  } catch (error) {
    discard();
    throw error;
  }
}

/** What the publisher says of a version, checked before its files are read. */
async function describe(store: VersionStore, options: PushOptions) {
  const { signal, by, message, parent, tags, metadata } = options;
  const model = checkModelName(options.name);
  checkMetadata(metadata);
  const abortable = signal === undefined ? {} : { signal };
  return {
    model,
    ...(by === undefined ? {} : { publishedBy: by }),
    ...(message === undefined ? {} : { message }),
    ...(parent === undefined ? {} : { parent: await resolveParent(store, parent, abortable) }),
    ...(tags === undefined ? {} : { tags: checkTags(tags) }),
  };
}
