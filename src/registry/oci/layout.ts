import { createReadStream } from 'node:fs';
import { mkdir, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  createDigester,
  digestHex,
  digestOf,
  fileError,
  isDigest,
  ModelkeepError,
  throwIfAborted,
  type Abortable,
  type Digest,
} from '../../core/index.js';
import { LAYOUT_VERSION, OCI, type Descriptor, type OciIndex } from './media-types.js';

/** Largest JSON document of a layout that is read: 64 MiB, well above a manifest of ours with its layers. */
const MAX_DOCUMENT_BYTES = 64 * 1024 * 1024;
const NEXT_STEP = 'name a directory that you may write to, with enough room';

/** An OCI image layout in a directory. */
export class Layout {
  readonly directory: string;

  private constructor(directory: string) {
    this.directory = directory;
  }

  /** Makes a layout, or goes on with one that is there. @throws ModelkeepError `INVALID_INPUT` for a folder of other things */
  static async create(directory: string): Promise<Layout> {
    const layout = new Layout(directory);
    try {
      await mkdir(join(directory, 'blobs', 'sha256'), { recursive: true });
      const marker = join(directory, 'oci-layout');
      await writeFile(marker, JSON.stringify({ imageLayoutVersion: LAYOUT_VERSION }), { flag: 'wx' }).catch(ifThere);
      await layout.#checkMarker();
      return layout;
    } catch (error) {
      throw fileError(error, `Cannot write the layout ${directory}`, NEXT_STEP);
    }
  }

  /** Opens a layout to read. @throws ModelkeepError `INVALID_ARTIFACT` if it is none */
  static async open(directory: string): Promise<Layout> {
    const layout = new Layout(directory);
    await layout.#checkMarker();
    return layout;
  }

  async #checkMarker(): Promise<void> {
    const { imageLayoutVersion } = (await this.#document('oci-layout')) as { imageLayoutVersion?: unknown };
    if (imageLayoutVersion === LAYOUT_VERSION) return;
    throw new ModelkeepError(
      'UNSUPPORTED_FORMAT',
      `${this.directory} has the image layout version ${JSON.stringify(imageLayoutVersion)}, ${LAYOUT_VERSION} is read`,
    );
  }

  /** `index.json`; an empty one if there is none yet. */
  async index(): Promise<OciIndex> {
    try {
      await stat(join(this.directory, 'index.json'));
    } catch {
      return { schemaVersion: 2, mediaType: OCI.index, manifests: [] };
    }
    const index = (await this.#document('index.json')) as Partial<OciIndex> | null;
    if (index?.schemaVersion === 2 && Array.isArray(index.manifests)) return index as OciIndex;
    throw new ModelkeepError('INVALID_ARTIFACT', `${join(this.directory, 'index.json')} is no OCI image index`);
  }

  /** Replaces `index.json` in one step. */
  async writeIndex(index: OciIndex): Promise<void> {
    const path = join(this.directory, 'index.json');
    await writeFile(`${path}.partial`, JSON.stringify(index));
    await rename(`${path}.partial`, path);
  }

  /** The file of a blob. @throws ModelkeepError `INVALID_ARTIFACT` for a digest that is none of sha256 */
  file(digest: string): string {
    if (isDigest(digest)) return join(this.directory, 'blobs', 'sha256', digestHex(digest));
    throw new ModelkeepError('INVALID_ARTIFACT', `The digest ${JSON.stringify(digest)} is none of sha256`);
  }

  /** Stores a small document. */
  async putBytes(bytes: Uint8Array): Promise<{ readonly digest: Digest; readonly size: number }> {
    const digest = digestOf(bytes);
    await writeFile(`${this.file(digest)}.partial`, bytes);
    await rename(`${this.file(digest)}.partial`, this.file(digest));
    return { digest, size: bytes.byteLength };
  }

  /** Stores a stream of bytes under its digest. */
  async putStream(
    name: string,
    bytes: AsyncIterable<Uint8Array>,
    { signal }: Abortable = {},
  ): Promise<{ readonly digest: Digest; readonly size: number }> {
    const partial = join(this.directory, 'blobs', 'sha256', `${digestHex(digestOf(name))}.partial`);
    const digester = createDigester();
    try {
      const output = await open(partial, 'w');
      try {
        for await (const part of bytes) {
          throwIfAborted(signal);
          digester.update(part);
          await output.writeFile(part);
        }
      } finally {
        await output.close();
      }
      const { size } = digester;
      const digest = digester.finish();
      await rename(partial, this.file(digest));
      return { digest, size };
    } catch (error) {
      await rm(partial, { force: true });
      throw fileError(error, `Cannot write the layout ${this.directory}`, NEXT_STEP);
    }
  }

  /** A JSON blob, checked. @throws ModelkeepError `DIGEST_MISMATCH`, `INVALID_ARTIFACT` */
  async json({ digest, size }: Descriptor): Promise<unknown> {
    return parse(digest, (await this.bytes({ digest, size })).toString('utf8'));
  }

  /** A small blob, checked. @throws ModelkeepError `DIGEST_MISMATCH`, `INVALID_ARTIFACT` */
  async bytes({ digest, size }: Pick<Descriptor, 'digest' | 'size'>): Promise<Buffer> {
    const path = this.file(digest);
    const bytes = await this.#read(path);
    if (bytes.length === size && digestOf(bytes) === digest) return bytes;
    throw new ModelkeepError(
      'DIGEST_MISMATCH',
      `The blob ${path} has ${bytes.length} bytes or a content that are not those of its descriptor: export again`,
      { details: { path } },
    );
  }

  /** Bytes `start` to `end` of a blob, unchecked. */
  read(digest: string, { start, end }: { readonly start: number; readonly end: number }): AsyncIterable<Uint8Array> {
    return createReadStream(this.file(digest), { start, end: end - 1, highWaterMark: 1024 * 1024 });
  }

  async #document(name: string): Promise<unknown> {
    return parse(name, (await this.#read(join(this.directory, name))).toString('utf8'));
  }

  async #read(path: string): Promise<Buffer> {
    try {
      const { size } = await stat(path);
      if (size > MAX_DOCUMENT_BYTES)
        throw new ModelkeepError('INVALID_ARTIFACT', `${path} has ${size} bytes, too many`);
      return await readFile(path);
    } catch (error) {
      if (error instanceof ModelkeepError) throw error;
      const why = (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'is not there' : (error as Error).message;
      throw new ModelkeepError('INVALID_ARTIFACT', `${path} ${why}: ${this.directory} is no whole OCI image layout`, {
        cause: error,
      });
    }
  }
}

function ifThere(error: unknown): void {
  if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
}

function parse(name: string, text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new ModelkeepError('INVALID_ARTIFACT', `${name} of the layout is not JSON`, { cause: error });
  }
}
