/** `npm run bench -- residency [--json] [--quick] [--only SECTION]`: memory and speed of one warm copy. */
import { fileURLToPath } from 'node:url';
import { benchLoading } from './residency-loading.js';
import { benchFineTunes, benchHeads } from './residency-memory.js';
import { benchBeside, benchSwaps } from './residency-serving.js';
import { prepareModels } from './prepare.js';
import { benchBudget } from './residency-budget.js';
import { benchCycles } from './residency-cycles.js';
import { runSections } from './sections.js';

await runSections(
  fileURLToPath(import.meta.url),
  {
    loading: benchLoading,
    heads: benchHeads,
    'fine-tunes': benchFineTunes,
    beside: benchBeside,
    swaps: benchSwaps,
    budget: benchBudget,
    cycles: benchCycles,
  },
  prepareModels,
);
