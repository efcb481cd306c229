import { closeSync, openSync, readSync } from 'node:fs';
import { scanPickle, type PickleReport } from './joblib/scan.js';
import { ZIP_MAGIC } from './skops/archive.js';
import { scanSkops } from './skops/scan.js';

function isZip(path: string): boolean {
  const handle = openSync(path, 'r');
  try {
    const head = Buffer.alloc(ZIP_MAGIC.length);
    readSync(handle, head);
    return head.equals(Buffer.from(ZIP_MAGIC));
  } finally {
    closeSync(handle);
  }
}

/**
 * Reads what a pickled model (joblib or pickle) or a skops file would import, without loading any of it. Which of them
 * it is, its contents say, as they do where it is loaded; but a file named `.skops` must be one.
 *
 * @param path the file on this machine
 * @param name its name, for messages
 * @throws ModelkeepError `INVALID_ARTIFACT` for a file that is neither
 */
export async function scanModelFile(path: string, name: string): Promise<PickleReport> {
  return name.endsWith('.skops') || isZip(path) ? scanSkops(path, name) : scanPickle(path, name);
}
