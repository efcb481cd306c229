/**
 * What goes over HTTP, from the server's OpenAPI document. Made by scripts/client-types.mjs, and held to the document
 * by a test: do not edit.
 */

/** `Error` of the document. */
export type Error = {
  /** A sentence that names the wrong value and the next step */
  readonly error: string;
  readonly code?:
    | 'INVALID_REFERENCE'
    | 'MODEL_NOT_FOUND'
    | 'VERSION_NOT_FOUND'
    | 'ALIAS_NOT_FOUND'
    | 'ALIAS_CONFLICT'
    | 'INVALID_ARTIFACT'
    | 'UNSUPPORTED_FORMAT'
    | 'UNSAFE_FORMAT'
    | 'DIGEST_MISMATCH'
    | 'STORE_UNAVAILABLE'
    | 'STORE_PERMISSION'
    | 'LOAD_FAILED'
    | 'GATE_FAILED'
    | 'RUNNER_CRASHED'
    | 'OUT_OF_BUDGET'
    | 'INVALID_INPUT'
    | 'OVERLOADED'
    | 'DEADLINE_EXCEEDED'
    | 'CANCELLED'
    | 'UNAUTHENTICATED'
    | 'FORBIDDEN'
    | 'CLOSED'
    | 'INTERNAL';
  readonly details?: Readonly<Record<string, unknown>>;
};

/** `OpenAiError` of the document. */
export type OpenAiError = {
  readonly error: {
    readonly message: string;
    readonly type: string;
    readonly param: string | null;
    readonly code: string | null;
  };
};

/** `TeiError` of the document. */
export type TeiError = {
  readonly error: string;
  readonly error_type: 'Unhealthy' | 'Backend' | 'Overloaded' | 'Validation' | 'Tokenizer' | 'Empty';
  readonly code:
    | 'INVALID_REFERENCE'
    | 'MODEL_NOT_FOUND'
    | 'VERSION_NOT_FOUND'
    | 'ALIAS_NOT_FOUND'
    | 'ALIAS_CONFLICT'
    | 'INVALID_ARTIFACT'
    | 'UNSUPPORTED_FORMAT'
    | 'UNSAFE_FORMAT'
    | 'DIGEST_MISMATCH'
    | 'STORE_UNAVAILABLE'
    | 'STORE_PERMISSION'
    | 'LOAD_FAILED'
    | 'GATE_FAILED'
    | 'RUNNER_CRASHED'
    | 'OUT_OF_BUDGET'
    | 'INVALID_INPUT'
    | 'OVERLOADED'
    | 'DEADLINE_EXCEEDED'
    | 'CANCELLED'
    | 'UNAUTHENTICATED'
    | 'FORBIDDEN'
    | 'CLOSED'
    | 'INTERNAL';
};

/** `CohereError` of the document. */
export type CohereError = {
  readonly message: string;
  readonly code:
    | 'INVALID_REFERENCE'
    | 'MODEL_NOT_FOUND'
    | 'VERSION_NOT_FOUND'
    | 'ALIAS_NOT_FOUND'
    | 'ALIAS_CONFLICT'
    | 'INVALID_ARTIFACT'
    | 'UNSUPPORTED_FORMAT'
    | 'UNSAFE_FORMAT'
    | 'DIGEST_MISMATCH'
    | 'STORE_UNAVAILABLE'
    | 'STORE_PERMISSION'
    | 'LOAD_FAILED'
    | 'GATE_FAILED'
    | 'RUNNER_CRASHED'
    | 'OUT_OF_BUDGET'
    | 'INVALID_INPUT'
    | 'OVERLOADED'
    | 'DEADLINE_EXCEEDED'
    | 'CANCELLED'
    | 'UNAUTHENTICATED'
    | 'FORBIDDEN'
    | 'CLOSED'
    | 'INTERNAL';
};

/** `TeiInfo` of the document. */
export type TeiInfo = {
  readonly model_id: string;
  readonly model_sha: string | null;
  readonly model_dtype: string;
  readonly served_model_name: string;
  /** embedding, reranker or classifier, with what each has */
  readonly model_type: Readonly<Record<string, unknown>>;
  readonly max_concurrent_requests: number;
  readonly max_input_length: number | null;
  readonly max_batch_tokens: number;
  readonly max_client_batch_size: number;
  readonly auto_truncate: boolean;
  readonly version: string;
};

/** `RerankAnswer` of the document. */
export type RerankAnswer = {
  readonly id: string;
  readonly model: string;
  readonly object: 'list';
  readonly results: readonly {
    readonly index: number;
    readonly relevance_score: number;
    readonly document?: {
      readonly text: string;
    };
  }[];
  readonly usage: {
    readonly prompt_tokens: number;
    readonly total_tokens: number;
  };
  readonly meta: Readonly<Record<string, unknown>>;
};

/** `FrontPage` of the document. */
export type FrontPage = {
  readonly name: string;
  readonly version: string;
  readonly documentation: string;
  readonly openapi: string;
  readonly models: string;
  readonly health: string;
};

/** `ModelSummary` of the document. */
export type ModelSummary = {
  readonly id: string;
  readonly model: string;
  readonly version: number;
  readonly digest: string | null;
  /** The task that it was published for */
  readonly pipeline_tag: string | null;
  /** The tasks that it can be asked for */
  readonly tasks: readonly string[];
  readonly format: string | null;
  readonly size: number;
  /** Whether this node can answer at once */
  readonly ready: boolean;
  readonly publishedAt: string;
  readonly publishedBy: string | null;
  readonly message: string | null;
};

/** `ServerMetadata` of the document. */
export type ServerMetadata = {
  readonly name: string;
  readonly version: string;
  readonly extensions: readonly string[];
};

/** `ModelMetadata` of the document. */
export type ModelMetadata = {
  readonly name: string;
  readonly versions: readonly string[];
  readonly platform: string;
  readonly inputs: readonly {
    readonly name: string;
    readonly datatype: string;
    readonly shape: readonly number[];
  }[];
  readonly outputs: readonly {
    readonly name: string;
    readonly datatype: string;
    readonly shape: readonly number[];
  }[];
  readonly parameters?: Readonly<Record<string, unknown>>;
};

/** `ModelReady` of the document. */
export type ModelReady = {
  readonly name: string;
  readonly ready: boolean;
};

/** `Tensor` of the document. */
export type Tensor = {
  readonly name: string;
  readonly shape: readonly number[];
  /** BOOL, INT8 … INT64, UINT8 … UINT64, FP16, BF16, FP32, FP64 or BYTES */
  readonly datatype: string;
  /** Free facts, as the protocol has them */
  readonly parameters?: Readonly<Record<string, unknown>>;
  /** Values in row-major order, flat or nested as the shape says */
  readonly data?: readonly unknown[];
};

/** `InferRequest` of the document. */
export type InferRequest = {
  readonly id?: string;
  /** Free facts, as the protocol has them */
  readonly parameters?: Readonly<Record<string, unknown>>;
  readonly inputs: readonly Tensor[];
  readonly outputs?: readonly {
    readonly name: string;
    /** Free facts, as the protocol has them */
    readonly parameters?: Readonly<Record<string, unknown>>;
  }[];
};

/** `InferAnswer` of the document. */
export type InferAnswer = {
  readonly model_name: string;
  readonly model_version: string;
  readonly id?: string;
  /** Free facts, as the protocol has them */
  readonly parameters?: Readonly<Record<string, unknown>>;
  readonly outputs: readonly Tensor[];
};

/** `EmbeddingsAnswer` of the document. */
export type EmbeddingsAnswer = {
  readonly object: 'list';
  readonly data: readonly {
    readonly object: 'embedding';
    readonly index: number;
    readonly embedding: readonly number[] | string;
  }[];
  readonly model: string;
  readonly usage: {
    readonly prompt_tokens: number;
    readonly total_tokens: number;
  };
};

/** `OpenAiModel` of the document. */
export type OpenAiModel = {
  readonly id: string;
  readonly object: 'model';
  readonly created: number;
  readonly owned_by: string;
  readonly version: number;
  readonly task?: string;
};

/** `OpenAiModels` of the document. */
export type OpenAiModels = {
  readonly object: 'list';
  readonly data: readonly OpenAiModel[];
};

/** `Live` of the document. */
export type Live = {
  readonly live: boolean;
};

/** `Ready` of the document. */
export type Ready = {
  readonly ready: boolean;
  readonly store: {
    readonly reachable: boolean;
    readonly since: string;
  };
  readonly runners: {
    readonly serving: number;
    readonly missing: number;
  };
};

/** `Status` of the document. */
export type Status = {
  readonly store: {
    readonly reachable: boolean;
    readonly since: string;
    readonly error?: string;
  };
  readonly follows: readonly {
    readonly reference: string;
    readonly version: number;
    readonly since: string;
    readonly shares?: readonly {
      readonly version: number;
      readonly percent: number;
    }[];
    readonly shadow?: number;
  }[];
  readonly holds: readonly {
    readonly model: string;
    readonly version: number;
    readonly state: string;
    readonly since: string;
    readonly leases: number;
    readonly bytes: number;
    readonly runners: number;
    readonly pinned: boolean;
    /** In which it answers */
    readonly precision:
      | 'fp32'
      | 'int8'
      | 'int8-fast'
      | 'int8-weights'
      | 'int8+embeddings'
      | 'int8-fast+embeddings'
      | 'int8-weights+embeddings';
    readonly compiled: boolean;
  }[];
  /** Requests that wait, by version */
  readonly waiting: Readonly<Record<string, number>>;
  readonly runners: readonly {
    readonly pid: number;
    readonly mode: 'starting' | 'free' | 'busy' | 'retiring' | 'hung' | 'dead';
    readonly inFlight: number;
  }[];
  /** Runners that hung or ended, and for which no other serves yet */
  readonly runnersMissing: number;
  /** Runners that did not answer in time since the start, and were replaced */
  readonly runnersHung: number;
  readonly runnerRestarts: number;
};

/** Says which of its labels a text, or a pair of texts, has. */
export type TextClassification = {
  readonly inputs:
    | string
    | {
        readonly text: string;
        readonly text_pair?: string;
      }
    | readonly (
        | string
        | {
            readonly text: string;
            readonly text_pair?: string;
          }
        | readonly string[]
      )[];
  readonly parameters?: {
    /** How many labels to give, best first; null for all. Without it, the best one. */
    readonly top_k?: number | null;
    /** What turns logits into scores. Default: sigmoid for multi-label models and one label, none for regression, else softmax. */
    readonly function_to_apply?: 'softmax' | 'sigmoid' | 'none' | 'SOFTMAX' | 'SIGMOID' | 'NONE';
    /** Former name of top_k: true for all labels, in the order of the model. */
    readonly return_all_scores?: boolean;
    /** Whether to cut what is too long instead of refusing it, or which text of a pair gives way. */
    readonly truncation?: boolean | 'longest_first' | 'only_first' | 'only_second' | 'do_not_truncate';
    /** Another name of truncation, as Text Embeddings Inference has it: true or false. */
    readonly truncate?: boolean;
    /** Most tokens of a sequence, special ones included; no more than the model takes. A longer one is cut. */
    readonly max_length?: number;
    /** The end at which a text is cut. Default: what the tokenizer says. */
    readonly truncation_direction?: 'right' | 'left' | 'Right' | 'Left';
    /** Accepted for compatibility: an answer never depends on padding. */
    readonly padding?: boolean | 'longest' | 'max_length' | 'do_not_pad';
    /** Whether the tokens that the model expects around a text are put there. Default: true. */
    readonly add_special_tokens?: boolean;
  };
  readonly options?: Readonly<Record<string, unknown>>;
};

/** The answer of text-classification, as the transformers pipeline gives it */
export type TextClassificationAnswer =
  | {
      readonly label: string | number;
      readonly score: number;
    }
  | readonly {
      readonly label: string | number;
      readonly score: number;
    }[]
  | readonly (readonly {
      readonly label: string | number;
      readonly score: number;
    }[])[];

/** Finds the labelled words and spans of a text, such as names of people and places. */
export type TokenClassification = {
  readonly inputs: string | readonly string[] | readonly (readonly string[])[];
  readonly parameters?: {
    /** How tokens become entities: none gives tokens, simple groups tokens, the others decide word by word. */
    readonly aggregation_strategy?:
      | 'none'
      | 'simple'
      | 'first'
      | 'average'
      | 'max'
      | 'NONE'
      | 'SIMPLE'
      | 'FIRST'
      | 'AVERAGE'
      | 'MAX';
    /** Labels that are left out of the answer. */
    readonly ignore_labels?: readonly string[];
    /** Tokens that windows of a long text share; without it a long text is cut. Needs an aggregation. */
    readonly stride?: number | null;
    /** Whether a text is a list of its words, which are tokenized one by one. */
    readonly is_split_into_words?: boolean;
    /** What stands between the words of a list in the text that start and end are places of. */
    readonly delimiter?: string;
  };
  readonly options?: Readonly<Record<string, unknown>>;
};

/** The answer of token-classification, as the transformers pipeline gives it */
export type TokenClassificationAnswer =
  | readonly {
      readonly entity?: string;
      readonly entity_group?: string;
      readonly score: number;
      readonly index?: number;
      readonly word: string;
      readonly start?: number;
      readonly end?: number;
    }[]
  | readonly (readonly {
      readonly entity?: string;
      readonly entity_group?: string;
      readonly score: number;
      readonly index?: number;
      readonly word: string;
      readonly start?: number;
      readonly end?: number;
    }[])[];

/** Finds the answer to a question in a text. */
export type QuestionAnswering = {
  readonly inputs:
    | {
        readonly question: string;
        readonly context: string;
      }
    | readonly {
        readonly question: string;
        readonly context: string;
      }[];
  readonly parameters?: {
    /** How many answers to give, best first. */
    readonly top_k?: number;
    /** Tokens that windows of a long context share. */
    readonly doc_stride?: number;
    /** Most tokens of a window. Default: 384, or what the model takes. */
    readonly max_seq_len?: number;
    /** Most tokens of an answer. */
    readonly max_answer_len?: number;
    /** Accepted for compatibility; a question is never cut. */
    readonly max_question_len?: number;
    /** Whether "no answer" may be the answer. */
    readonly handle_impossible_answer?: boolean;
    /** Accepted for compatibility: an answer never depends on padding. */
    readonly padding?: boolean | 'longest' | 'max_length' | 'do_not_pad';
    /** Whether answers begin and end at words. */
    readonly align_to_words?: boolean;
  };
  readonly options?: Readonly<Record<string, unknown>>;
};

/** The answer of question-answering, as the transformers pipeline gives it */
export type QuestionAnsweringAnswer =
  | {
      readonly score: number;
      readonly start: number;
      readonly end: number;
      readonly answer: string;
    }
  | readonly (
      | {
          readonly score: number;
          readonly start: number;
          readonly end: number;
          readonly answer: string;
        }
      | readonly {
          readonly score: number;
          readonly start: number;
          readonly end: number;
          readonly answer: string;
        }[]
    )[];

/** Proposes tokens for the masked places of a text. */
export type FillMask = {
  readonly inputs: string | readonly string[];
  readonly parameters?: {
    /** How many tokens to propose for each mask. */
    readonly top_k?: number;
    /** Propose only these words (the first token of each that is none). */
    readonly targets?: string | readonly string[];
    /** Whether to cut what is too long instead of refusing it, or which text of a pair gives way. */
    readonly truncation?: boolean | 'longest_first' | 'only_first' | 'only_second' | 'do_not_truncate';
    /** Another name of truncation, as Text Embeddings Inference has it: true or false. */
    readonly truncate?: boolean;
    /** Most tokens of a sequence, special ones included; no more than the model takes. A longer one is cut. */
    readonly max_length?: number;
    /** The end at which a text is cut. Default: what the tokenizer says. */
    readonly truncation_direction?: 'right' | 'left' | 'Right' | 'Left';
    /** Accepted for compatibility: an answer never depends on padding. */
    readonly padding?: boolean | 'longest' | 'max_length' | 'do_not_pad';
    /** Whether the tokens that the model expects around a text are put there. Default: true. */
    readonly add_special_tokens?: boolean;
  };
  readonly options?: Readonly<Record<string, unknown>>;
};

/** The answer of fill-mask, as the transformers pipeline gives it */
export type FillMaskAnswer =
  | readonly {
      readonly score: number;
      readonly token: number;
      readonly token_str: string;
      readonly sequence: string;
    }[]
  | readonly (
      | readonly {
          readonly score: number;
          readonly token: number;
          readonly token_str: string;
          readonly sequence: string;
        }[]
      | readonly (readonly {
          readonly score: number;
          readonly token: number;
          readonly token_str: string;
          readonly sequence: string;
        }[])[]
    )[];

/** Gives the vector of each token of a text. */
export type FeatureExtraction = {
  readonly inputs: string | readonly string[];
  readonly parameters?: {
    /** Whether to cut what is too long instead of refusing it, or which text of a pair gives way. */
    readonly truncation?: boolean | 'longest_first' | 'only_first' | 'only_second' | 'do_not_truncate';
    /** Another name of truncation, as Text Embeddings Inference has it: true or false. */
    readonly truncate?: boolean;
    /** Most tokens of a sequence, special ones included; no more than the model takes. A longer one is cut. */
    readonly max_length?: number;
    /** The end at which a text is cut. Default: what the tokenizer says. */
    readonly truncation_direction?: 'right' | 'left' | 'Right' | 'Left';
    /** Accepted for compatibility: an answer never depends on padding. */
    readonly padding?: boolean | 'longest' | 'max_length' | 'do_not_pad';
    /** Whether the tokens that the model expects around a text are put there. Default: true. */
    readonly add_special_tokens?: boolean;
    /** Name of a prompt of the model that goes before each text. */
    readonly prompt_name?: string;
  };
  readonly options?: Readonly<Record<string, unknown>>;
};

/** The answer of feature-extraction, as the transformers pipeline gives it */
export type FeatureExtractionAnswer =
  | readonly (readonly (readonly number[])[])[]
  | readonly (readonly (readonly (readonly number[])[])[])[];

/** Says which of the labels given with the request fit a text, by an entailment model. */
export type ZeroShotClassification = {
  readonly inputs: string | readonly string[];
  readonly parameters?: {
    /** Labels to choose from: a list, or a text with commas between them. */
    readonly candidate_labels: string | readonly string[];
    /** The sentence that a label makes true; {} is the place of the label. */
    readonly hypothesis_template?: string;
    /** Whether several labels may hold, each scored on its own. */
    readonly multi_label?: boolean;
    /** Whether to cut what is too long instead of refusing it, or which text of a pair gives way. */
    readonly truncation?: boolean | 'longest_first' | 'only_first' | 'only_second' | 'do_not_truncate';
    /** Another name of truncation, as Text Embeddings Inference has it: true or false. */
    readonly truncate?: boolean;
    /** Most tokens of a sequence, special ones included; no more than the model takes. A longer one is cut. */
    readonly max_length?: number;
    /** The end at which a text is cut. Default: what the tokenizer says. */
    readonly truncation_direction?: 'right' | 'left' | 'Right' | 'Left';
    /** Accepted for compatibility: an answer never depends on padding. */
    readonly padding?: boolean | 'longest' | 'max_length' | 'do_not_pad';
    /** Whether the tokens that the model expects around a text are put there. Default: true. */
    readonly add_special_tokens?: boolean;
  };
  readonly options?: Readonly<Record<string, unknown>>;
};

/** The answer of zero-shot-classification, as the transformers pipeline gives it */
export type ZeroShotClassificationAnswer =
  | {
      readonly sequence: string;
      readonly labels: readonly string[];
      readonly scores: readonly number[];
    }
  | readonly {
      readonly sequence: string;
      readonly labels: readonly string[];
      readonly scores: readonly number[];
    }[];

/** Gives one vector for each text. */
export type SentenceEmbeddings = {
  readonly inputs: string | readonly string[] | readonly number[] | readonly (readonly number[])[];
  readonly parameters?: {
    /** Whether vectors get length 1. Default: what modules.json says. */
    readonly normalize?: boolean;
    /** Name of a prompt of the model that goes before each text. */
    readonly prompt_name?: string;
    /** Text that goes before each text, instead of a named prompt. */
    readonly prompt?: string;
    /** How many of the first numbers of each vector to give. */
    readonly dimensions?: number;
    /** Whether to cut a text that is too long instead of refusing it. Default: true. */
    readonly truncate?: boolean;
    /** Another name of truncate, as the tokenizers of transformers have it. */
    readonly truncation?: boolean | 'longest_first' | 'only_first' | 'do_not_truncate';
    /** The end at which a text is cut. Default: what the tokenizer says. */
    readonly truncation_direction?: 'right' | 'left' | 'Right' | 'Left';
  };
  readonly options?: Readonly<Record<string, unknown>>;
};

/** The answer of sentence-embeddings, as the transformers pipeline gives it */
export type SentenceEmbeddingsAnswer = readonly number[] | readonly (readonly number[])[];

/** Says how alike each of several sentences is to a source sentence. */
export type SentenceSimilarity = {
  readonly inputs: {
    readonly source_sentence: string;
    readonly sentences: readonly string[];
  };
  readonly parameters?: {
    /** Name of a prompt of the model that goes before each text. */
    readonly prompt_name?: string;
    /** Text that goes before each text, instead of a named prompt. */
    readonly prompt?: string;
    /** Whether to cut a text that is too long instead of refusing it. Default: true. */
    readonly truncate?: boolean;
    /** Another name of truncate, as the tokenizers of transformers have it. */
    readonly truncation?: boolean | 'longest_first' | 'only_first' | 'do_not_truncate';
    /** The end at which a text is cut. Default: what the tokenizer says. */
    readonly truncation_direction?: 'right' | 'left' | 'Right' | 'Left';
  };
  readonly options?: Readonly<Record<string, unknown>>;
};

/** The answer of sentence-similarity, as the transformers pipeline gives it */
export type SentenceSimilarityAnswer = readonly number[];

/** Ranks texts by how well they answer a query. */
export type TextRanking = {
  readonly inputs: {
    readonly query: string;
    readonly texts: readonly string[];
  };
  readonly parameters?: {
    /** Whether to give logits instead of what the model's own activation makes of them. */
    readonly raw_scores?: boolean;
    /** Whether to repeat the text beside its score. */
    readonly return_text?: boolean;
    /** How many texts to give, best first. Default: all. */
    readonly top_k?: number | null;
    /** Name of a prompt of the model that goes before the query. */
    readonly prompt_name?: string;
    /** Text that goes before the query, instead of a named prompt. */
    readonly prompt?: string;
    /** Whether to cut what is too long instead of refusing it, or which text of a pair gives way. */
    readonly truncation?: boolean | 'longest_first' | 'only_first' | 'only_second' | 'do_not_truncate';
    /** Another name of truncation, as Text Embeddings Inference has it: true or false. */
    readonly truncate?: boolean;
    /** Most tokens of a sequence, special ones included; no more than the model takes. A longer one is cut. */
    readonly max_length?: number;
    /** The end at which a text is cut. Default: what the tokenizer says. */
    readonly truncation_direction?: 'right' | 'left' | 'Right' | 'Left';
    /** Accepted for compatibility: an answer never depends on padding. */
    readonly padding?: boolean | 'longest' | 'max_length' | 'do_not_pad';
    /** Whether the tokens that the model expects around a text are put there. Default: true. */
    readonly add_special_tokens?: boolean;
  };
  readonly options?: Readonly<Record<string, unknown>>;
};

/** The answer of text-ranking, as the transformers pipeline gives it */
export type TextRankingAnswer = readonly {
  readonly index: number;
  readonly score: number;
  readonly text?: string;
}[];

/** Gives one sparse vector for each text: weights of tokens of the vocabulary. */
export type SparseEmbeddings = {
  readonly inputs: string | readonly string[];
  readonly parameters?: {
    /** How many of the largest weights to give. Default: what the model says, or all that are not 0. */
    readonly top_k?: number | null;
    /** Whether to name the token beside its index. */
    readonly return_tokens?: boolean;
    /** Name of a prompt of the model that goes before each text. */
    readonly prompt_name?: string;
    /** Text that goes before each text, instead of a named prompt. */
    readonly prompt?: string;
    /** Whether to cut a text that is too long instead of refusing it. Default: true. */
    readonly truncate?: boolean;
    /** Another name of truncate, as the tokenizers of transformers have it. */
    readonly truncation?: boolean | 'longest_first' | 'only_first' | 'do_not_truncate';
    /** The end at which a text is cut. Default: what the tokenizer says. */
    readonly truncation_direction?: 'right' | 'left' | 'Right' | 'Left';
  };
  readonly options?: Readonly<Record<string, unknown>>;
};

/** The answer of sparse-embeddings, as the transformers pipeline gives it */
export type SparseEmbeddingsAnswer =
  | readonly {
      readonly index: number;
      readonly value: number;
      readonly token?: string;
    }[]
  | readonly (readonly {
      readonly index: number;
      readonly value: number;
      readonly token?: string;
    }[])[];
