import { layerNorm, lookUpWords, type Words } from './blocks.js';
import type { Checkpoint } from './checkpoint.js';
import type { ModelConfig } from './config.js';
import { ofRows, positionsOfRows, type Frame } from './frame.js';

/** Sizes and choices of an embedding layer. */
export interface EmbeddingShape {
  readonly size: number;
  readonly vocabulary: number;
  readonly positions: number;
  /** Rows of the token type table; 0 where the family has none. */
  readonly types: number;
  readonly epsilon: number;
  /**
   * `count`: 0, 1, 2 …; `skip-padding`: behind `padId`, counting only tokens that are not padding (RoBERTa); `none`: no
   * positions here.
   */
  readonly counting: 'count' | 'skip-padding' | 'none';
  readonly padId: number;
}

/** The embedding sizes that most families name alike in config.json. */
export function embeddingShape(config: ModelConfig, counting: EmbeddingShape['counting']): EmbeddingShape {
  return {
    size: config.size('hidden_size'),
    vocabulary: config.size('vocab_size'),
    positions: config.size('max_position_embeddings'),
    types: config.count('type_vocab_size', 2),
    epsilon: config.number('layer_norm_eps', 1e-12),
    counting,
    padId: config.count('pad_token_id', counting === 'count' ? 0 : 1),
  };
}

function positionsOf(c: Checkpoint, shape: EmbeddingShape, frame: Frame): string {
  const { writer } = c;
  const table = c.encoder('embeddings.position_embeddings.weight', [shape.positions, shape.size]);
  if (shape.counting === 'count') return writer.node('Gather', [table, positionsOfRows(writer, frame)]);
  const pad = writer.int(shape.padId);
  const real = writer.node('Not', [writer.node('Equal', ['input_ids', pad])]);
  const ones = writer.node('Cast', [real], { to: { int: 7 } });
  const counted = writer.node('Mul', [writer.node('CumSum', [ones, writer.int(1)]), ones]);
  return writer.node('Gather', [table, ofRows(writer, frame, writer.node('Add', [counted, pad]))]);
}

/** What enters the first layer, and the table of the words. */
export interface Embedded {
  /** float32 [rows, size]. */
  readonly state: string;
  readonly words: Words;
}

/**
 * Words, positions and token types, summed.
 */
export function sumEmbeddings(c: Checkpoint, shape: EmbeddingShape, frame: Frame): Embedded {
  const { writer } = c;
  const words: Words = { name: 'embeddings.word_embeddings.weight', shape: [shape.vocabulary, shape.size] };
  let sum = lookUpWords(c, words, frame);
  if (shape.types > 0) {
    const types = c.encoder('embeddings.token_type_embeddings.weight', [shape.types, shape.size]);
    const chosen = shape.types > 1 ? ofRows(writer, frame, 'token_type_ids') : writer.int(0);
    sum = writer.node('Add', [sum, writer.node('Gather', [types, chosen])]);
  }
  if (shape.counting !== 'none') sum = writer.node('Add', [sum, positionsOf(c, shape, frame)]);
  return { state: sum, words };
}

/** {@link sumEmbeddings}, normalised. */
export function embed(c: Checkpoint, shape: EmbeddingShape, frame: Frame): Embedded {
  const { state, words } = sumEmbeddings(c, shape, frame);
  return { state: layerNorm(c, 'encoder', 'embeddings.LayerNorm', state, shape.size, shape.epsilon), words };
}
