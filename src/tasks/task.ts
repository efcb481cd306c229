/** One sequence of tokens to run through the model. */
export interface Encoding {
  readonly ids: readonly number[];
  /** Segment ids, where the tokenizer gives them; the runner feeds them only to a model that takes them. */
  readonly typeIds?: readonly number[];
}

/** What the model gave for one {@link Encoding}: by output name, without the batch dimension and without padding. */
export type EncodingOutputs = Readonly<
  Record<string, { readonly dims: readonly number[]; readonly data: Float32Array }>
>;

/** What a caller asks: the `inputs` and `parameters` of the Hugging Face inference form. */
export interface TaskRequest {
  readonly inputs: unknown;
  readonly parameters?: Readonly<Record<string, unknown>> | undefined;
  /** The task that is asked, one of `tasksServedWith`. @defaultValue the version's own */
  readonly task?: string | undefined;
}

/** A request that was tokenized. */
export interface PreparedRequest {
  /** To be run in any order and grouping; an answer never depends on its neighbours. */
  readonly encodings: readonly Encoding[];
  /** Turns the outputs, in the order of `encodings`, into the answer, or a promise of it, shaped as the pipeline gives it. */
  finish(outputs: readonly EncodingOutputs[]): unknown;
}

/** What was understood of a text model, for whoever published it. */
export interface TaskFacts {
  /** Names of the labels by their id, where the model has some. */
  readonly labels?: readonly (string | number)[] | undefined;
  /** Such as `BertTokenizer of tokenizer.json`. */
  readonly tokenizer: string;
  /** How tokens become one vector, such as `mean, normalized`; absent where a task makes none. */
  readonly pooling?: string | undefined;
  /** Numbers of that vector, where the model's files say it. */
  readonly width?: number | undefined;
}

/** A task opened on one version: text in, answers out. Holds no session, so it can be tested without one. */
export interface OpenTask {
  /** Such as `text-classification`. */
  readonly name: string;
  /** Id that fills up shorter sequences of a batch. */
  readonly padId: number;
  /** True if the tokenizer pads on the left. */
  readonly padLeft: boolean;
  /** To which the tokenizer cuts a sequence; infinite where it does not. */
  readonly maxTokens: number;
  readonly facts: TaskFacts;
  /**
   * Validates and tokenizes a request; texts are tokenized on other threads.
   *
   * @throws ModelkeepError `INVALID_INPUT` naming the field
   */
  prepare(request: TaskRequest): Promise<PreparedRequest>;
}
