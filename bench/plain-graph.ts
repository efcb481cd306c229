/** A BERT classifier as exporters write it: one graph with its weights inside, in which every layer sees every token. */
import { ModelWriter } from '../src/formats/index.js';

/** What config.json says of the sizes. */
export interface BertSizes {
  readonly hidden_size: number;
  readonly num_attention_heads: number;
  readonly num_hidden_layers: number;
  readonly layer_norm_eps?: number;
  readonly id2label: Readonly<Record<string, string>>;
}

/** A float32 tensor of the checkpoint. */
export interface PlainTensor {
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

/** Tensors by name. */
export type PlainTensors = ReadonlyMap<string, PlainTensor>;

/** Writes layers of the checkpoint by their names. */
function layersOf(w: ModelWriter, { layer_norm_eps: epsilon = 1e-12 }: BertSizes, tensors: PlainTensors) {
  const take = (name: string): string => {
    const tensor = tensors.get(name);
    if (tensor === undefined) throw new Error(`The checkpoint has no tensor ${name}`);
    return w.inlineTensor(name, 'float32', tensor.shape, tensor.data);
  };
  const parts = (name: string): readonly string[] => [take(`${name}.weight`), take(`${name}.bias`)];
  return {
    table: (kind: string): string => take(`bert.embeddings.${kind}_embeddings.weight`),
    gemm: (name: string, x: string): string => w.node('Gemm', [x, ...parts(name)], { transB: { int: 1 } }),
    norm: (name: string, x: string): string =>
      w.node('LayerNormalization', [x, ...parts(name)], { axis: { int: -1 }, epsilon: { float: epsilon } }),
  };
}

/** The serialized model; the activation is the exact GELU. */
export function plainGraph(sizes: BertSizes, tensors: PlainTensors): Uint8Array {
  const { hidden_size: hidden, num_attention_heads: heads, num_hidden_layers: layers } = sizes;
  const w = new ModelWriter();
  const { table, gemm, norm } = layersOf(w, sizes, tensors);
  const tokens = w.node('Shape', ['input_ids']);
  const apart = (x: string, rest: readonly number[]): string =>
    w.node('Reshape', [x, w.node('Concat', [tokens, w.ints(rest)], { axis: { int: 0 } })]);
  const mask = w.node('Unsqueeze', [w.node('Cast', ['attention_mask'], { to: { int: 1 } }), w.ints([1, 2])]);
  const bias = w.node('Mul', [w.node('Sub', [w.float(1), mask]), w.float(-3.4028234663852886e38)]);
  const length = w.node('Gather', [tokens, w.ints([1])]);
  const positions = w.node('Slice', [table('position'), w.ints([0]), length, w.ints([0])]);
  const types = w.node('Gather', [table('token_type'), 'token_type_ids']);
  const words = w.node('Add', [w.node('Gather', [table('word'), 'input_ids']), types]);
  const flat = w.node('Reshape', [w.node('Add', [words, positions]), w.ints([-1, hidden])]);
  let x = norm('bert.embeddings.LayerNorm', flat);
  for (let index = 0; index < layers; index++) {
    const name = `bert.encoder.layer.${index}`;
    const split = (part: string, perm: readonly number[]): string => {
      const projected = apart(gemm(`${name}.attention.self.${part}`, x), [heads, hidden / heads]);
      return w.node('Transpose', [projected], { perm: { ints: perm } });
    };
    const product = w.node('MatMul', [split('query', [0, 2, 1, 3]), split('key', [0, 2, 3, 1])]);
    const scaled = w.node('Mul', [product, w.float(1 / Math.sqrt(hidden / heads))]);
    const weights = w.node('Softmax', [w.node('Add', [scaled, bias])], { axis: { int: -1 } });
    const mixed = w.node('MatMul', [weights, split('value', [0, 2, 1, 3])]);
    const joined = w.node('Transpose', [mixed], { perm: { ints: [0, 2, 1, 3] } });
    const attended = gemm(`${name}.attention.output.dense`, w.node('Reshape', [joined, w.ints([-1, hidden])]));
    const middle = norm(`${name}.attention.output.LayerNorm`, w.node('Add', [attended, x]));
    const active = w.node('Gelu', [gemm(`${name}.intermediate.dense`, middle)], { approximate: { text: 'none' } });
    x = norm(`${name}.output.LayerNorm`, w.node('Add', [gemm(`${name}.output.dense`, active), middle]));
  }
  const first = w.node('Gather', [apart(x, [hidden]), w.int(0)], { axis: { int: 1 } });
  const pooled = w.node('Tanh', [gemm('bert.pooler.dense', first)]);
  w.node('Identity', [gemm('classifier', pooled)], {}, 'logits');
  const inputs = ['input_ids', 'attention_mask', 'token_type_ids'];
  return w.finish(
    inputs.map((name) => ({ name, type: 'int64', dims: [-1, -1] })),
    [{ name: 'logits', type: 'float32', dims: [-1, Object.keys(sizes.id2label).length] }],
  );
}
