import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { PushOptions } from '../../src/app/index.js';
import { CaseBench } from '../integration/cases/case-bench.js';
import { flatNumbers, gapOf } from '../integration/cases/gap.js';

interface Package {
  readonly name: string;
  readonly options?: Partial<PushOptions>;
}

/** What `npm run test:packages` made of a package. */
interface Answered {
  readonly path: string;
  readonly inputs: unknown;
  readonly parameters: Record<string, unknown>;
  readonly answer: unknown;
}

const PACKAGES = JSON.parse(readFileSync(join(import.meta.dirname, 'packages.json'), 'utf8')) as readonly Package[];
const answers = process.env['MODELKEEP_PACKAGES'];
if (answers === undefined) console.warn('SKIPPED: npm run test:packages fetches the packages');

let cases: CaseBench;
beforeAll(async () => {
  cases = await CaseBench.open();
});
afterAll(() => cases.close());

function dot(one: readonly number[], other: readonly number[]): number {
  return one.reduce((sum, each, at) => sum + each * (other[at] ?? 0), 0);
}

function cosine(one: readonly number[], other: readonly number[]): number {
  return dot(one, other) / Math.sqrt(dot(one, one) * dot(other, other));
}

/** The smallest cosine of two lists of vectors. */
function leastCosine(found: unknown, expected: unknown): number {
  const [ours, theirs] = [found, expected].map((each) => (each as unknown[]).map(flatNumbers));
  return Math.min(...(ours ?? []).map((vector, at) => cosine(vector, theirs?.[at] ?? [])));
}

describe.skipIf(answers === undefined)('packages are published as they are, and answer as their libraries do:', () => {
  test.each(PACKAGES)('$name', { timeout: 300_000 }, async ({ name, options = {} }) => {
    const { path, inputs, parameters, answer } = JSON.parse(
      readFileSync(join(answers ?? '', `${name}.json`), 'utf8'),
    ) as Answered;
    const { record, warnings } = await cases.publish(path, options);
    const found = await (await cases.keep.load(record.model)).predict(inputs, { parameters });
    const gap = gapOf(found, answer);
    const alike = leastCosine(found, answer);
    console.log(
      `${name}: ${record.task}, gap ${gap.toExponential(1)}, cosine ${alike.toFixed(6)}; ${warnings.join('; ')}`,
    );
    expect(gap <= 1e-4 || alike >= 0.9999, `${name}: ${gap}, ${alike}`).toBe(true);
  });
});
