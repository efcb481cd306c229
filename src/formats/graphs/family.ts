import type { TensorInfo } from '../../core/index.js';
import type { States, Words } from './blocks.js';
import type { Checkpoint } from './checkpoint.js';
import type { ModelConfig } from './config.js';
import type { Frame } from './frame.js';

/** What a head needs of the encoder below it. */
export interface Encoded extends States {
  readonly config: ModelConfig;
  readonly frame: Frame;
  readonly hidden: number;
  /** The word embeddings, for tied decoders. */
  readonly words: Words;
}

/** A head: from the encoder's state to the graph's outputs. */
export type Head = (checkpoint: Checkpoint, encoded: Encoded) => readonly TensorInfo[];

/** Kinds of heads, as the second half of a class name in `architectures` says it. */
export type HeadKind =
  | 'ForSequenceClassification'
  | 'ForTokenClassification'
  | 'ForQuestionAnswering'
  | 'ForMaskedLM'
  | 'Model';

/** How one architecture family becomes a graph. */
export interface Family {
  /** First half of the class names in `architectures`, such as `Bert`. */
  readonly className: string;
  /** Name of the encoder inside models with a head, such as `bert.`. */
  readonly prefix: string;
  /** True if the graph has the input token_type_ids. */
  readonly hasTokenTypes: (config: ModelConfig) => boolean;
  /** @throws ModelkeepError `UNSUPPORTED_FORMAT` for an option that the graph has not */
  readonly check: (config: ModelConfig) => void;
  readonly encode: (checkpoint: Checkpoint, config: ModelConfig) => Encoded;
  readonly heads: Readonly<Partial<Record<HeadKind, Head>>>;
}
