import { ModelkeepError, type TensorInfo } from '../../core/index.js';
import { activate, exactLinear, halved, layerNorm, linear, multiply, type Words } from './blocks.js';
import type { Checkpoint } from './checkpoint.js';
import type { ModelConfig } from './config.js';
import type { Encoded, Head } from './family.js';
import { unflatten, type Frame } from './frame.js';

/** The number of labels by the output layer. @throws ModelkeepError `INVALID_ARTIFACT` if config.json names others */
export function labelsOf(c: Checkpoint, { config }: Encoded, weight: string): number {
  const rows = c.headRows(weight);
  if (config.labels === undefined || config.labels === rows) return rows;
  throw new ModelkeepError(
    'INVALID_ARTIFACT',
    `Tensor "${weight}" has ${rows} rows, config.json names ${config.labels} labels in ${config.raw('id2label') === undefined ? 'num_labels' : 'id2label'}`,
  );
}

/** Gives a value the name of an output of the graph. `-1` in `dims` stands for any size. */
export function named(c: Checkpoint, name: string, value: string, dims: readonly number[]): TensorInfo {
  c.writer.node('Identity', [value], {}, name);
  return { name, type: 'float32', dims };
}

/** BERT's pooler: the first token through a linear layer and tanh; each row twice (see {@link doubled}). */
function pool(c: Checkpoint, pooler: string, { first, hidden }: Encoded): string {
  return c.writer.node('Tanh', [exactLinear(c, 'encoder', pooler, first(), [hidden, hidden])]);
}

/** Sequence classification on the output of a pooler (BERT). */
export function classifyPooled(pooler: string): Head {
  return {
    needs: ['classifier.weight'],
    pools: true,
    author: (c, encoded) => {
      const labels = labelsOf(c, encoded, 'classifier.weight');
      const logits = exactLinear(c, 'head', 'classifier', pool(c, pooler, encoded), [encoded.hidden, labels]);
      return [named(c, 'logits', halved(c.writer, logits, labels), [-1, labels])];
    },
  };
}

/** How a head takes the first token: a dense layer, its activation, and the layer that gives the labels. */
export interface FirstShape {
  readonly dense: string;
  readonly activation: (config: ModelConfig) => string;
  readonly output: string;
}

/** Sequence classification on the first token, through one dense layer of the head. */
export function classifyFirst({ dense, activation, output }: FirstShape): Head {
  return {
    needs: [`${dense}.weight`, `${output}.weight`],
    author: (c, encoded) => {
      const { first, hidden, config } = encoded;
      const labels = labelsOf(c, encoded, `${output}.weight`);
      const active = activate(c.writer, activation(config), exactLinear(c, 'head', dense, first(), [hidden, hidden]));
      const logits = exactLinear(c, 'head', output, active, [hidden, labels]);
      return [named(c, 'logits', halved(c.writer, logits, labels), [-1, labels])];
    },
  };
}

/** RoBERTa's classification, which others took over. */
export const classifyAsRoberta = classifyFirst({
  dense: 'classifier.dense',
  activation: () => 'tanh',
  output: 'classifier.out_proj',
});

/** Token classification: one linear layer on every token. */
export const classifyTokens: Head = {
  needs: ['classifier.weight'],
  author: (c, encoded) => {
    const labels = labelsOf(c, encoded, 'classifier.weight');
    const logits = exactLinear(c, 'head', 'classifier', encoded.all(), [encoded.hidden, labels]);
    return [named(c, 'logits', unflatten(c.writer, encoded.frame, logits), [-1, -1, labels])];
  },
};

/** A score to begin and a score to end for every token, from float32 [rows, 2]. */
export function startsAndEnds(c: Checkpoint, frame: Frame, rows: string): readonly TensorInfo[] {
  const both = unflatten(c.writer, frame, rows);
  return ['start_logits', 'end_logits'].map((name, index) => {
    const one = c.writer.node('Gather', [both, c.writer.int(index)], { axis: { int: 2 } });
    return named(c, name, one, [-1, -1]);
  });
}

/** Question answering: one linear layer on every token. */
export const answerQuestions: Head = {
  needs: ['qa_outputs.weight'],
  author: (c, { all, hidden, frame }) =>
    startsAndEnds(c, frame, exactLinear(c, 'head', 'qa_outputs', all(), [hidden, 2])),
};

/** The encoder's output, and the pooler's where the family has one and the checkpoint too. */
export function plainEncoder(pooler?: string): Head {
  return {
    needs: [],
    author: (c, encoded) => {
      const { all, hidden, frame } = encoded;
      const outputs = [named(c, 'last_hidden_state', unflatten(c.writer, frame, all()), [-1, -1, hidden])];
      if (pooler === undefined || !c.has(`${pooler}.weight`)) return outputs;
      const pooled = halved(c.writer, pool(c, pooler, encoded), hidden);
      return [...outputs, named(c, 'pooler_output', pooled, [-1, hidden])];
    },
  };
}

/** Names and choices of one family's masked language model. */
export interface MaskShape {
  readonly dense: string;
  readonly norm: string;
  /** Tensor that is added to the scores of the words. */
  readonly bias: string;
  /** The decoder's layer, whose weight is the table of words unless `tie_word_embeddings` is false. */
  readonly decoder: string;
  /** @defaultValue `hidden_act` of config.json */
  readonly activation?: (config: ModelConfig) => string;
  /** @defaultValue `layer_norm_eps` of config.json, or 1e-12 */
  readonly epsilon?: number;
}

/** Masked language model: a transform to the width of the embeddings, and the table of words as the decoder. */
export function fillMasks(names: MaskShape): Head {
  return {
    needs: [`${names.dense}.weight`],
    author: (c, { all, hidden, frame, words, config }) => {
      const [vocabulary, embedding] = words.shape;
      const dense = linear(c, 'head', names.dense, all(), [hidden, embedding]);
      const activation = names.activation?.(config) ?? config.text('hidden_act', 'gelu');
      const epsilon = names.epsilon ?? config.number('layer_norm_eps', 1e-12);
      const normed = layerNorm(c, 'head', names.norm, activate(c.writer, activation, dense), embedding, epsilon);
      const logits = decode(c, { config, words, decoder: names.decoder, bias: names.bias }, normed);
      return [named(c, 'logits', unflatten(c.writer, frame, logits), [-1, -1, vocabulary])];
    },
  };
}

/** What turns states into scores of words. */
export interface Decoding {
  readonly config: ModelConfig;
  readonly words: Words;
  /** The decoder's layer in the head. */
  readonly decoder: string;
  /** The bias where it has a name beside the decoder's own; undefined: the decoder has none. */
  readonly bias: string | undefined;
}

/**
 * Scores of all words: float32 [rows, vocabulary]. Where a checkpoint has both names of the bias, the decoder's own is
 * the one that transformers computes with: releases from 5 on leave the other at what it began with.
 */
export function decode(c: Checkpoint, { config, words, decoder, bias }: Decoding, x: string): string {
  const [vocabulary, width] = words.shape;
  const own = `${decoder}.bias`;
  const name = bias === undefined || !c.hasHead(own) ? bias : own;
  const added = name === undefined ? undefined : c.head(name, [vocabulary]);
  const tied = config.raw('tie_word_embeddings') !== false;
  const weight = tied
    ? ({ part: 'encoder', name: words.name } as const)
    : ({ part: 'head', name: `${decoder}.weight` } as const);
  if (tied) c.mustEqual(words.name, `${decoder}.weight`);
  return multiply(c, x, { ...weight, from: width, to: vocabulary }, added);
}

/** BERT's masked language model. */
export const fillMasksAsBert = fillMasks({
  dense: 'cls.predictions.transform.dense',
  norm: 'cls.predictions.transform.LayerNorm',
  bias: 'cls.predictions.bias',
  decoder: 'cls.predictions.decoder',
});

/** RoBERTa's masked language model, whose activation is fixed. */
export const fillMasksAsRoberta = fillMasks({
  dense: 'lm_head.dense',
  norm: 'lm_head.layer_norm',
  bias: 'lm_head.bias',
  decoder: 'lm_head.decoder',
  activation: () => 'gelu',
});
