import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openModelkeep, openStore, push, type Modelkeep } from '../../src/app/index.js';
import { startServer, type TestServer } from '../integration/http-harness.js';
import { differenceOf } from '../integration/tasks-model.js';
import { cliHome, fixture, type CliHome } from './cli-harness.js';
import { ARCHS, archSuite, TASK_SUITES, type Asked } from './golden-suites.js';

/** The command line is asked the same in checkpoints-goldens.test.ts. */
const SUITES = [...TASK_SUITES, ...ARCHS.map(archSuite)];

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
  describe.each([
    ['the library', library],
    ['HTTP', http],
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
      vectors: 12,
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
