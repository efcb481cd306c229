import {
  contentSize,
  encodeManifest,
  versionName,
  type Abortable,
  type Manifest,
  type Reference,
  type TransferProgress,
  type VersionRecord,
  type VersionStore,
} from '../../core/index.js';
import { storedContent } from '../stored-content.js';
import { Layout } from './layout.js';
import { MANIFEST_PATH, mediaTypeOf, OCI, type Descriptor, type OciManifest } from './media-types.js';
import { packTar } from './tar.js';

/** Options of {@link exportOci}. */
export interface ExportOptions extends Abortable {
  readonly onProgress?: (progress: TransferProgress) => void;
}

/** What an export did. */
export interface Exported {
  readonly record: VersionRecord;
  /** The layout's directory, or the tar file. */
  readonly path: string;
  /** The name of the version in the layout: `sentiment-3`, as `oras` and `skopeo` take it behind a colon. */
  readonly refName: string;
  /** Digest of the OCI manifest. */
  readonly digest: string;
  readonly bytes: number;
}

/**
 * Writes a version as an OCI image layout with the media types of ModelPack: each file one layer, as it is. A layout
 * that is there gets the version besides those that it has. A path that ends in `.tar` becomes one file.
 *
 * @throws ModelkeepError what the store says; `STORE_UNAVAILABLE` or `STORE_PERMISSION` naming the file that cannot be
 * written
 */
export async function exportOci(
  store: VersionStore,
  reference: Reference,
  path: string,
  options: ExportOptions = {},
): Promise<Exported> {
  const write = (directory: string): Promise<Exported> => exportInto(store, reference, directory, options);
  if (!path.endsWith('.tar')) return write(path);
  return { ...(await packTar(path, write)), path };
}

async function exportInto(
  store: VersionStore,
  reference: Reference,
  directory: string,
  options: ExportOptions,
): Promise<Exported> {
  const abortable = options.signal === undefined ? {} : { signal: options.signal };
  const found = await store.resolve(reference, abortable);
  const manifest = await store.readManifest(found, abortable);
  const record = found.digest === undefined ? await store.resolve(reference, abortable) : found;
  const layout = await Layout.create(directory);
  const layers = await writeLayers(layout, store, record, manifest, options);
  const config = await layout.putBytes(Buffer.from(JSON.stringify(configOf(record, manifest, layers))));
  const document: OciManifest = {
    schemaVersion: 2,
    mediaType: OCI.manifest,
    artifactType: OCI.artifact,
    config: { mediaType: OCI.config, ...config },
    layers,
    annotations: annotationsOf(record),
  };
  const stored = await layout.putBytes(Buffer.from(JSON.stringify(document)));
  const refName = `${record.model.replaceAll('/', '-')}-${record.version}`;
  const annotations = { [OCI.refName]: refName };
  const descriptor: Descriptor = { mediaType: OCI.manifest, artifactType: OCI.artifact, ...stored, annotations };
  const { manifests } = await layout.index();
  const others = manifests.filter((one) => one.annotations?.[OCI.refName] !== refName);
  await layout.writeIndex({ schemaVersion: 2, mediaType: OCI.index, manifests: [...others, descriptor] });
  return { record, path: directory, refName, digest: stored.digest, bytes: contentSize(manifest) };
}

async function writeLayers(
  layout: Layout,
  store: VersionStore,
  record: VersionRecord,
  manifest: Manifest,
  { signal, onProgress }: ExportOptions,
): Promise<Descriptor[]> {
  const abortable = signal === undefined ? {} : { signal };
  const content = storedContent(store, record, manifest);
  const totalBytes = contentSize(manifest);
  let doneBytes = 0;
  async function* counted(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const part of bytes) {
      yield part;
      onProgress?.({ doneBytes: (doneBytes += part.byteLength), totalBytes });
    }
  }
  const layers: Descriptor[] = [];
  for (const { path, size } of manifest.files) {
    const bytes = counted(content.open(path, { start: 0, end: size }, abortable));
    layers.push(layerOf(path, await layout.putStream(`${record.id} ${path}`, bytes, abortable)));
  }
  return [...layers, layerOf(MANIFEST_PATH, await layout.putBytes(encodeManifest(manifest)))];
}

function layerOf(path: string, stored: { readonly digest: string; readonly size: number }): Descriptor {
  // `title` is the name under which `oras pull` writes a layer.
  return { mediaType: mediaTypeOf(path), ...stored, annotations: { [OCI.filePath]: path, [OCI.title]: path } };
}

const FORMAT_NAMES = Object.freeze({ hf: 'safetensors', onnx: 'onnx', joblib: 'joblib' });

function configOf(record: VersionRecord, { format }: Manifest, layers: readonly Descriptor[]): unknown {
  const { model, version, publishedAt, publishedBy } = record;
  return {
    descriptor: {
      createdAt: publishedAt.toISOString(),
      ...(publishedBy === undefined ? {} : { authors: [publishedBy] }),
      name: model,
      version: String(version),
    },
    config: { format: FORMAT_NAMES[format] },
    // Of what is not archived, the content itself is the layer.
    modelfs: { type: 'layers', diffIds: layers.map(({ digest }) => digest) },
  };
}

function annotationsOf(record: VersionRecord): Record<string, string> {
  const { message, metadata, parent, publishedBy, digest } = record;
  return {
    [OCI.title]: versionName(record),
    [OCI.version]: String(record.version),
    [OCI.created]: record.publishedAt.toISOString(),
    ...(message === undefined ? {} : { [OCI.description]: message }),
    [OCI.record]: JSON.stringify({ digest, message, metadata, parent, publishedBy }),
  };
}
