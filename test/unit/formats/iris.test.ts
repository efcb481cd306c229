import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Tensor } from 'onnxruntime-node';
import { expect, test } from 'vitest';
import { openDirectoryFiles, planSession } from '../../../src/formats/index.js';
import { largestGap, numbers, openSession } from './session.js';

const IRIS = join(import.meta.dirname, '../../fixtures/iris');
const golden = JSON.parse(readFileSync(join(IRIS, 'golden.json'), 'utf8')) as { readonly data: readonly number[][] };

async function run(file: string) {
  const plan = await planSession(openDirectoryFiles(IRIS, [file]));
  const session = await openSession(plan);
  const [input] = plan.inputs;
  const data = new Tensor('float32', Float32Array.from(golden.data.flat()), [golden.data.length, 4]);
  const results = await session.run({ [input?.name ?? '']: data });
  await session.release();
  return { plan, results };
}

function scores({ plan, results }: Awaited<ReturnType<typeof run>>): number[] {
  return numbers(results, plan.outputs[1]?.name ?? '');
}

test.each(['v1', 'v2'])('a ZipMap is cut off the graph of mymodel_%s', async (version) => {
  const mapped = await run(`mymodel_${version}.onnx`);
  const plain = await run(`mymodel_${version}_nozipmap.onnx`);
  expect(mapped.plan.outputs.map(({ type }) => type)).toEqual(['int64', 'float32']);
  expect(mapped.plan.outputs[1]?.dims).toEqual([-1, 3]);
  expect(scores(mapped)).toHaveLength(450);
  expect(largestGap(scores(mapped), scores(plain))).toBe(0);
});
