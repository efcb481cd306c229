import { ModelkeepError, type VersionFiles } from '../core/index.js';
import { moduleFile, readFloats, readSafetensorsHeader } from '../formats/index.js';

/** The tensors of a module, each of which must be asked for. */
export interface ModuleWeights {
  /** @throws ModelkeepError `INVALID_ARTIFACT` if there is none of this name and shape */
  take(name: string, shape: readonly number[]): Promise<Float32Array>;
  /** @throws ModelkeepError `INVALID_ARTIFACT` naming a tensor that was not asked for */
  finish(): void;
}

function invalid(message: string): ModelkeepError {
  return new ModelkeepError('INVALID_ARTIFACT', `${message}. Save the model again`);
}

/**
 * Opens the weights of a module of a sentence-transformers model, which must be safetensors.
 *
 * @param folder of the module in the version, such as `2_Dense`
 * @throws ModelkeepError `INVALID_ARTIFACT` if they are missing or damaged
 */
export async function openModuleWeights(files: VersionFiles, folder: string): Promise<ModuleWeights> {
  const path = moduleFile(folder, 'model.safetensors');
  const size = files.size(path);
  if (size === undefined) {
    throw new ModelkeepError(
      'INVALID_ARTIFACT',
      `${path} is missing: weights in pytorch_model.bin are not read, because a pickle can execute code. Save the ` +
        'model with model.save(directory, safe_serialization=True)',
    );
  }
  const { tensors } = await readSafetensorsHeader(path, size, (start, end) => files.read(path, { start, end }));
  const left = new Set(tensors.keys());
  return {
    take: async (name, shape) => {
      const tensor = tensors.get(name);
      if (tensor === undefined) throw invalid(`${path} lacks the tensor "${name}"`);
      left.delete(name);
      if (tensor.shape.join() === shape.join()) return readFloats(files, path, tensor);
      throw invalid(
        `${path}: tensor "${name}" has the shape [${tensor.shape.join(', ')}], config.json of ${folder} asks for ` +
          `[${shape.join(', ')}]`,
      );
    },
    finish: () => {
      const [name] = left;
      if (name !== undefined)
        throw invalid(`${path} has the tensor "${name}", which config.json of ${folder} does not use`);
    },
  };
}
