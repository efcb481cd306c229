/**
 * Delivers the webhooks of a store until it is killed or its standard input ends.
 *
 * Argument: the store's directory.
 */
import { once } from 'node:events';
import { openLocalStore } from '../../../dist/stores/index.js';
import { Deliverer } from '../../../dist/webhooks/index.js';

const [directory = ''] = process.argv.slice(2);
const store = await openLocalStore({ directory });
const deliverer = new Deliverer(store, { allowPrivate: true, pollMs: 20, leaseMs: 400, firstRetryMs: 10 });
process.stdin.resume();
await once(process.stdin, 'end');
await deliverer.close();
await store.close();
