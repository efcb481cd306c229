import { createHash, randomBytes } from 'node:crypto';
import { readdir, rm, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { isMissing } from './durable.js';
import { processStart } from './process-start.js';

/** How long a file of another machine is left alone after its last byte, in ms: a day, in which any disk answers. */
const FOREIGN_MAX_AGE_MS = 24 * 60 * 60 * 1_000;

/** This machine (or container) in 8 digits: process numbers of another one mean nothing here. */
function host(): string {
  return createHash('sha256').update(hostname()).digest('hex').slice(0, 8);
}

/** A new file in `partial/`, named for what it becomes and for the process that writes it. */
export async function partialFile(directory: string, becomes: string): Promise<string> {
  const start = (await processStart(process.pid)) ?? 'unknown';
  const name = [becomes, host(), process.pid, start, randomBytes(6).toString('hex')].join('.');
  return join(directory, 'partial', name);
}

async function isLeft(folder: string, name: string): Promise<boolean> {
  const [, machine, pid, start] = name.split('.');
  if (machine !== host()) {
    try {
      return Date.now() - (await stat(join(folder, name))).mtimeMs > FOREIGN_MAX_AGE_MS;
    } catch (error) {
      if (isMissing(error)) return false;
      throw error;
    }
  }
  const running = await processStart(Number(pid));
  // Where the system does not say when a process started, its number has to do.
  return running === undefined || (running !== start && running !== 'unknown' && start !== 'unknown');
}

/** Removes what dead processes left in `partial/`; files of living ones stay. */
export async function sweepPartial(directory: string): Promise<void> {
  const folder = join(directory, 'partial');
  for (const name of await readdir(folder)) {
    if (await isLeft(folder, name)) await rm(join(folder, name), { force: true });
  }
}
