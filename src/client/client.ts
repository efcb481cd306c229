import type { ClientOptions } from './options.js';
import type { EmbeddingsAnswer, InferAnswer, ModelMetadata, OpenAiModel, OpenAiModels, Status } from './schema.js';
import type { AnswerOf, InputsOf, PredictOptions, Task } from './task-types.js';
import { tensorToJson, type InferOptions, type Inferred, type TensorIn, type TensorOut } from './tensors.js';
import { Transport } from './transport.js';

/** Options of every call. */
export interface AskOptions {
  /** Gives the call up. */
  readonly signal?: AbortSignal;
  /** Time for the call with all its attempts, in ms; `0`: no limit. @defaultValue the client's */
  readonly timeoutMs?: number;
}

/** An answer and the version that gave it. */
export interface Answered<T> {
  readonly output: T;
  readonly model: string;
  readonly version: number;
  /** The version's digest, where it has one. */
  readonly digest?: string;
}

/** Options of {@link ModelkeepClient.embed}. */
export interface EmbedOptions extends AskOptions {
  /** How many of the first numbers of each vector to give. @defaultValue all */
  readonly dimensions?: number;
}

/** Vectors of texts. */
export interface Embedded {
  readonly vectors: readonly Float32Array[];
  /** Tokens that were run. */
  readonly tokens: number;
  readonly version: number;
}

/**
 * Asks a modelkeep server. Calls that are refused for load, or do not arrive, are tried again within the deadline.
 *
 * @example
 * ```ts
 * const client = new ModelkeepClient({ url: 'http://127.0.0.1:8080', key: 'mk_…' });
 * const { output, version } = await client.predict('sentiment@production', 'Happy coding !!!', {
 *   task: 'text-classification',
 *   parameters: { top_k: 2 },
 * });
 * ```
 */
export class ModelkeepClient {
  readonly #transport: Transport;

  constructor(options: ClientOptions) {
    this.#transport = new Transport(options);
  }

  /**
   * Asks a model for the answer of its task.
   *
   * @typeParam T the task, which types what goes in and comes out
   * @param reference such as `sentiment`, `sentiment:3` or `sentiment@production`
   * @throws ModelkeepClientError with the server's code
   */
  async predict<T extends Task | undefined = undefined>(
    reference: string,
    inputs: InputsOf<T>,
    { parameters, signal, timeoutMs }: PredictOptions<T> & AskOptions = {},
  ): Promise<Answered<AnswerOf<T>>> {
    const path = `/models/${pathOf(reference)}`;
    const response = await this.#transport.send({
      method: 'POST',
      path,
      body: { inputs, parameters },
      signal,
      timeoutMs,
    });
    const digest = response.headers.get('x-modelkeep-digest');
    return {
      output: (await response.json()) as AnswerOf<T>,
      model: response.headers.get('x-modelkeep-model') ?? reference,
      version: Number(response.headers.get('x-modelkeep-version')),
      ...(digest === null ? {} : { digest }),
    };
  }

  /** One vector for each text, or for each list of tokens. @throws ModelkeepClientError with the server's code */
  async embed(
    reference: string,
    input: string | readonly string[] | readonly (readonly number[])[],
    { dimensions, signal, timeoutMs }: EmbedOptions = {},
  ): Promise<Embedded> {
    const body = { model: reference, input, encoding_format: 'base64', dimensions };
    const response = await this.#transport.send({ method: 'POST', path: '/v1/embeddings', body, signal, timeoutMs });
    const { data, usage } = (await response.json()) as EmbeddingsAnswer;
    return {
      vectors: data.map(({ embedding }) => vectorOf(embedding)),
      tokens: usage.total_tokens,
      version: Number(response.headers.get('x-modelkeep-version')),
    };
  }

  /** Runs a model on tensors. @throws ModelkeepClientError with the server's code */
  async infer(
    reference: string,
    inputs: Readonly<Record<string, TensorIn>>,
    { outputs, signal, timeoutMs }: InferOptions & AskOptions = {},
  ): Promise<Inferred> {
    const body = {
      inputs: Object.entries(inputs).map(([name, tensor]) => tensorToJson(name, tensor)),
      ...(outputs === undefined ? {} : { outputs: outputs.map((name) => ({ name })) }),
    };
    const path = `/v2/models/${pathOf(reference)}/infer`;
    const answer = await this.#transport.json<InferAnswer>({ method: 'POST', path, body, signal, timeoutMs });
    const entries = answer.outputs.map(
      ({ name, datatype, shape, data = [] }) => [name, { datatype, shape, data: data as TensorOut['data'] }] as const,
    );
    return { outputs: Object.fromEntries(entries), model: answer.model_name, version: Number(answer.model_version) };
  }

  /** What a model takes and gives. @throws ModelkeepClientError with the server's code */
  describe(reference: string, options: AskOptions = {}): Promise<ModelMetadata> {
    return this.#transport.json({ method: 'GET', path: `/v2/models/${pathOf(reference)}`, ...options });
  }

  /** The models that the caller may use. @throws ModelkeepClientError with the server's code */
  async models(options: AskOptions = {}): Promise<readonly OpenAiModel[]> {
    return (await this.#transport.json<OpenAiModels>({ method: 'GET', path: '/v1/models', ...options })).data;
  }

  /** What the server holds, follows and runs. @throws ModelkeepClientError with the server's code */
  status(options: AskOptions = {}): Promise<Status> {
    return this.#transport.json({ method: 'GET', path: '/status', ...options });
  }
}

/** A reference in a path: its namespaces stay apart, everything else is escaped. */
function pathOf(reference: string): string {
  return reference.split('/').map(encodeURIComponent).join('/');
}

function vectorOf(embedding: string | readonly number[]): Float32Array {
  if (typeof embedding !== 'string') return Float32Array.from(embedding);
  const bytes = Uint8Array.from(atob(embedding), (character) => character.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  return Float32Array.from({ length: bytes.length / 4 }, (_, at) => view.getFloat32(4 * at, true));
}
