import { randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { digestHex, type Segment } from '../../core/index.js';
import type { SegmentStorage } from '../ledger/store.js';
import { processStart } from './process-start.js';

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException | undefined)?.code === 'ENOENT';
}

async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Segments as read-only files below `segments/`, written in `partial/` and renamed into place. */
export function directorySegments(directory: string): SegmentStorage {
  const folderOf = (segment: Segment): string => join(directory, 'segments', digestHex(segment.digest).slice(0, 2));
  const fileOf = (segment: Segment): string => join(folderOf(segment), digestHex(segment.digest));
  const sizeOf = async (segment: Segment): Promise<number | undefined> => {
    try {
      return (await stat(fileOf(segment))).size;
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  };
  return {
    // A file of another size is damaged: publishing writes it anew.
    has: async (segment) => (await sizeOf(segment)) === segment.size,
    write: async (segment, bytes) => {
      const owner = `${process.pid}.${(await processStart(process.pid)) ?? 'unknown'}`;
      const name = `${digestHex(segment.digest)}.${owner}.${randomBytes(6).toString('hex')}`;
      const partial = join(directory, 'partial', name);
      try {
        const handle = await open(partial, 'wx', 0o444);
        try {
          for await (const part of bytes) await handle.writeFile(part);
          await handle.sync();
        } finally {
          await handle.close();
        }
        await mkdir(folderOf(segment), { recursive: true, mode: 0o700 });
        await rename(partial, fileOf(segment));
        await syncDirectory(folderOf(segment));
      } catch (error) {
        await rm(partial, { force: true });
        throw error;
      }
    },
    settle: async () => syncDirectory(join(directory, 'segments')),
    read: async (segment, start) => {
      if ((await sizeOf(segment)) === undefined) return undefined;
      return createReadStream(fileOf(segment), { start, highWaterMark: 1024 * 1024 });
    },
    file: async (segment) => ((await sizeOf(segment)) === segment.size ? fileOf(segment) : undefined),
  };
}

/** Removes what dead processes left in `partial/`; files of living ones stay. */
export async function sweepPartial(directory: string): Promise<void> {
  const folder = join(directory, 'partial');
  for (const name of await readdir(folder)) {
    const [, pid = '', start] = name.split('.');
    const running = await processStart(Number(pid));
    if (running !== undefined && (running === start || start === 'unknown')) continue;
    await rm(join(folder, name), { force: true });
  }
}
