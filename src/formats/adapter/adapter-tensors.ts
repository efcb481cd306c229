import { ModelkeepError, type VersionFiles } from '../../core/index.js';
import { readSafetensorsHeader } from '../safetensors.js';
import type { StoredTensor } from '../tensor-table.js';
import { ADAPTER_WEIGHTS_FILE, invalidWeights, unsupportedWeights } from './refusal.js';

/** Two narrow matrices whose product is added to a layer's weight. */
export interface LoraPair {
  /** The layer's name in the base model, such as `bert.encoder.layer.0.attention.self.query`. */
  readonly module: string;
  /** [rank, in], of an embedding [rank, rows]. */
  readonly a: StoredTensor;
  /** [out, rank], of an embedding [columns, rank]. */
  readonly b: StoredTensor;
  readonly isEmbedding: boolean;
  /** Of `lora_bias`: added to the layer's bias as the product to its weight. */
  readonly bias?: StoredTensor | undefined;
  /** Of AdaLoRA: what the rows of `a` are multiplied by. */
  readonly values?: StoredTensor | undefined;
  /** Of DoRA: the lengths that the rows of the weight have, of an embedding its columns. */
  readonly lengths?: StoredTensor | undefined;
}

/** A tensor in the place of the base's. */
export interface Replacement {
  readonly tensor: StoredTensor;
  /** True for the weight below an adapted layer: what else uses that weight sees it, too. */
  readonly isBase: boolean;
}

/** The tensors of an adapter by what they do. */
export interface AdapterTensors {
  readonly pairs: readonly LoraPair[];
  /** Rows of tables that were trained, by the table's name. */
  readonly tokens: ReadonlyMap<string, StoredTensor>;
  /** Of (IA)³: what the outputs of a layer are multiplied by, [outputs, 1], or its inputs, [1, inputs]. By the layer's name. */
  readonly factors: ReadonlyMap<string, StoredTensor>;
  /** Tensors that take the place of the base's, or that the base does not have: heads. By name in the base model. */
  readonly replacements: ReadonlyMap<string, Replacement>;
}

/** What peft, `torch.compile` and data-parallel training put before names. */
const WRAPPER = /^(?:base_model\.model\.|_orig_mod\.|module\.|_fsdp_wrapped_module\.)/;
/** What some of them put into names. */
const COMPILED = /(?:^|\.)(?:_orig_mod|_fsdp_wrapped_module)(?=\.)/g;
/** What peft puts between a layer's name and its weights: its wrappings, with the adapter's name where it was left. */
const WRAPPING = /\.(?:base_layer|token_adapter|(?:modules_to_save|ln_tuning_layers)(?:\.default)?)(?=\.)/g;
const HALF = /^(?<layer>.+)\.lora_(?<embedding>embedding_)?(?<side>[AB])(?:\.default)?(?:\.(?<part>weight|bias))?$/;
const VALUES = /^(?<layer>.+)\.lora_E(?:\.default)?$/;
const LENGTHS = /^(?<layer>.+)\.lora_magnitude_vector(?:\.default)?(?:\.weight)?$/;
const TOKENS = /^(?<layer>.+?)(?:\.token_adapter)?\.trainable_tokens_delta(?:\.default)?$/;
const FACTORS = /^(?<layer>.+)\.ia3_l(?:\.default)?$/;
/** What training alone reads: the layer before it was trained, means of activations, noise, rows before they were. */
const OF_TRAINING =
  /\.(?:original_module|lora_velora_embed|lora_monteclora_sampler)(?:\.|$)|\.(?:trainable_tokens_original|ranknum)(?:\.default)?$/;

/** The name without what was put before it. */
function unwrapped(name: string): string {
  let plain = name.replace(COMPILED, '').replace(/^\./, '');
  while (WRAPPER.test(plain)) plain = plain.replace(WRAPPER, '');
  return plain;
}

/** The parts of a pair as they are met. */
type Parts = { -readonly [K in 'a' | 'b' | 'bias' | 'lengths' | 'values']?: StoredTensor } & { isEmbedding?: boolean };

/** Puts the tensors of an adapter together. */
class Sorting {
  /** By the layer's name with its wrappings: layers may be wrapped twice. */
  readonly parts = new Map<string, Parts>();
  readonly tokens = new Map<string, StoredTensor>();
  readonly factors = new Map<string, StoredTensor>();
  readonly replacements = new Map<string, Replacement>();

  add(tensor: StoredTensor): void {
    const name = unwrapped(tensor.name);
    if (OF_TRAINING.test(name)) return;
    const half = HALF.exec(name)?.groups;
    const lengths = LENGTHS.exec(name)?.groups?.['layer'];
    const values = VALUES.exec(name)?.groups?.['layer'];
    const tokens = TOKENS.exec(name)?.groups?.['layer'];
    const factors = FACTORS.exec(name)?.groups?.['layer'];
    if (half !== undefined) this.#addHalf(tensor, half);
    else if (lengths !== undefined) this.#put(lengths, { lengths: tensor });
    else if (values !== undefined) this.#put(values, { values: tensor });
    else if (tokens !== undefined) this.tokens.set(layerName(tokens), tensor);
    else if (factors !== undefined) this.factors.set(layerName(factors), tensor);
    else if (/\.lora_/.test(name)) {
      throw unsupportedWeights(
        `tensor "${tensor.name}" is of a kind of LoRA that is not served; served are lora_A, lora_B, lora_embedding_A, ` +
          'lora_embedding_B, lora_magnitude_vector and whole tensors',
      );
    } else this.#addWhole(tensor, name);
  }

  #addHalf(tensor: StoredTensor, half: Readonly<Record<string, string | undefined>>): void {
    const { layer = '', embedding, side, part } = half;
    const isEmbedding = embedding !== undefined;
    if (part === 'bias') {
      if (side === 'A' || isEmbedding) throw invalidWeights(`tensor "${tensor.name}" is a bias where none can be`);
      this.#put(layer, { bias: tensor });
    } else this.#put(layer, { isEmbedding, [side === 'A' ? 'a' : 'b']: tensor });
  }

  #put(layer: string, part: Parts): void {
    const parts = this.parts.get(layer) ?? {};
    if (part.isEmbedding !== undefined && parts.isEmbedding !== undefined && part.isEmbedding !== parts.isEmbedding)
      throw invalidWeights(`"${layer}" has pairs of a linear layer and of an embedding`);
    this.parts.set(layer, Object.assign(parts, part));
  }

  #addWhole(tensor: StoredTensor, name: string): void {
    const plain = layerName(name);
    const other = this.replacements.get(plain);
    // Of a module that is saved as a whole, its biases are in the file twice where all biases are.
    const isAgain = /\.modules_to_save\./.test(name);
    if (other !== undefined && isAgain) return;
    if (other !== undefined && !/\.modules_to_save\./.test(other.tensor.name))
      throw invalidWeights(`tensors "${other.tensor.name}" and "${tensor.name}" are the same part of the model`);
    this.replacements.set(plain, { tensor, isBase: /\.base_layer\./.test(name) });
  }
}

/** A layer's name in the base model. */
function layerName(name: string): string {
  return `${name}.`.replace(WRAPPING, '').slice(0, -1);
}

function sizeOf({ shape }: StoredTensor): number {
  return shape.reduce((product, dim) => product * dim, 1);
}

/** AdaLoRA may leave a layer no rank at all: nothing of it is changed then. */
function isEmpty({ a, b, values }: Parts): boolean {
  return a?.shape[0] === 0 && b?.shape[1] === 0 && values !== undefined;
}

function pairOf(layer: string, { a, b, isEmbedding = false, bias, lengths, values }: Parts): LoraPair {
  const module = layerName(layer);
  if (a === undefined || b === undefined)
    throw invalidWeights(`"${module}" lacks one half of its pair, lora_A and lora_B`);
  if (a.shape.length !== 2 || b.shape.length !== 2 || a.shape[0] !== b.shape[1] || a.shape[0] === 0) {
    throw invalidWeights(
      `the shapes [${a.shape.join(', ')}] and [${b.shape.join(', ')}] of lora_A and lora_B of "${module}" do not fit`,
    );
  }
  for (const vector of [bias, lengths]) {
    if (vector === undefined || sizeOf(vector) === b.shape[0]) continue;
    throw invalidWeights(
      `tensor "${vector.name}" has the shape [${vector.shape.join(', ')}], but the layer "${module}" gives ${b.shape[0]} numbers`,
    );
  }
  if (values !== undefined && sizeOf(values) !== a.shape[0])
    throw invalidWeights(`tensor "${values.name}" is not of the rank ${a.shape[0]} of its pair`);
  return { module, a, b, isEmbedding, bias, lengths, values };
}

function noWeights(files: VersionFiles): ModelkeepError {
  const pickle = files.paths.find((path) => /^adapter_model\.(?:bin|pt|pth)$/.test(path));
  return new ModelkeepError(
    'UNSUPPORTED_FORMAT',
    `The adapter has no ${ADAPTER_WEIGHTS_FILE}; weights in ${pickle ?? 'adapter_model.bin'}, a pickle that can execute ` +
      'code, are not read. Save them as safetensors: model.save_pretrained(directory, safe_serialization=True)',
  );
}

/**
 * Reads the header of an adapter's weights.
 *
 * @throws ModelkeepError `INVALID_ARTIFACT` for a damaged file, a pair of which one half is missing or whose ranks
 * differ; `UNSUPPORTED_FORMAT` for weights of a kind that is not served, and for a pickle
 */
export async function readAdapterTensors(files: VersionFiles): Promise<AdapterTensors> {
  const size = files.size(ADAPTER_WEIGHTS_FILE);
  if (size === undefined) throw noWeights(files);
  const read = (start: number, end: number): Promise<Buffer> => files.read(ADAPTER_WEIGHTS_FILE, { start, end });
  const { tensors } = await readSafetensorsHeader(ADAPTER_WEIGHTS_FILE, size, read);
  const sorting = new Sorting();
  for (const tensor of tensors.values()) sorting.add(tensor);
  const { parts, tokens, factors, replacements } = sorting;
  const pairs = [...parts].filter(([, found]) => !isEmpty(found)).map(([layer, found]) => pairOf(layer, found));
  if (parts.size + tokens.size + factors.size + replacements.size === 0) throw invalidWeights('it has no tensors');
  return { pairs, tokens, factors, replacements };
}
