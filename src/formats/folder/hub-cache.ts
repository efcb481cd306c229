import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { ModelkeepError } from '../../core/index.js';

/** A snapshot of a repository in a Hugging Face cache. */
export interface Snapshot {
  readonly directory: string;
  /** Its commit, and which one it is. */
  readonly which: string;
}

/**
 * Chooses the snapshot of a repository's folder in a Hugging Face cache (`models--org--name`): what its branch `main`
 * was at the last download, else the newest.
 *
 * @throws ModelkeepError `INVALID_ARTIFACT` if no snapshot is there
 */
export function chooseSnapshot(repository: string): Snapshot {
  const folder = join(repository, 'snapshots');
  const commits = readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name);
  const main = mainOf(repository);
  if (main !== undefined && commits.includes(main))
    return { directory: join(folder, main), which: `snapshot ${main.slice(0, 12)}, which is main` };
  const [newest, more] = commits
    .map((name) => ({ name, time: statSync(join(folder, name)).mtimeMs }))
    .toSorted((a, b) => b.time - a.time || (a.name < b.name ? -1 : 1));
  if (newest !== undefined) {
    const which = more === undefined ? 'the only one' : `the newest of ${commits.length}`;
    return { directory: join(folder, newest.name), which: `snapshot ${newest.name.slice(0, 12)}, ${which}` };
  }
  throw new ModelkeepError(
    'INVALID_ARTIFACT',
    `${repository} is a repository of a Hugging Face cache without a snapshot. Download the model again`,
  );
}

function mainOf(repository: string): string | undefined {
  try {
    return readFileSync(join(repository, 'refs', 'main'), 'utf8').trim();
  } catch {
    // Without a branch the newest snapshot is taken.
    return undefined;
  }
}
