import { join } from 'node:path';
import { addKey, openStore, push } from '../../src/app/index.js';
import { FIXTURES, modelHome, startServer, type TestServer } from '../integration/http-harness.js';

/** A server with a model of every task, which lets in those with its key alone. */
export interface ClientServer extends TestServer {
  readonly key: string;
  /** The answer of the plain form, which the goldens hold to the libraries. */
  readonly plain: (model: string, inputs: unknown, parameters?: object) => Promise<unknown>;
}

/** Each model with its fixture and, where the files do not say it, its task. */
const MODELS: readonly (readonly [name: string, fixture: string, task?: string])[] = [
  ['sentiment', 'sentiment/v2'],
  ['ner', 'tasks/ner'],
  ['qa', 'tasks/qa'],
  ['fill-mask', 'tasks/fill-mask'],
  ['zero-shot', 'tasks/zero-shot', 'zero-shot-classification'],
  ['embeddings', 'tasks/embeddings'],
  ['features', 'tasks/embeddings', 'feature-extraction'],
  ['ranking', 'tasks/ranking'],
  ['sparse', 'tasks/fill-mask', 'sparse-embeddings'],
  ['iris', 'iris/mymodel_v2_nozipmap.onnx'],
];

/** Their names in order. */
export const MODEL_NAMES = MODELS.map(([name]) => name).toSorted();

/** Starts a {@link ClientServer}. */
export async function startClientServer(): Promise<ClientServer> {
  const home = modelHome();
  {
    await using store = await openStore(home.url);
    for (const [name, path, task] of MODELS) {
      await push(store, join(FIXTURES, path), { name, ...(task === undefined ? {} : { task }) });
    }
  }
  const authKeys = join(home.root, 'keys.json');
  const { key } = await addKey(authKeys, { name: 'all', scopes: ['infer', 'read', 'admin'] });
  const server = await startServer(home, { authKeys });
  const ask = async (path: string, body: object): Promise<unknown> => {
    const answer = await server.post(path, body, { headers: { authorization: `Bearer ${key}` } });
    if (answer.status === 200) return answer.body;
    throw new Error(`${path} answered ${answer.status}: ${JSON.stringify(answer.body)}`);
  };
  const close = async (): Promise<void> => {
    await server.close();
    home[Symbol.dispose]();
  };
  return {
    ...server,
    key,
    plain: (model, inputs, parameters = {}) => ask(`/models/${model}`, { inputs, parameters }),
    close,
    [Symbol.asyncDispose]: close,
  };
}
