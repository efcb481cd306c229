import { copyFile, mkdir, mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import {
  checkFilePath,
  checkModelName,
  decodeManifest,
  manifestDigest,
  ModelkeepError,
  type Abortable,
  type ContentSource,
  type Manifest,
  type PublishResult,
  type TransferProgress,
  type VersionStore,
} from '../../core/index.js';
import { guardNewest } from '../publish-guard.js';
import { push } from '../push.js';
import { storedUnderstanding } from '../understood.js';
import { Layout } from './layout.js';
import { MANIFEST_PATH, OCI, type Descriptor, type OciManifest } from './media-types.js';
import { tarFile, unpackLayout } from './tar.js';

/** Options of {@link importOci}. */
export interface ImportOptions extends Abortable {
  /** The model's name. @defaultValue the one in the layout */
  readonly name?: string;
  /** Which version of a layout that holds several, by its name there. */
  readonly refName?: string;
  /** Publish it though it answers otherwise than the newest version; see `guardNewest`. @defaultValue false */
  readonly force?: boolean | undefined;
  /** Who imports. @defaultValue who published it first */
  readonly by?: string;
  readonly onProgress?: (progress: TransferProgress) => void;
}

/**
 * Publishes a version from an OCI image layout, a directory or a `.tar`. What `exportOci` wrote comes back with the same
 * digest: cut at the same places, byte for byte, every segment checked. A ModelPack artifact of other software is read
 * like a directory of its files, if its layers are neither archived nor compressed.
 *
 * @throws ModelkeepError `INVALID_ARTIFACT` for what is no layout, `UNSUPPORTED_FORMAT` for layers that are archived,
 * `DIGEST_MISMATCH` for blobs that are damaged, `INVALID_INPUT` if it holds several versions and none is named
 */
export async function importOci(
  store: VersionStore,
  path: string,
  options: ImportOptions = {},
): Promise<PublishResult> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isFile() === true)
    return unpackLayout(tarFile(path), (directory) => importFrom(store, directory, options));
  return importFrom(store, path, options);
}

/**
 * Publishes a version from a tar as it comes in.
 *
 * @param folder where it is unpacked meanwhile: it needs room for all of it
 * @throws ModelkeepError as {@link importOci}
 */
export async function importOciStream(
  store: VersionStore,
  tar: AsyncIterable<Uint8Array>,
  folder: string,
  options: ImportOptions = {},
): Promise<PublishResult> {
  const { signal } = options;
  const source = { name: 'The tar', bytes: tar, folder, ...(signal === undefined ? {} : { signal }) };
  return unpackLayout(source, (directory) => importFrom(store, directory, options));
}

async function importFrom(store: VersionStore, directory: string, options: ImportOptions): Promise<PublishResult> {
  const layout = await Layout.open(directory);
  const descriptor = await choose(layout, options.refName);
  const manifest = checkOciManifest(await layout.json(descriptor));
  const layers = layersOf(manifest);
  const ours = layers.get(MANIFEST_PATH);
  const name = checkModelName(options.name ?? (await nameOf(layout, manifest)));
  return ours === undefined
    ? importForeign(store, layout, layers, name, options)
    : importOurs(store, { layout, layers, manifest, ours, name }, options);
}

async function choose(layout: Layout, refName: string | undefined): Promise<Descriptor> {
  const { manifests } = await layout.index();
  const names = manifests.map((one) => one.annotations?.[OCI.refName] ?? one.digest);
  const [only, more] = refName === undefined ? manifests : manifests.filter((_, index) => names[index] === refName);
  if (only !== undefined && more === undefined) return only;
  throw new ModelkeepError(
    'INVALID_INPUT',
    `${layout.directory} holds ${manifests.length === 0 ? 'no version' : names.join(', ')}: name one of them with --ref`,
  );
}

function checkOciManifest(value: unknown): OciManifest {
  const { schemaVersion, config, layers } = (value ?? {}) as Partial<OciManifest>;
  if (schemaVersion === 2 && typeof config === 'object' && Array.isArray(layers)) return value as OciManifest;
  throw new ModelkeepError('INVALID_ARTIFACT', 'The layout’s manifest is no OCI image manifest');
}

/** Layers by the path of their file. */
function layersOf({ layers }: OciManifest): ReadonlyMap<string, Descriptor> {
  const found = new Map<string, Descriptor>();
  for (const layer of layers) {
    const path = layer.annotations?.[OCI.filePath] ?? layer.annotations?.['org.cnai.model.filepath'];
    if (path === undefined || /\.tar(\+|$)/.test(layer.mediaType)) {
      throw new ModelkeepError(
        'UNSUPPORTED_FORMAT',
        `A layer of the type ${JSON.stringify(layer.mediaType)} is read only if it is one file as it is (…v1.raw) with its path in ${OCI.filePath}`,
      );
    }
    found.set(checkFilePath(path), layer);
  }
  return found;
}

async function nameOf(layout: Layout, { config }: OciManifest): Promise<string> {
  const { descriptor } = ((await layout.json(config)) ?? {}) as { descriptor?: { name?: unknown } };
  if (typeof descriptor?.name === 'string') return descriptor.name;
  throw new ModelkeepError('INVALID_INPUT', `${layout.directory} does not say the model's name: give it with --name`);
}

interface Ours {
  readonly layout: Layout;
  readonly layers: ReadonlyMap<string, Descriptor>;
  readonly manifest: OciManifest;
  readonly ours: Descriptor;
  readonly name: string;
}

async function importOurs(
  store: VersionStore,
  { layout, layers, manifest: oci, ours, name }: Ours,
  { signal, onProgress, by, force }: ImportOptions,
): Promise<PublishResult> {
  const manifest = decodeManifest(await layout.bytes(ours));
  const facts = factsOf(oci);
  if (facts.digest !== undefined && facts.digest !== manifestDigest(manifest)) {
    throw new ModelkeepError(
      'DIGEST_MISMATCH',
      `${layout.directory} says the version ${facts.digest}, it holds ${manifestDigest(manifest)}`,
    );
  }
  const { digest: _, ...rest } = facts;
  const draft = { model: name, manifest, ...rest, ...(by === undefined ? {} : { publishedBy: by }) };
  const understood = storedUnderstanding(rest.metadata ?? {});
  const candidate = { model: name, task: manifest.task, understood, digest: manifestDigest(manifest) };
  await guardNewest(store, candidate, { force, signal });
  return store.publish(draft, sourceOf(layout, layers, manifest), {
    ...(signal === undefined ? {} : { signal }),
    ...(onProgress === undefined ? {} : { onProgress }),
  });
}

interface Facts {
  readonly digest?: string;
  readonly message?: string;
  readonly metadata?: Readonly<Record<string, unknown>>;
  readonly parent?: string;
  readonly publishedBy?: string;
}

/** What the store that it came from knew of the version. */
function factsOf({ annotations }: OciManifest): Facts {
  let value: unknown;
  try {
    value = JSON.parse(annotations?.[OCI.record] ?? '{}');
  } catch (error) {
    throw new ModelkeepError('INVALID_ARTIFACT', `The annotation ${OCI.record} is not JSON`, { cause: error });
  }
  const given = (value ?? {}) as Record<string, unknown>;
  const texts = ['digest', 'message', 'parent', 'publishedBy'].flatMap((name) =>
    typeof given[name] === 'string' ? [[name, given[name]]] : [],
  );
  const { metadata } = given;
  const isObject = typeof metadata === 'object' && metadata !== null && !Array.isArray(metadata);
  return { ...Object.fromEntries(texts), ...(isObject ? { metadata } : {}) } as Facts;
}

/** The store checks every segment on its way in. */
function sourceOf(layout: Layout, layers: ReadonlyMap<string, Descriptor>, manifest: Manifest): ContentSource {
  for (const { path, size } of manifest.files) {
    if (layers.get(path)?.size === size) continue;
    throw new ModelkeepError('INVALID_ARTIFACT', `The layout has no layer of ${size} bytes for the file "${path}"`);
  }
  return {
    async *open(path, range) {
      const layer = layers.get(path);
      if (layer !== undefined && range.end > range.start) yield* layout.read(layer.digest, range);
    },
  };
}

async function importForeign(
  store: VersionStore,
  layout: Layout,
  layers: ReadonlyMap<string, Descriptor>,
  name: string,
  { signal, onProgress, by, force }: ImportOptions,
): Promise<PublishResult> {
  const folder = await mkdtemp(join(tmpdir(), 'modelkeep-import-'));
  try {
    for (const [path, { digest }] of layers) {
      await mkdir(dirname(join(folder, path)), { recursive: true });
      await copyFile(layout.file(digest), join(folder, path));
    }
    return await push(store, folder, {
      name,
      ...(force === undefined ? {} : { force }),
      ...(signal === undefined ? {} : { signal }),
      ...(by === undefined ? {} : { by }),
      ...(onProgress === undefined ? {} : { onProgress: (_, progress: TransferProgress) => onProgress(progress) }),
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
