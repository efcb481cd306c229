// Publishes one version and is killed while it does. Arguments: the store's URL, the model, a folder with the files and
// `manifest.json`. Says `ready`, waits for a line, then says `progress` after each piece and `done` at the end.
import { createReadStream, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { once } from 'node:events';
import { openMongoStore } from '../../../dist/stores/mongodb/open.js';

const [url, model, folder] = process.argv.slice(2);
const manifest = JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8'));
const store = await openMongoStore({ url });
writeSync(1, 'ready\n');
await once(process.stdin, 'data');
const source = {
  open: (path, { start, end }) => createReadStream(join(folder, path), { start, end: end - 1, highWaterMark: 65_536 }),
};
await store.publish({ model, manifest }, source, { onProgress: () => writeSync(1, 'progress\n') });
writeSync(1, 'done\n');
await store.close();
process.stdin.destroy();
