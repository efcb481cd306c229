import { readFileSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { CompiledCache, SegmentCache } from '../../src/cache/index.js';
import { digestOf } from '../../src/core/index.js';
import { openSegmentFiles, planSession, type SessionPlan } from '../../src/formats/index.js';
import { push } from '../../src/registry/index.js';
import { COMPILED_GRAPH, compileTarget, compileVersion } from '../../src/runners/index.js';
import { openLocalStore } from '../../src/stores/index.js';

const FIXTURES = fileURLToPath(new URL('../fixtures/', import.meta.url));
const MODELS = [
  'archs/bert',
  'archs/camembert',
  'archs/distilbert',
  'archs/electra',
  'archs/roberta',
  'archs/xlm-roberta',
  'archs/albert',
  'archs/modernbert',
  'archs/mpnet',
  'archs/deberta-v2',
  'sentiment/v1',
  'sentiment/v2',
  'sentiment/v3-head',
  'sentiment/v2-onnx',
  'tasks/embeddings',
  'tasks/fill-mask',
  'tasks/ner',
  'tasks/qa',
  'tasks/zero-shot',
];

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'modelkeep-compile-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function provide(model: string) {
  const store = await openLocalStore({ directory: join(folder, 'store') });
  try {
    const cache = await SegmentCache.open({ directory: join(folder, 'cache'), maxBytes: 1e9 });
    const { record } = await push(store, join(FIXTURES, model), { name: 'fixture' });
    const manifest = await store.readManifest(record);
    await cache.pull(store, record, manifest);
    return { manifest, segmentsFolder: cache.folder, digest: record.digest ?? digestOf(model) };
  } finally {
    await store.close();
  }
}

function feedsOf(plan: SessionPlan, rows: number, tokens: number): Record<string, Tensor> {
  return Object.fromEntries(
    plan.inputs.map(({ name }) => {
      const value = (at: number): bigint =>
        name === 'input_ids' ? BigInt((at * 7) % 30) : name === 'attention_mask' ? 1n : 0n;
      const data = BigInt64Array.from({ length: rows * tokens }, (_, at) => value(at));
      return [name, new Tensor('int64', data, [rows, tokens])];
    }),
  );
}

async function answer(model: Uint8Array | string, plan: SessionPlan, options: InferenceSession.SessionOptions) {
  // The overloads for paths and for bytes do not take either.
  const session = await InferenceSession.create(model as string, {
    intraOpNumThreads: 1,
    logSeverityLevel: 3,
    ...options,
  });
  try {
    const answers: unknown[] = [];
    for (const [rows, tokens] of [
      [1, 3],
      [1, 17],
      [3, 24],
    ] as const) {
      const results = await session.run(feedsOf(plan, rows, tokens));
      answers.push(Object.fromEntries(Object.entries(results).map(([name, { data, dims }]) => [name, { data, dims }])));
    }
    return answers;
  } finally {
    await session.release();
  }
}

describe('a compiled version', () => {
  test.each(MODELS)('of %s answers as the uncompiled one does, bit for bit', async (model) => {
    const { manifest, segmentsFolder, digest } = await provide(model);
    const cache = await CompiledCache.open({ directory: join(folder, 'cache'), target: await compileTarget() });
    const compiled = await cache.ensure(digest, (into, options) =>
      compileVersion({ manifest, segmentsFolder, folder: into }, options),
    );
    const plan = await planSession(openSegmentFiles(manifest, segmentsFolder));
    const external =
      plan.externalDataFolder === undefined
        ? {}
        : { model_external_initializers_file_folder_path: `${plan.externalDataFolder}/` };
    const expected = await answer(plan.graph, plan, { extra: { session: external } });
    const found = await answer(join(compiled, COMPILED_GRAPH), plan, { graphOptimizationLevel: 'disabled' });
    expect(found).toEqual(expected);
    expect(expected).toHaveLength(3);
  });

  test('shares the files of equal tensors with another version', async () => {
    const cache = await CompiledCache.open({ directory: join(folder, 'cache'), target: await compileTarget() });
    const tensorsOf = async (model: string): Promise<string[]> => {
      const { manifest, segmentsFolder, digest } = await provide(model);
      const at = await cache.ensure(digest, (into) => compileVersion({ manifest, segmentsFolder, folder: into }));
      return (await readdir(at)).filter((name) => name.length === 64);
    };
    const first = await tensorsOf('sentiment/v2');
    const second = await tensorsOf('sentiment/v3-head');
    const kept = await readdir(join(folder, 'cache', 'tensors'));
    expect(new Set(kept)).toEqual(new Set([...first, ...second]));
    expect(kept.length).toBeLessThan(first.length + second.length);
  });

  test('of damaged segments is refused, and nothing of it is left', async () => {
    const { manifest, digest } = await provide('sentiment/v1');
    const cache = await CompiledCache.open({ directory: join(folder, 'cache'), target: 'any' });
    const compiling = cache.ensure(digest, (into) =>
      compileVersion({ manifest, segmentsFolder: join(folder, 'nowhere'), folder: into }),
    );
    await expect(compiling).rejects.toMatchObject({ name: 'ModelkeepError' });
    expect(await readdir(join(folder, 'cache', 'compiled'))).toEqual([]);
    expect(await readdir(join(folder, 'cache', 'partial'))).toEqual([]);
  });

  test('is for this processor and this release of the runtime', async () => {
    const { version } = JSON.parse(
      readFileSync(new URL('../../node_modules/onnxruntime-node/package.json', import.meta.url), 'utf8'),
    ) as { version: string };
    expect(await compileTarget()).toContain(`onnxruntime ${version}; ${process.arch} `);
  });

  test('is given up at once when its caller gives up', async () => {
    const { manifest, segmentsFolder } = await provide('sentiment/v1');
    const compiling = compileVersion({ manifest, segmentsFolder, folder }, { signal: AbortSignal.abort() });
    await expect(compiling).rejects.toMatchObject({ code: 'CANCELLED' });
    await expect(readFile(join(folder, COMPILED_GRAPH))).rejects.toMatchObject({ code: 'ENOENT' });
  });
});
