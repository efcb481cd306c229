import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openModelkeep, openStore, push, type Modelkeep } from '../../src/app/index.js';
import { differenceOf } from '../integration/tasks-model.js';
import { startServer, type TestServer } from '../integration/http-harness.js';
import { golden, goldenRows } from '../unit/tasks/directory-files.js';
import { cliHome, fixture, type CliHome } from './cli-harness.js';

interface Asked {
  readonly inputs: unknown;
  readonly parameters?: Readonly<Record<string, unknown>>;
}

/** A published fixture: what it is asked, and what transformers answered. */
interface Suite {
  readonly model: string;
  readonly folder: string;
  /** Named at publish, where the files alone tell another task. */
  readonly task?: string;
  readonly cases: readonly (Asked & { readonly output: unknown })[];
}

type Cases<C> = { readonly cases: readonly (C & { readonly output: unknown })[] };

function nerSuite(): Suite {
  const { cases } =
    golden<Cases<{ text: string; aggregation_strategy: string; stride: number | null }>>('tasks/ner/golden.json');
  return {
    model: 'ner',
    folder: 'tasks/ner',
    cases: cases.map(({ text, aggregation_strategy, stride, output }) => ({
      inputs: text,
      parameters: { aggregation_strategy, ...(stride === null ? {} : { stride }) },
      output,
    })),
  };
}

function qaSuite(): Suite {
  const { cases } =
    golden<Cases<{ question: string; context: string; options: Record<string, unknown> }>>('tasks/qa/golden.json');
  return {
    model: 'qa',
    folder: 'tasks/qa',
    cases: cases.map(({ question, context, options, output }) => ({
      inputs: { question, context },
      parameters: options,
      output,
    })),
  };
}

function maskSuite(): Suite {
  const { cases } = golden<Cases<{ text: string; options: Record<string, unknown> }>>('tasks/fill-mask/golden.json');
  return {
    model: 'words',
    folder: 'tasks/fill-mask',
    cases: cases.map(({ text, options, output }) => ({ inputs: text, parameters: options, output })),
  };
}

function zeroShotSuite(): Suite {
  const { cases } =
    golden<Cases<{ text: string; candidate_labels: string[]; multi_label: boolean; hypothesis_template: string }>>(
      'tasks/zero-shot/golden.json',
    );
  return {
    model: 'topics',
    folder: 'tasks/zero-shot',
    task: 'zero-shot-classification',
    cases: cases.map(({ text, output, candidate_labels, multi_label, hypothesis_template }) => ({
      inputs: text,
      parameters: { candidate_labels, multi_label, hypothesis_template },
      output,
    })),
  };
}

function embeddingSuites(): Suite[] {
  const { sentences, token_features: features } = golden<{
    readonly sentences: readonly { text: string; mean_pooled: number[]; embedding: number[] }[];
    readonly token_features: readonly { text: string; output: unknown }[];
  }>('tasks/embeddings/golden.json');
  const folder = 'tasks/embeddings';
  const texts = sentences.map(({ text }) => text);
  const vectors = sentences.map(({ embedding }) => embedding);
  const cosines = vectors.slice(1).map((vector) => vector.reduce((sum, x, i) => sum + x * (vectors[0]?.[i] ?? 0), 0));
  return [
    {
      model: 'vectors',
      folder,
      cases: [
        { inputs: texts, output: vectors },
        { inputs: texts, parameters: { normalize: false }, output: sentences.map((each) => each.mean_pooled) },
      ],
    },
    {
      model: 'alike',
      folder,
      task: 'sentence-similarity',
      cases: [{ inputs: { source_sentence: texts[0], sentences: texts.slice(1) }, output: cosines }],
    },
    {
      model: 'features',
      folder,
      task: 'feature-extraction',
      cases: features.map(({ text, output }) => ({ inputs: text, output })),
    },
  ];
}

function archSuite(arch: string): Suite {
  const rows = goldenRows<{ text: string; text_pair?: string; label: string; score: number }>(
    `archs/${arch}/golden.jsonl`,
  );
  return {
    model: arch,
    folder: `archs/${arch}`,
    cases: rows.map(({ text, text_pair, label, score }) =>
      text_pair === undefined
        ? { inputs: text, output: [{ label, score }] }
        : { inputs: { text, text_pair }, output: { label, score } },
    ),
  };
}

const SUITES: readonly Suite[] = [
  nerSuite(),
  qaSuite(),
  maskSuite(),
  zeroShotSuite(),
  ...embeddingSuites(),
  ...[
    'albert',
    'bert',
    'camembert',
    'deberta-v2',
    'distilbert',
    'electra',
    'modernbert',
    'mpnet',
    'roberta',
    'xlm-roberta',
  ].map(archSuite),
];

/** A front end: answers all cases of a model, in order. */
type Ask = (model: string, cases: readonly Asked[]) => Promise<readonly unknown[]>;

describe('every golden through', () => {
  let home: CliHome;
  let keep: Modelkeep;
  let server: TestServer;

  beforeAll(async () => {
    home = cliHome();
    await using store = await openStore(home.storeUrl);
    for (const { model, folder, task } of SUITES) {
      await push(store, fixture(folder), { name: model, ...(task === undefined ? {} : { task }) });
    }
    keep = await openModelkeep({ store: home.storeUrl, cacheDir: `${home.root}/cache`, runners: 1, threads: 1 });
    server = await startServer({ root: home.root, url: home.storeUrl });
  });
  afterAll(async () => {
    await keep.close();
    await server.close();
    home[Symbol.dispose]();
  });

  const library: Ask = async (name, cases) => {
    const model = await keep.load(name);
    return Promise.all(cases.map(({ inputs, parameters }) => model.predict(inputs, parameters && { parameters })));
  };
  const http: Ask = (name, cases) =>
    Promise.all(
      cases.map(async (body) => {
        const answer = await server.post(`/models/${name}`, body);
        expect(answer).toMatchObject({ status: 200 });
        return answer.body;
      }),
    );
  const program: Ask = async (name, cases) => {
    const input = cases.map((each) => `${JSON.stringify(each)}\n`).join('');
    const { code, stdout, stderr } = await home.run(['predict', name, '--json'], { input });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    return stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown);
  };

  describe.each([
    ['the library', library],
    ['HTTP', http],
    ['the command line', program],
  ] as const)('%s', (_name, ask) => {
    test.each(SUITES.map((suite) => [suite.model, suite] as const))('%s', async (model, { cases }) => {
      const asked = cases.map(({ inputs, parameters }) => ({ inputs, ...(parameters && { parameters }) }));
      const answers = await ask(model, asked);
      expect(answers).toHaveLength(cases.length);
      const wrong = cases.flatMap(({ output }, i) => differenceOf(answers[i], output, `answer ${i}`) ?? []);
      expect(wrong).toEqual([]);
    });
  });

  test('there are as many goldens as the fixtures hold', () => {
    expect(Object.fromEntries(SUITES.map(({ model, cases }) => [model, cases.length]))).toEqual({
      ner: 79,
      qa: 19,
      words: 9,
      topics: 26,
      vectors: 2,
      alike: 1,
      features: 2,
      bert: 43,
      camembert: 43,
      distilbert: 43,
      electra: 43,
      albert: 43,
      'deberta-v2': 43,
      modernbert: 43,
      mpnet: 43,
      roberta: 43,
      'xlm-roberta': 43,
    });
  });
});
