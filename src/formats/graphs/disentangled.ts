import { exactLinear, layerNorm, type EncoderShape, type Scored } from './blocks.js';
import type { Checkpoint } from './checkpoint.js';
import { byDistance } from './distances.js';
import type { Frame } from './frame.js';

/** Content to position: a query against where its key stands; position to content: the other way round. */
export type AttentionKind = 'c2p' | 'p2c';

/** How DeBERTa weighs the distance of two tokens. */
export interface DistanceShape {
  readonly kinds: readonly AttentionKind[];
  /** Buckets to each side; undefined: a number for each distance. */
  readonly buckets: number | undefined;
  /** The distance from which on all are alike. */
  readonly farthest: number;
  /** Longest sequence. */
  readonly positions: number;
  /** True if the table of distances goes through a layer norm. */
  readonly normed: boolean;
  /** True if positions are projected by the contents' own layers. */
  readonly shared: boolean;
}

/**
 * The bucket of a distance: near ones have one each, farther ones share the other half logarithmically
 * (`make_log_bucket_position` of transformers). Rounded to float32 at each step as PyTorch does.
 */
export function logBucket(distance: number, buckets: number, farthest: number): number {
  const middle = Math.trunc(buckets / 2);
  const far = Math.abs(distance);
  if (far <= middle) return distance;
  const log = Math.fround(Math.log(Math.fround(far / middle)));
  const span = Math.fround(Math.log(Math.fround((farthest - 1) / middle)));
  const share = Math.ceil(Math.fround(Math.fround(log / span) * (middle - 1)));
  return Math.sign(distance) * (share + middle);
}

/**
 * What disentangled attention adds to a layer's scores (formula 4 of the paper, without position to position).
 *
 * @returns for each layer a value float32 [batch, heads, sequence, sequence]
 */
export function disentangled(
  c: Checkpoint,
  frame: Frame,
  shape: EncoderShape & { readonly scale: number },
  distances: DistanceShape,
): (scored: Scored) => string {
  const { writer } = c;
  const { hidden, heads } = shape;
  const { kinds, buckets, farthest, positions, shared } = distances;
  const reach = buckets ?? farthest;
  const plain = c.encoder('encoder.rel_embeddings.weight', [2 * reach, hidden]);
  const table = distances.normed ? layerNorm(c, 'encoder', 'encoder.LayerNorm', plain, hidden, shape.epsilon) : plain;
  // The paper's distance is that of the query behind the key.
  const chosen = byDistance(c, 'distance_buckets', positions, (ahead) => {
    const bucket = buckets === undefined ? -ahead : logBucket(-ahead, buckets, farthest);
    return Math.min(Math.max(bucket + reach, 0), 2 * reach - 1);
  });
  const batch = writer.node('Gather', [frame.tokens, writer.ints([0])]);
  const length = writer.node('Gather', [frame.tokens, writer.ints([1])]);
  const full = writer.node('Concat', [batch, writer.ints([heads]), length, length], { axis: { int: 0 } });
  // int32: expanded, they are as many as all scores of a layer.
  const indices = writer.node('Expand', [writer.node('Cast', [chosen], { to: { int: 6 } }), full]);
  const project = (layer: string, name: string, perm: readonly number[]): string => {
    // The same for every request: the runtime computes it once, when it loads the graph.
    const flat = exactLinear(c, 'encoder', `${layer}.attention.self.${name}`, table, [hidden, hidden]);
    const split = writer.node('Reshape', [flat, writer.ints([2 * reach, heads, hidden / heads])]);
    return writer.node('Transpose', [split], { perm: { ints: perm } });
  };
  const scoresOf: Readonly<Record<AttentionKind, (scored: Scored) => string>> = {
    c2p: ({ layer, query }) => {
      const positionsOfKeys = project(layer, shared ? 'key_proj' : 'pos_key_proj', [1, 2, 0]);
      const scores = writer.node('MatMul', [query, positionsOfKeys]);
      return writer.node('GatherElements', [scores, indices], { axis: { int: 3 } });
    },
    p2c: ({ layer, key }) => {
      const positionsOfQueries = project(layer, shared ? 'query_proj' : 'pos_query_proj', [1, 0, 2]);
      const scores = writer.node('MatMul', [positionsOfQueries, key]);
      return writer.node('GatherElements', [scores, indices], { axis: { int: 2 } });
    },
  };
  return (scored) => {
    const [first = '', second] = kinds.map((kind) => scoresOf[kind](scored));
    const sum = second === undefined ? first : writer.node('Add', [first, second]);
    return writer.node('Mul', [sum, writer.float(shape.scale)]);
  };
}
