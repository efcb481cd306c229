import { copyFileSync, mkdirSync, realpathSync, statSync, symlinkSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { MAX_FILES, ModelkeepError } from '../core/index.js';

/** Most bytes of the files in an archive: 16 GiB, four times what the largest checkpoint of the served families has. */
export const MAX_ARCHIVE_BYTES = 16 * 2 ** 30;
/** Bytes that any archive may unpack to, and how many times its own size a larger one may. */
const ALWAYS_UNPACKED_BYTES = 256 * 1024 * 1024;
const MAX_RATIO = 200;

/** An entry of an archive before it is written. */
export interface ArchiveEntry {
  /** As the archive has it. */
  readonly path: string;
  /** Anything but a file, a folder or a link, such as a device, is `other`. */
  readonly kind: 'file' | 'folder' | 'link' | 'other';
  readonly size: number;
  /** Of a link: what it points at, as the archive has it. */
  readonly target?: string | undefined;
}

/** A link of an archive, to be made once the files are there. */
export interface ArchiveLink {
  /** Inside of the archive's folder, with `/` between parts. */
  readonly path: string;
  /** What it points at, inside of that folder too; absent: something outside. */
  readonly target: string | undefined;
}

/** Says why an entry may not be written; undefined: it may. May throw a ModelkeepError instead. */
export type RefuseEntry = (entry: ArchiveEntry) => string | undefined;

/** How many bytes an archive of a size may unpack to. */
export function unpackedBytesOf(archiveBytes: number): number {
  return Math.min(MAX_ARCHIVE_BYTES, Math.max(ALWAYS_UNPACKED_BYTES, MAX_RATIO * archiveBytes));
}

/**
 * Allows files and folders whose paths stay inside, each once, up to bounds, and collects links.
 * Whether a name is one that every system can hold is for the listing to say.
 *
 * @param maxBytes of all files together
 */
export function boundedEntries(maxBytes: number): RefuseEntry & { readonly links: readonly ArchiveLink[] } {
  const seen = new Set<string>();
  const links: ArchiveLink[] = [];
  let bytes = 0;
  const refuse: RefuseEntry = ({ path, kind, size, target }) => {
    if (kind === 'other') return 'which is neither a file nor a folder: pack files instead';
    const inside = path.replace(/^(?:\.\/)+/, '').replace(/\/+$/, '');
    if (inside === '.' || (inside === '' && path !== '')) return kind === 'folder' ? undefined : 'which has no name';
    const why = whyOutside(inside);
    if (why !== undefined) return why;
    if (kind === 'folder') return undefined;
    if (seen.has(inside)) return 'twice';
    seen.add(inside);
    bytes += size;
    if (seen.size > MAX_FILES) return `and more than ${MAX_FILES} files`;
    if (bytes > maxBytes) return `and more than ${maxBytes} bytes`;
    if (kind !== 'link') return undefined;
    links.push({ path: inside, target: target === undefined || whyOutside(target) !== undefined ? undefined : target });
    return undefined;
  };
  return Object.assign(refuse, { links });
}

function whyOutside(path: string): string | undefined {
  if (path === '' || path.includes('\0')) return 'which is no path';
  if (path.startsWith('/') || /^[A-Za-z]:[/\\]/.test(path)) return 'which is absolute';
  if (path.split(/[/\\]/).includes('..')) return 'which leaves it';
  if (path.length > 4_000 || path.split('/').some((part) => Buffer.byteLength(part) > 255))
    return 'whose name is too long';
  return undefined;
}

/** What a symbolic link at a path of an archive points at, as a path of the archive; it may begin with `..`. */
export function targetOf(path: string, link: string): string {
  return link.startsWith('/') ? link : posix.normalize(posix.join(posix.dirname(path.replace(/^(?:\.\/)+/, '')), link));
}

/** What a link of an archive points at that has no file in it: a name that nothing has. */
const NOTHING = '.link-to-nothing';

/**
 * Puts the files that links of an archive point at in their places. A link to nothing, or to something outside, becomes a
 * link to nothing: what is made of one is for the listing to say.
 */
export function makeLinks(folder: string, links: readonly ArchiveLink[]): void {
  const root = realpathSync(folder);
  for (const { path, target } of links) {
    const to = join(root, path);
    mkdirSync(dirname(to), { recursive: true, mode: 0o700 });
    const from = target === undefined ? undefined : join(root, target);
    if (from !== undefined && statSync(from, { throwIfNoEntry: false })?.isFile() === true) copyFileSync(from, to);
    else symlinkSync(NOTHING, to);
  }
}

/** The error of an archive that holds what it may not. */
export function refusedEntry(name: string, path: string, why: string): ModelkeepError {
  return new ModelkeepError('INVALID_ARTIFACT', `${name} holds ${JSON.stringify(path.slice(0, 200))}, ${why}`);
}
