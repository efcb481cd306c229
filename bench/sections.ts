/** How a benchmark of several sections is run: each in a process of its own, so that none finds what another left behind. */
import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { Figures } from './figures.js';

/** One part of a benchmark. */
export type Section = (figures: Figures, quick: boolean) => Promise<void>;

/**
 * Runs the sections that the command line names, or all; `--json`, `--quick` and `--only SECTION` are read from it.
 *
 * @param program path of the benchmark's own file
 * @param prepare makes what the sections need, in a process of its own too, whose memory must not be measured
 */
export async function runSections(
  program: string,
  sections: Readonly<Record<string, Section>>,
  prepare: () => Promise<void>,
): Promise<void> {
  const { values } = parseArgs({
    options: {
      json: { type: 'boolean', default: false },
      quick: { type: 'boolean', default: false },
      only: { type: 'string' },
      section: { type: 'string' },
    },
  });
  const { json, quick, only, section } = values;
  const figures = new Figures(json);
  if (section === 'prepare') return prepare();
  const own = section === undefined ? undefined : sections[section];
  if (own !== undefined) {
    await own(figures, quick);
    process.exitCode = figures.missed === 0 ? 0 : 1;
    return;
  }
  figures.printMachine();
  const names = Object.keys(sections).filter((name) => only === undefined || name === only);
  if (names.length === 0) throw new Error(`--only ${only}: there are ${Object.keys(sections).join(', ')}`);
  const flags = [...(json ? ['--json'] : []), ...(quick ? ['--quick'] : [])];
  const ends = ['prepare', ...names].map((name) => {
    const args = [...process.execArgv, program, '--section', name, ...flags];
    return spawnSync(process.execPath, args, { stdio: 'inherit' }).status;
  });
  process.exitCode = ends.every((status) => status === 0) ? 0 : 1;
}
