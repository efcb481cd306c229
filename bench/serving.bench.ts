/**
 * `npm run bench -- serving [--json] [--quick] [--only SECTION]`: a server with a real model beside a loop without one;
 * what it does with four times the load that it can take; what a new version under load costs its clients; and what kept
 * answers give.
 */
import { fileURLToPath } from 'node:url';
import { runSections } from './sections.js';
import { benchCache } from './serving-cache.js';
import { prepareServing } from './serving-models.js';
import { benchOverload } from './serving-overload.js';
import { benchSpeed } from './serving-speed.js';
import { benchSwap } from './serving-swap.js';

await runSections(
  fileURLToPath(import.meta.url),
  { speed: benchSpeed, overload: benchOverload, swap: benchSwap, cache: benchCache },
  prepareServing,
);
