import { ModelkeepError } from '../../core/index.js';
import type { PlacedTensor } from '../graphs/checkpoint.js';
import type { StoredTensor } from '../tensor-table.js';
import type { AdapterConfig } from './adapter-config.js';
import type { AdapterTensors, LoraPair } from './adapter-tensors.js';
import { addScaled, mergeLora, multiplied, withRows } from './merge.js';
import { ADAPTER_CONFIG_FILE, ADAPTER_WEIGHTS_FILE, invalidKey, invalidWeights, MERGE_IT } from './refusal.js';

/** How a tensor of the base becomes another. */
export interface Change {
  /** The tensor's name in the base model, as the adapter calls it. */
  readonly name: string;
  /** Tensors of the adapter that it needs. */
  readonly needs: readonly StoredTensor[];
  /** What is done, in words that are equal for equal results from equal tensors. */
  readonly recipe: string;
  /** True if there is nothing to do where the base has no such tensor. @defaultValue false */
  readonly isOptional?: boolean;
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

function checkPair({ module, bias, lengths, values }: LoraPair, config: AdapterConfig): void {
  const method = values === undefined ? 'LORA' : 'ADALORA';
  if (config.method !== method)
    throw invalidKey(
      'peft_type',
      config.method,
      `"${method}", though ${ADAPTER_WEIGHTS_FILE} has ${values === undefined ? 'no ' : ''}lora_E of "${module}"`,
    );
  config.targets.check(module);
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
  const { module, a, b, isEmbedding, bias, lengths, values } = pair;
  const rank = a.shape[0] ?? 1;
  const scale = config.scale(config.targets.patternName(module), rank);
  const product = [b.shape[0], a.shape[1]];
  const name = values !== undefined ? 'AdaLoRA' : lengths === undefined ? 'LoRA' : 'DoRA';
  const kind = `${name} ${isEmbedding ? 'embedding' : 'linear'}`;
  const weight: Change = {
    name: `${module}.weight`,
    needs: [a, b, ...(lengths === undefined ? [] : [lengths]), ...(values === undefined ? [] : [values])],
    recipe: `${kind}, scale ${scale}`,
    check: (base) => checkShape(module, isEmbedding ? product.toReversed() : product, base),
    make: (base, [first = EMPTY, second = EMPTY, third = EMPTY]) => {
      const isScaled = values !== undefined;
      const rows = isScaled ? multiplied(first, third, { columns: first.length / rank, ofInputs: false }) : first;
      const own = lengths === undefined || isScaled ? undefined : third;
      return mergeLora(base, { a: rows, b: second, rank, scale, transposed: isEmbedding, lengths: own });
    },
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

/** Where the setting stands that names trained rows. */
function rowsKey({ method }: AdapterConfig): string {
  return method === 'TRAINABLE_TOKENS' ? 'token_indices' : 'trainable_token_indices';
}

/** The setting itself, for messages. */
function rowsValue({ tokenRows }: AdapterConfig): unknown {
  return tokenRows instanceof Map ? Object.fromEntries(tokenRows) : tokenRows;
}

/** The rows that were trained of a layer. */
function rowsOf(layer: string, config: AdapterConfig): readonly number[] {
  const { tokenRows: rows } = config;
  const found = rows instanceof Map ? [...rows].find(([name]) => layer.endsWith(name))?.[1] : rows;
  if (found !== undefined) return found as readonly number[];
  const wanted = `one that names "${layer}", whose rows are in ${ADAPTER_WEIGHTS_FILE}`;
  throw invalidKey(rowsKey(config), rowsValue(config), wanted);
}

function changeOfRows(layer: string, tensor: StoredTensor, config: AdapterConfig): Change {
  const rows = rowsOf(layer, config);
  const [count, width] = tensor.shape;
  if (tensor.shape.length !== 2 || count !== rows.length || count === 0) {
    const wanted = `a list of ${count} token ids, as many as rows in "${tensor.name}"`;
    throw invalidKey(rowsKey(config), rowsValue(config), wanted);
  }
  const last = rows.reduce((most, row) => Math.max(most, row), 0);
  return {
    name: `${layer}.weight`,
    needs: [tensor],
    recipe: `rows ${rows.join(' ')}`,
    check: (base) => {
      if (base.shape.length !== 2 || base.shape[1] !== width) throw otherBase(layer, [base.shape[0], width], base);
      if (last < (base.shape[0] ?? 0)) return;
      throw invalidKey(
        rowsKey(config),
        last,
        `below ${base.shape[0]}, the rows of "${base.name}" of the base`,
        `Name the base that it was trained on, with the tokens that were added. ${MERGE_IT}, if there is none`,
      );
    },
    make: (base, [fresh = EMPTY]) => withRows(base, fresh, rows),
  };
}

function changesOfFactors(module: string, tensor: StoredTensor, config: AdapterConfig): readonly Change[] {
  if (config.method !== 'IA3')
    throw invalidKey('peft_type', config.method, `"IA3", though ${ADAPTER_WEIGHTS_FILE} has "${tensor.name}"`);
  config.targets.check(module);
  const [rows, columns] = tensor.shape;
  const ofInputs = config.isFeedforward(module) ?? rows === 1;
  if (tensor.shape.length !== 2 || (ofInputs ? rows : columns) !== 1) {
    throw invalidWeights(
      `tensor "${tensor.name}" has the shape [${tensor.shape.join(', ')}], but feedforward_modules of ` +
        `${ADAPTER_CONFIG_FILE} says that the ${ofInputs ? 'inputs' : 'outputs'} of "${module}" are multiplied`,
    );
  }
  const size = ofInputs ? columns : rows;
  const weight: Change = {
    name: `${module}.weight`,
    needs: [tensor],
    recipe: `IA3 of ${ofInputs ? 'inputs' : 'outputs'}`,
    check: (base) => {
      if (base.shape.length !== 2 || base.shape[ofInputs ? 1 : 0] !== size) throw otherBase(module, tensor.shape, base);
    },
    make: (base, [factors = EMPTY]) => {
      const width = ofInputs ? factors.length : base.length / factors.length;
      return multiplied(base, factors, { columns: width, ofInputs });
    },
  };
  if (ofInputs) return [weight];
  const bias: Change = {
    name: `${module}.bias`,
    needs: [tensor],
    recipe: 'IA3 of a bias',
    isOptional: true,
    check: (base) => checkShape(module, [size], base),
    make: (base, [factors = EMPTY]) => multiplied(base, factors, { columns: 1, ofInputs: false }),
  };
  return [weight, bias];
}

/**
 * What an adapter does to the tensors of its base, in the order in which it is done.
 *
 * @throws ModelkeepError `INVALID_ARTIFACT` where the configuration and the weights do not agree, naming the setting;
 * `UNSUPPORTED_FORMAT` for a layer that is changed in two ways
 */
export function changesOf({ pairs, tokens, factors }: AdapterTensors, config: AdapterConfig): readonly Change[] {
  for (const { module } of pairs) {
    if (!tokens.has(module)) continue;
    throw new ModelkeepError(
      'UNSUPPORTED_FORMAT',
      `${ADAPTER_CONFIG_FILE}: trainable_token_indices and target_modules both name "${module}", and releases of peft ` +
        `differ in what that gives. ${MERGE_IT}`,
    );
  }
  return [
    ...pairs.flatMap((pair) => changesOfPair(pair, config)),
    ...[...tokens].map(([layer, tensor]) => changeOfRows(layer, tensor, config)),
    ...[...factors].flatMap(([layer, tensor]) => changesOfFactors(layer, tensor, config)),
  ];
}
