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
import { MANIFEST_PATH, mediaTypeOf, OCI, type Descriptor, type OciManifest } from './media-types.js';

/** Options of an export. */
export interface ExportOptions extends Abortable {
  readonly onProgress?: (progress: TransferProgress) => void;
}

/** What is known of a blob once it is stored. */
type Blob = Pick<Descriptor, 'digest' | 'size'>;

/** A version that is being written as a layout. */
export interface Exporting {
  readonly record: VersionRecord;
  /** The name of the version in the layout: `sentiment-3`. */
  readonly refName: string;
  /** Bytes of all its files. */
  readonly bytes: number;
  readonly format: Manifest['format'];
  /** Its files, in the order of its manifest. */
  readonly files: readonly {
    readonly path: string;
    readonly size: number;
    readonly open: () => AsyncIterable<Uint8Array>;
  }[];
  /** The file that says where the others are cut. */
  readonly cutting: Uint8Array;
  readonly onProgress: (doneBytes: number) => void;
}

/** Finds what is to be exported. @throws ModelkeepError what the store says */
export async function openExport(
  store: VersionStore,
  reference: Reference,
  { signal, onProgress }: ExportOptions,
): Promise<Exporting> {
  const abortable = signal === undefined ? {} : { signal };
  const found = await store.resolve(reference, abortable);
  const manifest = await store.readManifest(found, abortable);
  // Reading the manifest is what gives a version that a script stored its digest.
  const record = found.digest === undefined ? await store.resolve(reference, abortable) : found;
  const content = storedContent(store, record, manifest);
  const totalBytes = contentSize(manifest);
  return {
    record,
    refName: `${record.model.replaceAll('/', '-')}-${record.version}`,
    bytes: totalBytes,
    format: manifest.format,
    files: manifest.files.map(({ path, size }) => ({
      path,
      size,
      open: () => content.open(path, { start: 0, end: size }, abortable),
    })),
    cutting: encodeManifest(manifest),
    onProgress: (doneBytes) => onProgress?.({ doneBytes, totalBytes }),
  };
}

/** The descriptor of a file's layer. */
export function layerOf(path: string, stored: Blob): Descriptor {
  // `title` is the name under which `oras pull` writes a layer.
  return { mediaType: mediaTypeOf(path), ...stored, annotations: { [OCI.filePath]: path, [OCI.title]: path } };
}

/** The layer of {@link Exporting.cutting}. */
export function cuttingLayer(stored: Blob): Descriptor {
  return layerOf(MANIFEST_PATH, stored);
}

const FORMAT_NAMES: Readonly<Record<Manifest['format'], string>> = Object.freeze({
  hf: 'safetensors',
  onnx: 'onnx',
  joblib: 'joblib',
});

/** The configuration of ModelPack: what the model is. */
export function configOf({ record, format }: Exporting, layers: readonly Descriptor[]): Uint8Array {
  const { model, version, publishedAt, publishedBy } = record;
  return encode({
    descriptor: {
      createdAt: publishedAt.toISOString(),
      ...(publishedBy === undefined ? {} : { authors: [publishedBy] }),
      name: model,
      version: String(version),
    },
    config: { format: FORMAT_NAMES[format] },
    // Of what is not archived, the content itself is the layer.
    modelfs: { type: 'layers', diffIds: layers.map(({ digest }) => digest) },
  });
}

/** The image manifest. */
export function imageOf({ record }: Exporting, config: Blob, layers: readonly Descriptor[]): Uint8Array {
  const document: OciManifest = {
    schemaVersion: 2,
    mediaType: OCI.manifest,
    artifactType: OCI.artifact,
    config: { mediaType: OCI.config, ...config },
    layers,
    annotations: annotationsOf(record),
  };
  return encode(document);
}

/** The image manifest's entry in `index.json`. */
export function entryOf({ refName }: Exporting, image: Blob): Descriptor {
  const annotations = { [OCI.refName]: refName };
  return { mediaType: OCI.manifest, artifactType: OCI.artifact, ...image, annotations };
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

/** A document as the layout holds it. */
export function encode(document: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(document));
}
