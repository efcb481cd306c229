import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openStore, push, type Modelkeep } from '../../src/app/index.js';
import { DiskBudget } from '../../src/cache/index.js';
import { parseRequirements } from '../../src/formats/index.js';
import { PythonEnvironments } from '../../src/runners/index.js';
import { golden, IRIS, matrix, numbersOf, pickleHome, sklearnPython, type PickleHome } from './joblib-harness.js';

const run = promisify(execFile);
/** Fits on the iris rows, writes the model and prints its release and what it says of the rows. */
const FIT = `
import json, sys
sys.path.append(sys.argv[1])
import joblib, sklearn
from sklearn.linear_model import LogisticRegression
given = json.load(open(sys.argv[2]))
model = LogisticRegression(max_iter=1000).fit(given["data"], given["labels"])
model.written_by = sklearn.__version__
joblib.dump(model, sys.argv[3])
print(json.dumps([sklearn.__version__, model.predict(given["data"]).tolist()]))
`;

let python: string;
let home: PickleHome;
let wheelhouse: string;
let requirements: readonly string[];
let environments: string;
let never: AbortSignal;

interface Wheels {
  readonly wheelhouse: string;
  readonly requirements: readonly string[];
  readonly environments: string;
}

beforeAll(async () => {
  python = await sklearnPython();
  const script = fileURLToPath(new URL('../../scripts/sklearn-environment.mjs', import.meta.url));
  const module = (await import(pathToFileURL(script).href)) as { findWheelhouse(): Promise<Wheels> };
  ({ wheelhouse, requirements, environments } = await module.findWheelhouse());
  home = pickleHome();
  // Environments outlive this test, as they outlive a node.
  mkdirSync(environments, { recursive: true });
  mkdirSync(join(home.folder, 'cache'));
  symlinkSync(environments, join(home.folder, 'cache', 'environments'));
  never = new AbortController().signal;
}, 400_000);

afterAll(() => home[Symbol.dispose]());

async function publish(model: string, file: string, ...lines: readonly string[]): Promise<void> {
  const list = join(home.folder, `${model}.txt`);
  writeFileSync(list, lines.join('\n'));
  await using store = await openStore(home.store);
  await push(store, file, { name: model, requirements: list });
}

async function labelsOf(keep: Modelkeep, model: string): Promise<readonly number[]> {
  const { tensors } = await keep.parts.service.infer(model, { tensors: matrix(golden.data) });
  return numbersOf(tensors.predict);
}

it('answers with two releases of scikit-learn from one node, and ends what no version uses', async () => {
  const folder = join(home.folder, 'cache', 'environments');
  const maker = new PythonEnvironments({ python, directory: folder, wheelhouse });
  const made = await maker.ensure(parseRequirements(requirements.join('\n')), never);
  const old = join(home.folder, 'old.joblib');
  const given = join(home.folder, 'given.json');
  writeFileSync(given, JSON.stringify({ data: golden.data, labels: golden.models.mymodel_v1.predict }));
  const { stdout } = await run(made.python, ['-I', '-c', FIT, made.packages, given, old], { timeout: 60_000 });
  const [release, oldLabels] = JSON.parse(stdout) as [string, number[]];
  expect(release).toBe('1.5.2');
  await publish('old', old, '# what it was fitted with', ...requirements.toReversed());
  await home.publishIris('new', 'mymodel_v1.joblib');

  await using keep = await home.open(python, { wheelhouse });
  expect(await Promise.all([labelsOf(keep, 'old'), labelsOf(keep, 'new')])).toEqual([
    oldLabels,
    golden.models.mymodel_v1.predict,
  ]);
  const { pickles, residency } = keep.parts;
  const told = await Promise.all((pickles?.runners ?? []).map((runner) => runner.call('stats', { op: 'stats' })));
  const releases = told.map(({ result }) => String(result.packages?.['scikit-learn']));
  expect(new Set(releases)).toEqual(new Set(['1.5.2', '1.9.1']));
  const resident = residency.residents.find(({ record }) => record.model === 'old');
  await residency.release(resident?.record.id ?? '');
  expect(pickles?.runners).toHaveLength(1);
  // It comes back when it is asked for again.
  expect(await labelsOf(keep, 'old')).toEqual(oldLabels);
}, 300_000);

describe('an environment', () => {
  it('is made once by two at a time, from the wheelhouse alone, and nothing unfinished is left', async () => {
    const directory = join(home.folder, 'made');
    const lines: string[] = [];
    const options = { python, directory, wheelhouse, onLog: (line: string): void => void lines.push(line) };
    const wanted = ['threadpoolctl==3.5.0'];
    const makers = [new PythonEnvironments(options), new PythonEnvironments(options)];
    const found = await Promise.all(makers.map((maker) => maker.ensure(wanted, never)));
    expect(found[0]).toEqual(found[1]);
    expect(readdirSync(directory)).toEqual([await makers[0]?.digestOf(wanted)]);
    expect(readdirSync(found[0]?.packages ?? '')).toContain('threadpoolctl.py');
    // Begun and made, by one of them.
    expect(lines).toHaveLength(2);
  }, 120_000);

  it('that lacks a package says which, and the node serves on', async () => {
    await publish('missing', join(IRIS, 'mymodel_v1.joblib'), 'no-such-package-of-modelkeep==1.0');
    await publish('bare', join(IRIS, 'mymodel_v1.joblib'), 'threadpoolctl==3.5.0');
    await home.publishIris('served', 'mymodel_v1.joblib');
    await using keep = await home.open(python, { wheelhouse });
    const refused = labelsOf(keep, 'missing');
    await expect(refused).rejects.toMatchObject({ code: 'LOAD_FAILED' });
    await expect(refused).rejects.toThrow('no-such-package-of-modelkeep==1.0');
    const bare = labelsOf(keep, 'bare');
    await expect(bare).rejects.toMatchObject({ code: 'LOAD_FAILED' });
    await expect(bare).rejects.toThrow('scikit-learn');
    expect(await labelsOf(keep, 'served')).toEqual(golden.models.mymodel_v1.predict);
    expect(readdirSync(environments).filter((name) => name.startsWith('.'))).toEqual([]);
  }, 120_000);

  it('without skops loads no skops file, and says so', async () => {
    await publish('no-skops', join(IRIS, 'mymodel_v1.skops'), ...requirements);
    await using keep = await home.open(python, { wheelhouse });
    const refused = labelsOf(keep, 'no-skops');
    await expect(refused).rejects.toMatchObject({ code: 'LOAD_FAILED' });
    await expect(refused).rejects.toThrow('skops is not installed');
  }, 60_000);

  it('goes when the cache wants its room, unless a process of this machine uses it', async () => {
    const directory = join(home.folder, 'bounded');
    const budget = new DiskBudget(0);
    await using bounded = closing(new PythonEnvironments({ python, directory, wheelhouse, budget }));
    await using other = closing(new PythonEnvironments({ python, directory, wheelhouse }));
    const first = ['threadpoolctl==3.5.0'];
    const second = ['joblib==1.4.2'];
    const [firstName, secondName] = [await bounded.maker.digestOf(first), await bounded.maker.digestOf(second)];
    const there = (): readonly string[] => readdirSync(directory).toSorted();
    await bounded.maker.ensure(first, never);
    await other.maker.ensure(first, never);
    // What is made is used, and so stays; the other one is still used by both.
    await bounded.maker.ensure(second, never);
    expect(there()).toEqual([firstName, secondName].toSorted());
    await bounded.maker.release(firstName);
    await budget.enforce();
    expect(there()).toEqual([firstName, secondName].toSorted());
    await other.maker.release(firstName);
    await budget.enforce();
    expect(there()).toEqual([secondName]);
    // It comes back, and the mark of a process that was killed holds nothing.
    await other.maker.ensure(first, never);
    await bounded.maker.release(secondName);
    await whileAnotherProcessUses(directory, 'joblib==1.4.2', () => budget.enforce());
    expect(there()).toEqual([firstName, secondName].toSorted());
    await budget.enforce();
    expect(there()).toEqual([firstName]);
  }, 120_000);

  it('runs nothing of its packages before the process is confined', async () => {
    const directory = join(home.folder, 'hostile');
    const maker = new PythonEnvironments({ python, directory, wheelhouse });
    const { packages } = await maker.ensure(['threadpoolctl==3.5.0'], never);
    const proof = join(home.folder, 'proof');
    // Python executes such lines at its start, wherever it looks for packages.
    writeFileSync(join(packages, 'evil.pth'), `import os; open(${JSON.stringify(proof)}, 'w').close()\n`);
    writeFileSync(join(packages, 'json.py'), `open(${JSON.stringify(proof)}, 'w').close()\n`);
    await publish('hostile', join(IRIS, 'mymodel_v1.joblib'), 'threadpoolctl==3.5.0');
    await using keep = await home.open(python, { wheelhouse, cacheDir: linkedCache('hostile-cache', directory) });
    await expect(labelsOf(keep, 'hostile')).rejects.toMatchObject({ code: 'LOAD_FAILED' });
    expect(() => readFileSync(proof)).toThrow('ENOENT');
  }, 120_000);
});

/** A maker that is closed at the end of a block. */
function closing(maker: PythonEnvironments): AsyncDisposable & { readonly maker: PythonEnvironments } {
  return { maker, [Symbol.asyncDispose]: () => maker.close() };
}

/** Works while a process of its own has the environment in use; kills it then. */
async function whileAnotherProcessUses(
  directory: string,
  requirement: string,
  work: () => Promise<void>,
): Promise<void> {
  const script = fileURLToPath(new URL('children/environment-user.mjs', import.meta.url));
  const child = spawn(process.execPath, [script, python, directory, wheelhouse, requirement], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  try {
    const [said] = (await Promise.race([once(child.stdout, 'data'), ended])) as [unknown];
    expect(String(said)).toBe('used\n');
    await work();
  } finally {
    child.kill('SIGKILL');
    await ended;
  }
}

function linkedCache(name: string, directory: string): string {
  const cache = join(home.folder, name);
  mkdirSync(cache);
  symlinkSync(directory, join(cache, 'environments'));
  return cache;
}

describe('publishing', () => {
  it.each([
    ['--index-url http://example.org'],
    ['-e .'],
    ['-r other.txt'],
    ['./package.whl'],
    ['scikit-learn @ https://example.org/a.whl'],
    ['https://example.org/a.whl'],
    ['scikit-learn'],
    ['scikit-learn>=1.5'],
    ['scikit-learn==1.5.*'],
    ['scikit-learn===1.5.2'],
    ['scikit-learn==1.5.2 --hash=sha256:00'],
    ['scikit-learn==${RELEASE}'],
    ['scikit-learn==1.5.2 \\'],
    ['# nothing'],
  ])('refuses the requirement %j', async (line) => {
    const refused = publish('bad', join(IRIS, 'mymodel_v1.joblib'), line);
    await expect(refused).rejects.toMatchObject({ code: 'INVALID_ARTIFACT' });
  });

  it('takes a directory with the model and its requirements, and names no environment for other models', async () => {
    const folder = join(home.folder, 'both');
    mkdirSync(folder);
    writeFileSync(join(folder, 'model.joblib'), readFileSync(join(IRIS, 'mymodel_v1.joblib')));
    writeFileSync(
      join(folder, 'requirements.txt'),
      'scikit_learn [x] == 1.5.2 ; python_version >= "3.9"  # why\r\n\r\n',
    );
    await using store = await openStore(home.store);
    const { record } = await push(store, folder, { name: 'both' });
    const { format, files } = await store.readManifest(record);
    expect([format, files.map(({ path }) => path)]).toEqual(['joblib', ['model.joblib', 'requirements.txt']]);
    expect(record.metadata.pickle).toMatchObject({ sklearn: '1.9.1' });
    expect(parseRequirements(readFileSync(join(folder, 'requirements.txt'), 'utf8'))).toEqual([
      'scikit-learn[x]==1.5.2; python_version >= "3.9"',
    ]);
    const onnx = publish('onnx', join(IRIS, 'mymodel_v1.onnx'), 'numpy==2.2.6');
    await expect(onnx).rejects.toMatchObject({ code: 'INVALID_ARTIFACT' });
  });
});
