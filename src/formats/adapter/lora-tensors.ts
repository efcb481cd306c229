import { ModelkeepError, type VersionFiles } from '../../core/index.js';
import { readSafetensorsHeader } from '../safetensors.js';
import type { StoredTensor } from '../tensor-table.js';
import { ADAPTER_WEIGHTS_FILE } from './lora-config.js';

/** Two narrow matrices whose product is added to a layer's weight. */
export interface LoraPair {
  /** The layer's name in the base model, such as `bert.encoder.layer.0.attention.self.query`. */
  readonly module: string;
  /** [rank, in], of an embedding [rank, rows]. */
  readonly a: StoredTensor;
  /** [out, rank], of an embedding [columns, rank]. */
  readonly b: StoredTensor;
  readonly isEmbedding: boolean;
}

/** The tensors of an adapter by what they do. */
export interface LoraTensors {
  readonly pairs: readonly LoraPair[];
  /** Tensors that take the place of the base's, or that the base does not have: heads. By name in the base model. */
  readonly replacements: ReadonlyMap<string, StoredTensor>;
}

const PREFIX = 'base_model.model.';
const LORA_NAME = /^(?<module>.+)\.lora_(?<embedding>embedding_)?(?<side>[AB])(?:\.weight)?$/;

function invalid(message: string): ModelkeepError {
  return new ModelkeepError('INVALID_ARTIFACT', `${ADAPTER_WEIGHTS_FILE}: ${message}. Save the adapter again`);
}

/** The name in the base model; peft wraps layers, and some of its releases save the wrappings' names. */
function plainName(name: string): string {
  if (!name.startsWith(PREFIX)) throw invalid(`tensor "${name}" does not begin with ${PREFIX}`);
  return name.slice(PREFIX.length).replace(/\.(?:base_layer|modules_to_save(?:\.default)?)(?=\.)/g, '');
}

/**
 * Reads the header of an adapter's weights.
 *
 * @throws ModelkeepError `INVALID_ARTIFACT` for a damaged file, a pair of which one half is missing or whose ranks differ
 */
export async function readLoraTensors(files: VersionFiles): Promise<LoraTensors> {
  const size = files.size(ADAPTER_WEIGHTS_FILE);
  if (size === undefined) {
    throw new ModelkeepError(
      'UNSUPPORTED_FORMAT',
      `The adapter has no ${ADAPTER_WEIGHTS_FILE}; weights in adapter_model.bin, a pickle that can execute code, are not ` +
        'read. Save them as safetensors: model.save_pretrained(directory, safe_serialization=True)',
    );
  }
  const read = (start: number, end: number): Promise<Buffer> => files.read(ADAPTER_WEIGHTS_FILE, { start, end });
  const { tensors } = await readSafetensorsHeader(ADAPTER_WEIGHTS_FILE, size, read);
  const halves = new Map<string, Partial<Record<'A' | 'B', StoredTensor>> & { isEmbedding: boolean }>();
  const replacements = new Map<string, StoredTensor>();
  for (const tensor of tensors.values()) {
    const name = plainName(tensor.name);
    const { module = '', embedding, side } = LORA_NAME.exec(name)?.groups ?? {};
    if (side === 'A' || side === 'B') {
      const isEmbedding = embedding !== undefined;
      halves.set(module, { ...halves.get(module), isEmbedding, [side]: tensor });
    } else if (/\.lora_/.test(name)) {
      throw new ModelkeepError(
        'UNSUPPORTED_FORMAT',
        `${ADAPTER_WEIGHTS_FILE}: tensor "${tensor.name}" is not supported; supported are lora_A, lora_B, ` +
          'lora_embedding_A, lora_embedding_B and whole tensors',
      );
    } else replacements.set(name, tensor);
  }
  const pairs = [...halves].map(([module, { A: a, B: b, isEmbedding }]): LoraPair => {
    if (a === undefined || b === undefined) throw invalid(`"${module}" has one half of its pair, lora_A and lora_B`);
    if (a.shape.length !== 2 || b.shape.length !== 2 || a.shape[0] !== b.shape[1] || a.shape[0] === 0) {
      throw invalid(
        `the shapes [${a.shape.join(', ')}] and [${b.shape.join(', ')}] of lora_A and lora_B of "${module}" do not fit`,
      );
    }
    return { module, a, b, isEmbedding };
  });
  if (pairs.length + replacements.size === 0) throw invalid('it has no tensors');
  return { pairs, replacements };
}
