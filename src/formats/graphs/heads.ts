import { ModelkeepError, type TensorInfo } from '../../core/index.js';
import { activate, exactLinear, halved, layerNorm, linear, multiply } from './blocks.js';
import type { Checkpoint } from './checkpoint.js';
import type { Encoded, Head } from './family.js';
import { unflatten } from './frame.js';

/** The number of labels by the output layer. @throws ModelkeepError `INVALID_ARTIFACT` if config.json names others */
export function labelsOf(c: Checkpoint, { config }: Encoded, weight: string): number {
  const rows = c.headRows(weight);
  if (config.labels === undefined || config.labels === rows) return rows;
  throw new ModelkeepError(
    'INVALID_ARTIFACT',
    `Tensor "${weight}" has ${rows} rows, config.json names ${config.labels} labels in id2label`,
  );
}

/** Gives a value the name of an output of the graph. `-1` in `dims` stands for any size. */
export function named(c: Checkpoint, name: string, value: string, dims: readonly number[]): TensorInfo {
  c.writer.node('Identity', [value], {}, name);
  return { name, type: 'float32', dims };
}

/** The pooler's layer: ALBERT's has no name of its own within the pooler. */
function poolerOf(c: Checkpoint): string {
  return c.has('pooler.weight') ? 'pooler' : 'pooler.dense';
}

/** BERT's pooler: the first token through a linear layer and tanh; each row twice (see {@link doubled}). */
function pool(c: Checkpoint, { first, hidden }: Encoded): string {
  return c.writer.node('Tanh', [exactLinear(c, 'encoder', poolerOf(c), first(), [hidden, hidden])]);
}

/** Sequence classification on the pooler's output (BERT). */
export const classifyPooled: Head = (c, encoded) => {
  const labels = labelsOf(c, encoded, 'classifier.weight');
  const logits = exactLinear(c, 'head', 'classifier', pool(c, encoded), [encoded.hidden, labels]);
  return [named(c, 'logits', halved(c.writer, logits, labels), [-1, labels])];
};

/** Sequence classification on the first token, through one dense layer of the head. */
export function classifyFirst(dense: string, activation: string, output: string): Head {
  return (c, encoded) => {
    const { first, hidden } = encoded;
    const labels = labelsOf(c, encoded, `${output}.weight`);
    const active = activate(c.writer, activation, exactLinear(c, 'head', dense, first(), [hidden, hidden]));
    const logits = exactLinear(c, 'head', output, active, [hidden, labels]);
    return [named(c, 'logits', halved(c.writer, logits, labels), [-1, labels])];
  };
}

/** Token classification: one linear layer on every token. */
export const classifyTokens: Head = (c, encoded) => {
  const labels = labelsOf(c, encoded, 'classifier.weight');
  const logits = exactLinear(c, 'head', 'classifier', encoded.all(), [encoded.hidden, labels]);
  return [named(c, 'logits', unflatten(c.writer, encoded.frame, logits), [-1, -1, labels])];
};

/** Question answering: a score to begin and a score to end for every token. */
export const answerQuestions: Head = (c, { all, hidden, frame }) => {
  const both = unflatten(c.writer, frame, exactLinear(c, 'head', 'qa_outputs', all(), [hidden, 2]));
  return ['start_logits', 'end_logits'].map((name, index) => {
    const one = c.writer.node('Gather', [both, c.writer.int(index)], { axis: { int: 2 } });
    return named(c, name, one, [-1, -1]);
  });
};

/** The encoder's output, and the pooler's where the checkpoint has one. */
export const plainEncoder: Head = (c, encoded) => {
  const { all, hidden, frame } = encoded;
  const outputs = [named(c, 'last_hidden_state', unflatten(c.writer, frame, all()), [-1, -1, hidden])];
  if (c.has(`${poolerOf(c)}.weight`))
    outputs.push(named(c, 'pooler_output', halved(c.writer, pool(c, encoded), hidden), [-1, hidden]));
  return outputs;
};

/** Names and choices of one family's masked language model. */
export interface MaskShape {
  readonly dense: string;
  readonly norm: string;
  /** Tensor that is added to the scores of the words. */
  readonly bias: string;
  /** The decoder's weight, where it is not the table of words (`tie_word_embeddings: false`). */
  readonly decoder: string;
  /** @defaultValue `hidden_act` of config.json */
  readonly activation?: string;
  /** @defaultValue `layer_norm_eps` of config.json, or 1e-12 */
  readonly epsilon?: number;
}

/** Masked language model: a transform to the width of the embeddings, and the table of words as the decoder. */
export function fillMasks(names: MaskShape): Head {
  return (c, { all, hidden, frame, words, config }) => {
    const [vocabulary, embedding] = words.shape;
    const dense = linear(c, 'head', names.dense, all(), [hidden, embedding]);
    const active = activate(c.writer, names.activation ?? config.text('hidden_act', 'gelu'), dense);
    const epsilon = names.epsilon ?? config.number('layer_norm_eps', 1e-12);
    const normed = layerNorm(c, 'head', names.norm, active, embedding, epsilon);
    const bias = c.head(names.bias, [vocabulary]);
    const tied = config.raw('tie_word_embeddings') !== false;
    const decoder = tied
      ? ({ part: 'encoder', name: words.name } as const)
      : ({ part: 'head', name: names.decoder } as const);
    const logits = multiply(c, normed, { ...decoder, from: embedding, to: vocabulary }, bias);
    return [named(c, 'logits', unflatten(c.writer, frame, logits), [-1, -1, vocabulary])];
  };
}

/** BERT's masked language model. */
export const fillMasksAsBert = fillMasks({
  dense: 'cls.predictions.transform.dense',
  norm: 'cls.predictions.transform.LayerNorm',
  bias: 'cls.predictions.bias',
  decoder: 'cls.predictions.decoder.weight',
});

/** RoBERTa's masked language model, whose activation is fixed. */
export const fillMasksAsRoberta = fillMasks({
  dense: 'lm_head.dense',
  norm: 'lm_head.layer_norm',
  bias: 'lm_head.bias',
  decoder: 'lm_head.decoder.weight',
  activation: 'gelu',
});
