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
export interface Head {
  /** Names of the tensors by which a checkpoint is known to have it; their shapes are checked when it is authored. */
  readonly needs: readonly string[] | ((config: ModelConfig) => readonly string[]);
  /** True if it reads the encoder's pooler. @defaultValue false */
  readonly pools?: boolean;
  readonly author: (checkpoint: Checkpoint, encoded: Encoded) => readonly TensorInfo[];
}

/** Kinds of heads, as the second half of a class name in `architectures` says it. */
export type HeadKind =
  | 'ForSequenceClassification'
  | 'ForTokenClassification'
  | 'ForQuestionAnswering'
  | 'ForMaskedLM'
  | 'Model';

/** How a family names the tensors of its checkpoints, in every class that transformers has of it. */
export interface FamilyNames {
  /** Name of the encoder inside models with a head, such as `bert.`. */
  readonly prefix: string;
  /** First parts of the names of the encoder's tensors, without the prefix. */
  readonly roots: readonly string[];
  /** The table of words, in the encoder. */
  readonly words: string;
  /** A tensor of the first layer, in the encoder: it tells the network from others. */
  readonly mark: string;
  /** The decoder's layer of the masked language model, beside the encoder. */
  readonly decoder: string;
  /** The pooler's layer, in the encoder; absent where the family has none. */
  readonly pooler?: string;
  /** Tensors beside the encoder: those of all heads that transformers has, served or not. */
  readonly beside: RegExp;
  /** Tensors inside of the encoder that checkpoints may hold and that the encoder does not use. */
  readonly unused?: RegExp;
}

/** How one architecture family becomes a graph. */
export interface Family {
  /** First half of the class names in `architectures`, such as `Bert`. */
  readonly className: string;
  readonly names: FamilyNames;
  /** What fields of config.json are where they are missing: the defaults of the family's configuration in transformers. */
  readonly defaults: Readonly<Record<string, unknown>>;
  /** Fields by other names that the configuration takes for them. */
  readonly aliases?: Readonly<Record<string, string>>;
  /** True if the graph has the input token_type_ids. */
  readonly hasTokenTypes: (config: ModelConfig) => boolean;
  /** @throws ModelkeepError `UNSUPPORTED_FORMAT` for an option that the graph has not */
  readonly check: (config: ModelConfig) => void;
  readonly encode: (checkpoint: Checkpoint, config: ModelConfig) => Encoded;
  readonly heads: Readonly<Partial<Record<HeadKind, Head>>>;
}

/** A pattern for the weights and biases of layers, by whole names. */
export function layersNamed(...layers: readonly string[]): RegExp {
  const names = layers.map((layer) => layer.replaceAll('.', String.raw`\.`));
  return new RegExp(String.raw`^(?:${names.join('|')})\.(?:weight|bias)$`);
}

/** Sizes that most configurations of transformers have where config.json does not say. */
export const BASE_SIZES = Object.freeze({
  hidden_size: 768,
  num_hidden_layers: 12,
  num_attention_heads: 12,
  intermediate_size: 3072,
  max_position_embeddings: 512,
});
