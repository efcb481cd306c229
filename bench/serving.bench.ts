/**
 * `npm run bench -- serving [--json] [--quick] [--only SECTION]`: a server with a real model beside a loop without one;
 * what it does with four times the load that it can take; and what a new version under load costs its clients.
 */
import { fileURLToPath } from 'node:url';
import { runSections } from './sections.js';
import { prepareServing } from './serving-models.js';
import { benchOverload } from './serving-overload.js';
import { benchSpeed } from './serving-speed.js';
import { benchSwap } from './serving-swap.js';

await runSections(
  fileURLToPath(import.meta.url),
  { speed: benchSpeed, overload: benchOverload, swap: benchSwap },
  prepareServing,
);
