import type { Reference, VersionRecord, VersionStore } from '../../core/index.js';
import {
  configOf,
  cuttingLayer,
  entryOf,
  imageOf,
  layerOf,
  openExport,
  type Exporting,
  type ExportOptions,
} from './documents.js';
import { Layout } from './layout.js';
import { OCI, type Descriptor } from './media-types.js';
import { layoutTar, writeTar } from './tar.js';

export type { ExportOptions } from './documents.js';

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

/** A version on its way out as one tar. */
export interface ExportStream extends Omit<Exported, 'path' | 'digest'> {
  /**
   * The tar, read from the store as it is asked for: nothing is kept on the disk, and memory does not grow with the
   * version. Ends in an error if stored bytes are damaged.
   */
  readonly tar: AsyncIterable<Uint8Array>;
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
  const exporting = await openExport(store, reference, options);
  const { record, refName, bytes } = exporting;
  const digest = path.endsWith('.tar')
    ? await writeTar(path, layoutTar(exporting, options))
    : await writeLayout(await Layout.create(path), exporting, options);
  return { record, path, refName, digest, bytes };
}

/**
 * A version as a tar that holds an OCI image layout of it alone, the same bytes each time. Each file is read twice: a
 * blob's name is its digest, which is known at its end and stands at its beginning.
 *
 * @throws ModelkeepError what the store says of the reference; of damaged bytes, while `tar` is read
 */
export async function exportOciStream(
  store: VersionStore,
  reference: Reference,
  options: ExportOptions = {},
): Promise<ExportStream> {
  const exporting = await openExport(store, reference, options);
  const { record, refName, bytes } = exporting;
  return { record, refName, bytes, tar: layoutTar(exporting, options) };
}

async function writeLayout(layout: Layout, exporting: Exporting, { signal }: ExportOptions): Promise<string> {
  const abortable = signal === undefined ? {} : { signal };
  const { record, files, cutting, onProgress } = exporting;
  let doneBytes = 0;
  async function* counted(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const part of bytes) {
      yield part;
      onProgress((doneBytes += part.byteLength));
    }
  }
  const layers: Descriptor[] = [];
  for (const { path, open } of files)
    layers.push(layerOf(path, await layout.putStream(`${record.id} ${path}`, counted(open()), abortable)));
  layers.push(cuttingLayer(await layout.putBytes(cutting)));
  const config = await layout.putBytes(configOf(exporting, layers));
  const image = await layout.putBytes(imageOf(exporting, config, layers));
  const { manifests } = await layout.index();
  const others = manifests.filter((one) => one.annotations?.[OCI.refName] !== exporting.refName);
  const entry = entryOf(exporting, image);
  await layout.writeIndex({ schemaVersion: 2, mediaType: OCI.index, manifests: [...others, entry] });
  return image.digest;
}
