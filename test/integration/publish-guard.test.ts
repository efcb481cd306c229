import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exportOci, importOci, parseReference, type PushOptions } from '../../src/app/index.js';
import { ModelkeepError } from '../../src/core/index.js';
import { CaseBench, changeJson } from './cases/case-bench.js';

let cases: CaseBench;
beforeAll(async () => {
  cases = await CaseBench.open();
});
afterAll(() => cases.close());

const LABELS = { 0: 'bad', 1: 'so-so', 2: 'good' };

/** The classifier of archs/bert with other names for its labels. */
function relabelled(): string {
  const folder = cases.copyOf('archs/bert');
  changeJson(join(folder, 'config.json'), (json) => ({
    ...(json as object),
    id2label: LABELS,
    label2id: { bad: 0, 'so-so': 1, good: 2 },
  }));
  return folder;
}

/** The same model in another folder, so that its contents are not those of the newest version. */
function withReadme(fixture: string): string {
  const folder = cases.copyOf(fixture);
  changeJson(join(folder, 'config.json'), (json) => ({ ...(json as object), _name_or_path: 'elsewhere' }));
  return folder;
}

async function refusedAfter(
  first: string,
  second: string,
  options: Partial<PushOptions> = {},
): Promise<ModelkeepError> {
  const name = cases.fresh();
  await cases.publish(first, { name });
  const error = await cases.publish(second, { name, ...options }).catch((thrown: unknown) => thrown);
  if (!(error instanceof ModelkeepError)) throw new Error(`It was not refused: ${String(error)}`);
  expect((await cases.store.listVersions({ model: name })).map(({ version }) => version)).toEqual([1]);
  return error;
}

describe('a push that answers otherwise than the newest version is refused, and what differs is named:', () => {
  it.each<[string, () => string, () => string, string]>([
    [
      'another task',
      () => cases.copyOf('archs/bert'),
      () => cases.copyOf('tasks/ner'),
      'its task is token-classification, not text-classification',
    ],
    [
      'other labels',
      () => cases.copyOf('archs/bert'),
      relabelled,
      'it has the labels bad, so-so, good, not the labels negative, neutral, positive',
    ],
    [
      'no tokenizer',
      () => cases.copyOf('archs/bert'),
      () => {
        const folder = cases.copyOf('archs/bert');
        for (const name of ['tokenizer.json', 'vocab.txt']) rmSync(join(folder, name));
        return folder;
      },
      'it takes tensors only, and that one is asked for text-classification',
    ],
    [
      'vectors of another length',
      () => cases.copyOf('tasks/embeddings'),
      () => cases.copyOf('tasks/static/words'),
      'its vectors have 8 numbers, not 64',
    ],
  ])('%s', async (_, first, second, words) => {
    const refused = await refusedAfter(first(), second());
    expect(refused).toMatchObject({ code: 'GATE_FAILED', details: { differences: [words] } });
    expect(refused.message).toMatch(/case-\d+:1, which case-\d+ now means/);
  });
});

describe('a push that answers otherwise', () => {
  it('is published with --force, and its warning is kept with it', async () => {
    const name = cases.fresh();
    await cases.publish(cases.copyOf('archs/bert'), { name });
    const { record, warnings } = await cases.publish(relabelled(), { name, force: true });
    expect([record.version, warnings]).toEqual([2, [expect.stringContaining('it has the labels bad, so-so, good')]]);
    // Now those are its labels.
    await expect(cases.publish(withReadme('archs/bert'), { name })).rejects.toMatchObject({ code: 'GATE_FAILED' });
  });

  it.each(['warn', 'allow'] as const)('is published where the rule of the model is %s', async (changes) => {
    const name = cases.fresh();
    await cases.publish(cases.copyOf('archs/bert'), { name });
    expect(await cases.keep.registry.publishing(name)).toEqual({ model: name, changes: 'refuse' });
    await cases.keep.registry.setPublishing({ model: name, changes });
    const { record, warnings } = await cases.publish(cases.copyOf('tasks/ner'), { name });
    expect([record.version, warnings.length]).toEqual([2, changes === 'warn' ? 1 : 0]);
    const wrong = { model: name, changes: 'never' as 'warn' };
    await expect(cases.keep.registry.setPublishing(wrong)).rejects.toMatchObject({ details: { field: 'changes' } });
  });

  it('is refused by an import of an image layout, too, and published with force', async () => {
    const [other, name] = [cases.fresh(), cases.fresh()];
    await cases.publish(cases.copyOf('tasks/ner'), { name: other });
    await cases.publish(cases.copyOf('archs/bert'), { name });
    const layout = join(cases.folder(), 'layout');
    await exportOci(cases.store, parseReference(other), layout);
    await expect(importOci(cases.store, layout, { name })).rejects.toMatchObject({ code: 'GATE_FAILED' });
    expect((await importOci(cases.store, layout, { name, force: true })).record.version).toBe(2);
  });

  it('is nothing new where the first version is archived, or was published by others without a task', async () => {
    const name = cases.fresh();
    await cases.publish(cases.copyOf('archs/bert'), { name });
    await cases.store.setState(name, 1, 'archived', {});
    expect((await cases.publish(cases.copyOf('tasks/ner'), { name })).record.version).toBe(2);
  });
});

describe('a push that answers as the newest version does', () => {
  it.each(['archs/bert', 'tasks/embeddings', 'tasks/qa'])('is published: %s, trained anew', async (fixture) => {
    const name = cases.fresh();
    await cases.publish(cases.copyOf(fixture), { name });
    const { record, warnings } = await cases.publish(withReadme(fixture), { name });
    expect([record.version, warnings]).toEqual([2, []]);
  });

  it('is compared with what config.json of a version says that was published before pushes kept it', async () => {
    const name = cases.fresh();
    const { record } = await cases.publish(cases.copyOf('archs/bert'), { name: cases.fresh() });
    const manifest = await cases.store.readManifest(record);
    const { model } = await cases.copyWithoutReport(record, manifest, name);
    expect(model).toBe(name);
    expect((await cases.publish(withReadme('archs/bert'), { name })).record.version).toBe(2);
    await expect(cases.publish(relabelled(), { name })).rejects.toMatchObject({ code: 'GATE_FAILED' });
  });
});

describe('what a push understood', () => {
  it('is told by its result and kept with the version', async () => {
    const { record, understood } = await cases.publish(cases.copyOf('tasks/embeddings'));
    expect(understood).toEqual({
      family: 'bert',
      head: 'Model',
      task: 'sentence-embeddings',
      tokenizer: 'BertTokenizer of tokenizer.json',
      maxTokens: 96,
      pooling: 'mean, normalized',
      width: 64,
      precision: 'fp32',
    });
    expect(record.metadata['understood']).toEqual(understood);
  });
});
