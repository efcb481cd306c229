import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { planSession } from '../../../src/formats/index.js';
import { logBucket } from '../../../src/formats/graphs/disentangled.js';
import { mpnetBucket } from '../../../src/formats/graphs/mpnet.js';
import { memoryFiles } from './memory-files.js';

const ARCHS = join(import.meta.dirname, '../../fixtures/archs');

function plan(folder: string, changes: Record<string, unknown>) {
  const config = JSON.parse(readFileSync(join(ARCHS, folder, 'config.json'), 'utf8')) as Record<string, unknown>;
  return planSession(
    memoryFiles({
      'config.json': Buffer.from(JSON.stringify({ ...config, ...changes })),
      'model.safetensors': readFileSync(join(ARCHS, folder, 'model.safetensors')),
    }),
  );
}

test.each([
  ['albert', { position_embedding_type: 'relative_key' }],
  ['albert', { architectures: ['AlbertForPreTraining'] }],
  ['deberta-v2', { conv_kernel_size: 3 }],
  ['deberta-v2', { norm_rel_ebd: 'batch_norm' }],
  ['deberta-v2', { pos_att_type: 'c2p|p2p' }],
  ['deberta-v2', { pos_att_type: [7] }],
  ['deberta-v2', { attention_head_size: 24 }],
  ['deberta-v2', { model_type: 'deberta' }],
  ['heads/deberta-v2-mlm', { legacy: false }],
  ['modernbert', { rope_scaling: { rope_type: 'yarn', factor: 2 } }],
  ['modernbert', { classifier_pooling: 'max' }],
  ['modernbert', { layer_types: ['full_attention', 'conv', 'full_attention', 'conv'] }],
  ['modernbert', { rope_parameters: { rope_type: 'default', rope_theta: 10_000 } }],
  ['mpnet', { relative_attention_num_buckets: 64 }],
])('%s with %j is refused', async (folder, changes) => {
  await expect(plan(folder, changes)).rejects.toMatchObject({ code: 'UNSUPPORTED_FORMAT' });
});

test.each([
  ['albert', { num_hidden_groups: 2 }],
  ['albert', { embedding_size: 24 }],
  ['albert', { num_hidden_layers: 1_000_000_000 }],
  ['albert', { inner_group_num: 2 ** 40 }],
  ['deberta-v2', { max_position_embeddings: 2 ** 31 }],
  ['mpnet', { max_position_embeddings: 2 ** 31 }],
  ['modernbert', { hidden_size: 2 ** 40, num_attention_heads: 1 }],
  ['modernbert', { num_hidden_layers: 2 ** 24 }],
  ['modernbert', { num_attention_heads: 8 }],
  ['deberta-v2', { position_buckets: 8 }],
  ['deberta-v2', { share_att_key: false }],
  ['deberta-v2', { norm_rel_ebd: 'none' }],
  ['deberta-v2', { relative_attention: false }],
  ['deberta-v2', { position_biased_input: true }],
  ['modernbert', { num_hidden_layers: 3 }],
  ['modernbert', { norm_bias: true }],
  ['modernbert', { intermediate_size: 128 }],
  ['mpnet', { num_attention_heads: 2 }],
])('%s with %j contradicts its tensors', async (folder, changes) => {
  await expect(plan(folder, changes)).rejects.toMatchObject({ code: 'INVALID_ARTIFACT' });
});

test.each(['albert', 'deberta-v2', 'modernbert', 'mpnet'])(
  'the graph of %s is the same bytes each time',
  async (name) => {
    const [first, second] = [await plan(name, {}), await plan(name, {})];
    expect(Buffer.compare(first.graph, second.graph)).toBe(0);
  },
);

interface Distances {
  readonly mpnet: readonly number[];
  readonly 'deberta-v2': readonly { buckets: number; farthest: number; of: readonly number[] }[];
}

test('distances fall into the buckets of the reference as far as published models reach', () => {
  const golden = JSON.parse(readFileSync(join(ARCHS, 'distances.json'), 'utf8')) as Distances;
  expect(golden.mpnet).toHaveLength(1023);
  expect(golden.mpnet.map((_, index) => mpnetBucket(index - 511))).toEqual(golden.mpnet);
  for (const { buckets, farthest, of } of golden['deberta-v2']) {
    const found = of.map((_, index) => logBucket(index - farthest + 1, buckets, farthest) + 0);
    expect(found).toEqual(of);
  }
  expect(golden['deberta-v2']).toHaveLength(4);
});
