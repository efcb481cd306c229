import {
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync as readFileLink,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { create } from 'tar';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { deflatedZeros, zipFile, type ZipEntry } from '../../unit/formats/zip-file.js';
import { CaseBench, changeJson, write } from './case-bench.js';

let cases: CaseBench;
let plain: unknown;
let digest: string | undefined;
let vectors: unknown;
const TEXT = 'hello world';
const TEXTS = ['A cat sleeps on the mat.', 'good'];

beforeAll(async () => {
  cases = await CaseBench.open();
  const { record } = await cases.publish(cases.copyOf('archs/bert'));
  ({ digest } = record);
  plain = await (await cases.keep.load(record.model)).predict(TEXT);
  vectors = await cases.answer(cases.copyOf('tasks/embeddings'), TEXTS);
});
afterAll(() => cases.close());

const TOKENIZER = ['tokenizer.json', 'tokenizer_config.json', 'special_tokens_map.json', 'vocab.txt'];

/** What a path answers; for the very version that `archs/bert` makes it need not be asked again. */
async function answerOf(path: string): Promise<unknown> {
  const { record } = await cases.publish(path);
  if (record.digest === digest) return plain;
  return (await cases.keep.load(`${record.model}:${record.version}`)).predict(TEXT);
}

/** Moves files to another folder. */
function move(names: readonly string[], from: string, to: string): void {
  mkdirSync(to, { recursive: true });
  for (const name of names) renameSync(join(from, name), join(to, name));
}

/** Puts a checkpoint into a repository of a Hugging Face cache. */
function hubCache(root: string, commit: string, fixture = 'archs/bert'): string {
  const snapshot = join(root, 'snapshots', commit);
  mkdirSync(join(root, 'blobs'), { recursive: true });
  mkdirSync(snapshot, { recursive: true });
  const copy = cases.copyOf(fixture);
  for (const [at, name] of readdirSync(copy).entries()) {
    const blob = `${at}`.repeat(40).slice(0, 40);
    copyFileSync(join(copy, name), join(root, 'blobs', blob));
    symlinkSync(`../../blobs/${blob}`, join(snapshot, name));
  }
  return snapshot;
}

function mlflow(flavors: string): string {
  const root = cases.folder();
  write(join(root, 'MLmodel'), `flavors:\n  python_function:\n    loader_module: mlflow.transformers\n${flavors}`);
  for (const name of ['conda.yaml', 'python_env.yaml', 'requirements.txt', 'model_card.md'])
    write(join(root, name), 'x');
  return root;
}

const TRANSFORMERS = `  transformers:
    components: [tokenizer]
    framework: pt
    instance_type: TextClassificationPipeline
    model_binary: model
    pipeline_model_type: BertForSequenceClassification
    task: text-classification
    tokenizer_type: BertTokenizerFast
`;

function mlflowTransformers(): string {
  const root = mlflow(TRANSFORMERS);
  const model = cases.copyOf('archs/bert', join(root, 'model'));
  move(TOKENIZER, model, join(root, 'components/tokenizer'));
  return root;
}

/** A folder of a training run, whose last checkpoint answers as `archs/bert` does. */
function trainingRun(steps: readonly number[], best?: number): string {
  const root = cases.folder();
  for (const step of steps) {
    const folder = cases.copyOf(
      step === steps.at(-1) ? 'archs/bert' : 'archs/roberta',
      join(root, `checkpoint-${step}`),
    );
    const state = { global_step: step, best_model_checkpoint: best && `/somewhere/run/checkpoint-${best}` };
    write(join(folder, 'trainer_state.json'), JSON.stringify(state));
    for (const name of ['optimizer.pt', 'scheduler.pt', 'rng_state.pth', 'training_args.bin'])
      write(join(folder, name), 'x');
  }
  write(join(root, 'runs/events.out.tfevents.1.host'), 'x');
  return root;
}

describe('a folder is published as it lies on disk:', () => {
  it.each<[string, () => string]>([
    [
      'k6-hf-cache: a snapshot of a Hugging Face cache',
      () => hubCache(join(cases.folder(), 'models--org--bert'), 'a1b2'),
    ],
    [
      'the repository in a Hugging Face cache, by its branch main',
      () => {
        const root = join(cases.folder(), 'models--org--bert');
        hubCache(root, 'ffff', 'archs/roberta');
        rmSync(join(root, 'blobs'), { recursive: true });
        hubCache(root, 'a1b2');
        write(join(root, 'refs/main'), 'a1b2');
        return root;
      },
    ],
    [
      'a download whose files are links into a cache elsewhere',
      () => {
        const snapshot = hubCache(join(cases.folder(), 'models--org--bert'), 'a1b2');
        const folder = cases.folder();
        for (const name of readdirSync(snapshot)) {
          const blob = join(snapshot, '../../blobs', basename(readFileLink(join(snapshot, name))));
          symlinkSync(blob, join(folder, name));
        }
        return folder;
      },
    ],
    ['k6-mlflow-transformers: an MLflow model', mlflowTransformers],
    [
      'an MLflow model of before 2.4.1, with the pipeline in one folder',
      () => {
        const root = mlflow(TRANSFORMERS.replace('    model_binary: model\n', ''));
        cases.copyOf('archs/bert', join(root, 'pipeline'));
        for (const name of TOKENIZER)
          write(join(root, 'components/tokenizer', name), readFileSync(join(root, 'pipeline', name)));
        return root;
      },
    ],
    [
      'an artifact of an MLflow run',
      () => {
        const root = cases.folder();
        mkdirSync(join(root, '0/abc/artifacts'), { recursive: true });
        renameSync(mlflowTransformers(), join(root, '0/abc/artifacts/model'));
        write(join(root, '0/meta.yaml'), 'name: x');
        return root;
      },
    ],
    [
      'k6-nested-model: a checkpoint in the only subfolder',
      () => {
        const root = cases.folder();
        cases.copyOf('archs/bert', join(root, 'model'));
        return root;
      },
    ],
    [
      'a model and its tokenizer in folders beside each other',
      () => {
        const root = cases.folder();
        const model = cases.copyOf('archs/bert', join(root, 'model'));
        move(TOKENIZER, model, join(root, 'tokenizer'));
        return root;
      },
    ],
    [
      'a model with its tokenizer in a folder below',
      () => {
        const root = cases.copyOf('archs/bert');
        move(TOKENIZER, root, join(root, 'tokenizer'));
        return root;
      },
    ],
    ['the newest checkpoint of a training run', () => trainingRun([500, 1000])],
    ['checkpoint 1000, which comes behind 900', () => trainingRun([900, 1000])],
    [
      'a checkpoint whose tokenizer lies above it',
      () => {
        const root = trainingRun([10]);
        move(TOKENIZER, join(root, 'checkpoint-10'), root);
        return root;
      },
    ],
    [
      'k6-dangling-link: with links to nothing',
      () => {
        const root = cases.copyOf('archs/bert');
        symlinkSync('/nonexistent/latest', join(root, 'last-checkpoint'));
        symlinkSync('nowhere.png', join(root, 'plot.png'));
        return root;
      },
    ],
    [
      'with links that leave it and belong to no model',
      () => {
        const root = cases.copyOf('archs/bert');
        symlinkSync('/etc', join(root, 'settings'));
        symlinkSync('/etc/hostname', join(root, 'machine.log'));
        return root;
      },
    ],
    [
      'k6-odd-file-name: with what editors, notebooks, trainers and version control leave',
      () => {
        const root = cases.copyOf('archs/bert');
        for (const name of [
          'train_2026-11-01T10:00:00.log',
          'notes?.ipynb',
          'con',
          'confusion.png',
          'Train.ipynb',
          'label_encoder.pkl',
          'train.csv',
          'pytorch_model.bin',
          'tf_model.h5',
          'model.onnx',
          'model.fp16.safetensors',
          '.git/config',
          '.DS_Store',
          'openvino/openvino_model.bin',
          'Config.json',
          'checkpoint-5/config.json',
          'META-INF/MANIFEST.MF',
          'org/Embedding.class',
        ])
          write(join(root, name), 'x');
        return root;
      },
    ],
    ...(['utf8', 'utf16le'] as const).map((encoding): [string, () => string] => [
      `k6-bom: with byte order marks (${encoding})`,
      () => {
        const root = cases.copyOf('archs/bert');
        for (const name of readdirSync(root).filter((each) => each.endsWith('.json')))
          writeFileSync(join(root, name), `\uFEFF${readFileSync(join(root, name), 'utf8')}`, encoding);
        return root;
      },
    ]),
  ])('%s', async (_what, make) => {
    expect(await answerOf(make())).toEqual(plain);
  });

  it.each<[string, string]>([
    ['0_Transformer (k6-0-transformer)', '0_Transformer'],
    ['0_BERT', './0_BERT/'],
  ])('an old sentence-transformers model, with its encoder in %s', async (_name, path) => {
    const root = cases.copyOf('tasks/embeddings');
    const kept = new Set(['1_Pooling', 'modules.json', 'config_sentence_transformers.json']);
    move(
      readdirSync(root).filter((name) => !kept.has(name)),
      root,
      join(root, path),
    );
    changeJson(join(root, 'modules.json'), (list) =>
      (list as object[]).map((one, at) => (at === 0 ? { ...one, path } : one)),
    );
    write(join(root, 'config.json'), '{"__version__": "0.2.5"}');
    expect(await cases.answer(root, TEXTS)).toEqual(vectors);
  });

  it('an MLflow model (sentence_transformers)', async () => {
    const root = mlflow('  sentence_transformers:\n    sentence_transformers_version: 2.7.0\n');
    cases.copyOf('tasks/embeddings', join(root, 'model.sentence_transformer'));
    expect(await cases.answer(root, TEXTS)).toEqual(vectors);
  });

  it('for the task that an MLflow model was logged for', async () => {
    const root = mlflow(TRANSFORMERS.replace('task: text-classification', 'task: zero-shot-classification'));
    const model = cases.copyOf('tasks/zero-shot', join(root, 'model'));
    move(
      TOKENIZER.filter((name) => readdirSync(model).includes(name)),
      model,
      join(root, 'components/tokenizer'),
    );
    expect((await cases.publish(root)).record.task).toBe('zero-shot-classification');
  });

  it('the checkpoint that is asked for, and says which', async () => {
    const root = trainingRun([500, 900, 1000], 500);
    const taken = await cases.publish(root);
    expect(taken.warnings).toEqual([expect.stringContaining('checkpoint-500')]);
    const sizes = (folder: string): number => readFileSync(join(root, folder, 'model.safetensors')).length;
    expect(sizes('checkpoint-500')).not.toBe(sizes('checkpoint-1000'));
    for (const [checkpoint, step] of [
      ['best', 500],
      ['900', 900],
      ['checkpoint-1000', 1000],
    ] as const) {
      const { record } = await cases.publish(root, { checkpoint });
      expect(record.metadata['training']).toMatchObject({ global_step: step });
    }
    expect((await cases.refusal(root, { checkpoint: '7' })).code).toBe('INVALID_INPUT');
  });
});

describe('what is left out', () => {
  it('is told in one warning, and is not sent', async () => {
    const root = cases.copyOf('archs/bert');
    const before = (await cases.publish(root)).totalBytes;
    for (const name of ['a.png', 'b.ipynb', 'optimizer.pt', 'run.log', 'x:y.txt'])
      write(join(root, name), 'x'.repeat(99));
    symlinkSync('nowhere', join(root, 'latest.png'));
    const { warnings, totalBytes } = await cases.publish(root);
    expect(totalBytes).toBe(before);
    expect(warnings).toHaveLength(1);
    for (const name of ['a.png', 'b.ipynb', 'x:y.txt', 'latest.png']) expect(warnings[0]).toContain(name);
  });
});

/** A zip or tar of a folder. */
async function packed(
  folder: string,
  kind: 'zip' | 'tar' | 'tgz' | 'tar.gz' | 'jar' | 'whl',
  top = '',
  more: readonly ZipEntry[] = [],
): Promise<string> {
  const file = join(cases.folder(), `model.${kind}`);
  if (kind === 'zip' || kind === 'jar' || kind === 'whl') {
    const names = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    const entries = names.map((entry) => {
      const path = join(entry.parentPath, entry.name);
      return { name: `${top}${path.slice(folder.length + 1)}`, bytes: readFileSync(path), deflate: true };
    });
    writeFileSync(file, zipFile([...entries, ...more]));
  } else await create({ file, cwd: folder, gzip: kind !== 'tar' }, ['.']);
  return file;
}

describe('an archive is published as the folder in it:', () => {
  it.each(['zip', 'jar', 'whl', 'tar', 'tgz', 'tar.gz'] as const)('.%s', async (kind) => {
    expect(await answerOf(await packed(cases.copyOf('archs/bert'), kind))).toEqual(plain);
  });

  it('with a folder on top, and one of a Mac beside it', async () => {
    const folder = cases.copyOf('archs/bert');
    const file = packed(folder, 'zip', 'bert-base/', [{ name: '__MACOSX/bert-base/._config.json', bytes: 'x' }]);
    expect(await answerOf(await file)).toEqual(plain);
  });

  it('of a Hugging Face cache, links and all', async () => {
    const root = join(cases.folder(), 'models--org--bert');
    hubCache(root, 'a1b2');
    symlinkSync('/nonexistent', join(root, 'snapshots/a1b2/last'));
    expect(await answerOf(await packed(root, 'tar.gz'))).toEqual(plain);
  });

  it('of an MLflow model', async () => {
    expect(await answerOf(await packed(mlflowTransformers(), 'zip'))).toEqual(plain);
  });

  it.each<[string, () => Promise<string>, string]>([
    ['that is cut off', async () => cut(await packed(cases.copyOf('archs/bert'), 'zip')), 'INVALID_ARTIFACT'],
    ['a tar that is cut off', async () => cut(await packed(cases.copyOf('archs/bert'), 'tar')), 'INVALID_ARTIFACT'],
    ['that is none', async () => written('model.zip', 'miaow'), 'INVALID_ARTIFACT'],
    ['of another kind', async () => written('model.tar.xz', 'miaow'), 'UNSUPPORTED_FORMAT'],
    [
      'with a path that leaves it',
      async () => written('model.zip', zipFile([{ name: '../../outside', bytes: 'x' }])),
      'INVALID_ARTIFACT',
    ],
    [
      'that unpacks to far more than it has',
      async () =>
        written('model.zip', zipFile([{ name: 'model.onnx', bytes: deflatedZeros(300), unpacksTo: 300 * 2 ** 20 }])),
      'INVALID_ARTIFACT',
    ],
  ])('but not one %s', async (_what, make, code) => {
    expect((await cases.refusal(await make())).code).toBe(code);
  });
});

function cut(path: string): string {
  writeFileSync(path, readFileSync(path).subarray(0, 50_000));
  return path;
}

function written(name: string, contents: string | Uint8Array): string {
  const path = join(cases.folder(), name);
  writeFileSync(path, contents);
  return path;
}

describe('refused, with what is wrong and what to do:', () => {
  const pointer =
    'version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n';

  it.each<[string, () => string, string, readonly string[]]>([
    [
      'weights that are a Git LFS pointer',
      () => {
        const root = cases.copyOf('archs/bert');
        write(join(root, 'model.safetensors'), pointer);
        return root;
      },
      'INVALID_ARTIFACT',
      ['model.safetensors', 'Git LFS', 'git lfs pull', '12345'],
    ],
    [
      'a tokenizer that is a Git LFS pointer',
      () => {
        const root = cases.copyOf('archs/bert');
        write(join(root, 'tokenizer.json'), pointer);
        return root;
      },
      'INVALID_ARTIFACT',
      ['tokenizer.json', 'git lfs pull'],
    ],
    [
      'a graph that is a Git LFS pointer',
      () => written('model.onnx', pointer),
      'INVALID_ARTIFACT',
      ['model.onnx', 'Git LFS'],
    ],
    [
      'a link to nothing that a model needs',
      () => {
        const root = cases.copyOf('archs/bert');
        rmSync(join(root, 'tokenizer.json'));
        symlinkSync('../blobs/gone', join(root, 'tokenizer.json'));
        return root;
      },
      'INVALID_ARTIFACT',
      ['tokenizer.json', 'link to nothing'],
    ],
    [
      'weights whose link leads nowhere',
      () => {
        const snapshot = hubCache(join(cases.folder(), 'models--org--bert'), 'a1b2');
        rmSync(join(snapshot, '../../blobs', basename(readFileLink(join(snapshot, 'model.safetensors')))));
        return snapshot;
      },
      'INVALID_ARTIFACT',
      ['model.safetensors', 'link to nothing'],
    ],
    [
      'a link out of the folder that a model needs',
      () => {
        const root = cases.copyOf('archs/bert');
        rmSync(join(root, 'vocab.txt'));
        symlinkSync('/etc/hostname', join(root, 'vocab.txt'));
        return root;
      },
      'INVALID_ARTIFACT',
      ['vocab.txt', 'leaves the folder'],
    ],
    [
      'several models',
      () => {
        const root = cases.folder();
        cases.copyOf('archs/bert', join(root, 'first'));
        cases.copyOf('archs/roberta', join(root, 'second'));
        return root;
      },
      'INVALID_ARTIFACT',
      ['first', 'second', 'several models'],
    ],
    [
      'a pickled model beside the folder of a checkpoint',
      () => {
        const root = cases.folder();
        cases.copyOf('archs/bert', join(root, 'model'));
        write(join(root, 'label_encoder.pkl'), 'x');
        return root;
      },
      'INVALID_ARTIFACT',
      ['model', 'several models'],
    ],
    [
      'a SetFit model, whose body alone is no classifier',
      () => {
        const root = cases.copyOf('tasks/embeddings');
        write(join(root, 'config_setfit.json'), '{"labels": ["a", "b"], "normalize_embeddings": false}');
        write(join(root, 'model_head.pkl'), 'x');
        return root;
      },
      'UNSUPPORTED_FORMAT',
      ['SetFit', '--task sentence-embeddings'],
    ],
    [
      'weights that would have to be unpickled',
      () => {
        const root = cases.copyOf('archs/bert');
        renameSync(join(root, 'model.safetensors'), join(root, 'pytorch_model.bin'));
        return root;
      },
      'UNSUPPORTED_FORMAT',
      ['pytorch_model.bin', 'safe_serialization'],
    ],
    [
      'the same in a subfolder',
      () => {
        const root = cases.folder();
        const model = cases.copyOf('archs/bert', join(root, 'model'));
        renameSync(join(model, 'model.safetensors'), join(model, 'pytorch_model.bin'));
        return root;
      },
      'UNSUPPORTED_FORMAT',
      ['pytorch_model.bin', 'safe_serialization'],
    ],
    [
      'an MLflow model whose weights were not logged',
      () => mlflow(TRANSFORMERS.replace('model_binary: model', 'source_model_name: org/bert')),
      'UNSUPPORTED_FORMAT',
      ['org/bert', 'save_pretrained'],
    ],
    [
      'an MLflow model of another flavor',
      () => mlflow('  xgboost:\n    data: model.xgb\n'),
      'UNSUPPORTED_FORMAT',
      ['xgboost'],
    ],
    ['an MLflow model that is no YAML', () => mlflow('\t: ['), 'INVALID_ARTIFACT', ['MLmodel']],
    ['an empty folder', () => cases.folder(), 'INVALID_ARTIFACT', ['no model', 'empty']],
    [
      'a configuration that is no JSON',
      () => {
        const root = cases.copyOf('archs/bert');
        write(join(root, 'config.json'), '{\n  "model_type": "bert",\n  oops\n}');
        return root;
      },
      'INVALID_ARTIFACT',
      ['config.json', 'line 3', 'oops'],
    ],
  ])('%s', async (_what, make, code, names) => {
    const { code: given, message } = await cases.refusal(make());
    expect({ code: given, message }).toMatchObject({ code });
    for (const name of names) expect(message).toContain(name);
  });

  it('but a SetFit model is published as its body where that is asked for', async () => {
    const root = cases.copyOf('tasks/embeddings');
    write(join(root, 'model_head.pkl'), 'x');
    expect(await cases.answer(root, TEXTS, { task: 'sentence-embeddings' })).toEqual(vectors);
  });
});
