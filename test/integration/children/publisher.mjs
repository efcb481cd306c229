/**
 * Publishes versions until it has made as many as asked, or is killed. Waits for a line on standard input, then says on
 * standard output what it does, a line of JSON each: {"begin": seed}, {"progress": seed}, {"version": number, "seed"}.
 *
 * Arguments: the store's directory, the model, the seed of the contents, the number of versions.
 */
import { once } from 'node:events';
import { writeSync } from 'node:fs';
import { openLocalStore } from '../../../dist/stores/index.js';
import { seededContents } from './seeded-contents.mjs';

const [directory = '', model = '', seed = '', count = '1'] = process.argv.slice(2);

/** Written at once, so that what was said before a kill is heard. */
function say(what) {
  writeSync(1, `${JSON.stringify(what)}\n`);
}

const store = await openLocalStore({ directory });
say({ open: true });
await once(process.stdin, 'data');
for (let index = 0; index < Number(count); index += 1) {
  const own = `${seed}-${index}`;
  const { manifest, source } = seededContents(own);
  say({ begin: own });
  const { record } = await store.publish({ model, manifest }, source, { onProgress: () => say({ progress: own }) });
  say({ version: record.version, seed: own });
}
await store.close();
process.stdin.destroy();
