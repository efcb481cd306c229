import { ModelkeepError } from '../../core/index.js';
import type { PlacedTensor } from '../graphs/checkpoint.js';
import type { StoredTensor } from '../tensor-table.js';
import type { AdapterConfig, TokenRows } from './adapter-config.js';
import type { AdapterTensors, LoraPair } from './adapter-tensors.js';
import { addScaled, mergeLora, withRows } from './merge.js';
import { ADAPTER_CONFIG_FILE, ADAPTER_WEIGHTS_FILE, invalidKey, invalidWeights, MERGE_IT } from './refusal.js';

/** How a tensor of the base becomes another. */
export interface Change {
  /** The tensor's name in the base model, as the adapter calls it. */
  readonly name: string;
  /** Tensors of the adapter that it needs. */
  readonly needs: readonly StoredTensor[];
  /** What is done, in words that are equal for equal results from equal tensors. */
  readonly recipe: string;
  /** @throws ModelkeepError `INVALID_ARTIFACT` if the base's tensor has another shape than the change is for */
  readonly check: (base: PlacedTensor) => void;
  readonly make: (base: Float32Array, needed: readonly Float32Array[]) => Float32Array;
}

const EMPTY = new Float32Array();

function otherBase(module: string, wanted: readonly (number | undefined)[], base: PlacedTensor): ModelkeepError {
  return new ModelkeepError(
    'INVALID_ARTIFACT',
    `The adapter changes "${module}" by [${wanted.join(', ')}], but tensor "${base.name}" of the base has the shape ` +
      `[${base.shape.join(', ')}]. Name the base that it was trained on`,
  );
}

function checkShape(module: string, wanted: readonly (number | undefined)[], base: PlacedTensor): void {
  const fits = base.shape.length === wanted.length && wanted.every((dim, axis) => dim === base.shape[axis]);
  if (!fits) throw otherBase(module, wanted, base);
}

function checkPair({ module, bias, lengths, isEmbedding }: LoraPair, config: AdapterConfig): void {
  if (!isEmbedding || !Array.isArray(config.tokenRows)) config.targets.check(module);
  const lacking = (key: string, what: string): ModelkeepError =>
    invalidKey(key, true, `what ${ADAPTER_WEIGHTS_FILE} has: there is no ${what} of "${module}"`);
  if (config.hasLengths && lengths === undefined) throw lacking('use_dora', 'lora_magnitude_vector');
  if (!config.hasLengths && lengths !== undefined)
    throw invalidKey('use_dora', false, `true, though ${ADAPTER_WEIGHTS_FILE} has "${lengths.name}"`);
  if (!config.hasPairBiases && bias !== undefined)
    throw invalidKey('lora_bias', false, `true, though ${ADAPTER_WEIGHTS_FILE} has "${bias.name}"`);
  if (config.hasPairBiases && bias === undefined) throw lacking('lora_bias', 'lora_B.bias');
}

function changesOfPair(pair: LoraPair, config: AdapterConfig): readonly Change[] {
  checkPair(pair, config);
  const { module, a, b, isEmbedding, bias, lengths } = pair;
  const rank = a.shape[0] ?? 1;
  const scale = config.scale(config.targets.patternName(module), rank);
  const product = [b.shape[0], a.shape[1]];
  const kind = `${lengths === undefined ? 'LoRA' : 'DoRA'} ${isEmbedding ? 'embedding' : 'linear'}`;
  const weight: Change = {
    name: `${module}.weight`,
    needs: lengths === undefined ? [a, b] : [a, b, lengths],
    recipe: `${kind}, scale ${scale}`,
    check: (base) => checkShape(module, isEmbedding ? product.toReversed() : product, base),
    make: (base, [first = EMPTY, second = EMPTY, third]) =>
      mergeLora(base, { a: first, b: second, rank, scale, transposed: isEmbedding, lengths: third }),
  };
  if (bias === undefined) return [weight];
  const added: Change = {
    name: `${module}.bias`,
    needs: [bias],
    recipe: `bias, scale ${scale}`,
    check: (base) => checkShape(module, [b.shape[0]], base),
    make: (base, [change = EMPTY]) => addScaled(base, change, scale),
  };
  return [weight, added];
}

/** The rows that were trained of a layer. */
function rowsOf(layer: string, rows: TokenRows | undefined): readonly number[] {
  const key = 'trainable_token_indices';
  if (Array.isArray(rows)) return rows as readonly number[];
  const found = [...((rows ?? new Map()) as ReadonlyMap<string, readonly number[]>)].find(([name]) =>
    layer.endsWith(name),
  );
  if (found !== undefined) return found[1];
  throw invalidKey(
    key,
    rows === undefined ? undefined : Object.fromEntries(rows as ReadonlyMap<string, unknown>),
    `one that names "${layer}", whose rows are in ${ADAPTER_WEIGHTS_FILE}`,
  );
}

function changeOfRows(layer: string, tensor: StoredTensor, config: AdapterConfig): Change {
  const rows = rowsOf(layer, config.tokenRows);
  const [count, width] = tensor.shape;
  if (tensor.shape.length !== 2 || count !== rows.length || count === 0) {
    throw invalidKey(
      'trainable_token_indices',
      config.tokenRows,
      `a list of ${count} token ids, as many as rows in "${tensor.name}"`,
    );
  }
  const last = Math.max(...rows);
  return {
    name: `${layer}.weight`,
    needs: [tensor],
    recipe: `rows ${rows.join(' ')}`,
    check: (base) => {
      if (base.shape.length !== 2 || base.shape[1] !== width) throw otherBase(layer, [base.shape[0], width], base);
      if (last < (base.shape[0] ?? 0)) return;
      throw invalidKey(
        'trainable_token_indices',
        last,
        `below ${base.shape[0]}, the rows of "${base.name}" of the base`,
        `Name the base that it was trained on, with the tokens that were added. ${MERGE_IT}, if there is none`,
      );
    },
    make: (base, [fresh = EMPTY]) => withRows(base, fresh, rows),
  };
}

/**
 * What an adapter does to the tensors of its base, in the order in which it is done.
 *
 * @throws ModelkeepError `INVALID_ARTIFACT` where the configuration and the weights do not agree, naming the setting;
 * `UNSUPPORTED_FORMAT` for a layer that is changed in two ways
 */
export function changesOf(tensors: AdapterTensors, config: AdapterConfig): readonly Change[] {
  const { pairs, tokens, replacements } = tensors;
  for (const { module } of pairs) {
    if (!tokens.has(module)) continue;
    throw new ModelkeepError(
      'UNSUPPORTED_FORMAT',
      `${ADAPTER_CONFIG_FILE}: trainable_token_indices and target_modules both name "${module}", and releases of peft ` +
        `differ in what that gives. ${MERGE_IT}`,
    );
  }
  const names = [...replacements.keys(), ...pairs.map(({ module }) => `${module}.`), ...tokens.keys()];
  if (names.length === 0) throw invalidWeights('it has no tensors');
  return [
    ...pairs.flatMap((pair) => changesOfPair(pair, config)),
    ...[...tokens].map(([layer, tensor]) => changeOfRows(layer, tensor, config)),
  ];
}
