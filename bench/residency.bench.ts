/**
 * `npm run bench -- residency [--json] [--quick] [--only SECTION]`: memory and speed of one warm copy. Each section runs in a process
 * of its own, so that none finds what another left behind.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Figures } from './figures.js';
import { benchLoading } from './residency-loading.js';
import { benchFineTunes, benchHeads } from './residency-memory.js';
import { benchBeside, benchSwaps } from './residency-serving.js';
import { prepareModels } from './prepare.js';
import { benchBudget } from './residency-budget.js';
import { benchCycles } from './residency-cycles.js';

const SECTIONS: Readonly<Record<string, (figures: Figures, quick: boolean) => Promise<void>>> = {
  loading: benchLoading,
  heads: benchHeads,
  'fine-tunes': benchFineTunes,
  beside: benchBeside,
  swaps: benchSwaps,
  budget: benchBudget,
  cycles: benchCycles,
};

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
    section: { type: 'string' },
  },
});
const figures = new Figures(values.json);
const section = values.section === undefined ? undefined : SECTIONS[values.section];
if (values.section === 'prepare') {
  await prepareModels();
} else if (section === undefined) {
  figures.printMachine();
  const program = fileURLToPath(import.meta.url);
  const flags = [...(values.json ? ['--json'] : []), ...(values.quick ? ['--quick'] : [])];
  const names = Object.keys(SECTIONS).filter((name) => values.only === undefined || name === values.only);
  if (names.length === 0) throw new Error(`--only ${values.only}: there are ${Object.keys(SECTIONS).join(', ')}`);
  const ends = ['prepare', ...names].map(
    (name) =>
      spawnSync(process.execPath, [...process.execArgv, program, '--section', name, ...flags], { stdio: 'inherit' })
        .status,
  );
  process.exitCode = ends.every((status) => status === 0) ? 0 : 1;
} else {
  await section(figures, values.quick);
  process.exitCode = figures.missed === 0 ? 0 : 1;
}
