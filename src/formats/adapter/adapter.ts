import type { VersionFiles } from '../../core/index.js';
import { readAdapterConfig, type AdapterConfig } from './adapter-config.js';
import { readAdapterTensors, type AdapterTensors } from './adapter-tensors.js';
import { ADAPTER_CONFIG_FILE } from './refusal.js';

/** An adapter as its two files say it. */
export interface Adapter {
  readonly config: AdapterConfig;
  readonly tensors: AdapterTensors;
  /**
   * True if the decoder of a masked language model no longer follows the table of words: the adapter changes one of them,
   * and the other stays what it was, as it did when the adapter was trained.
   */
  readonly leavesDecoder: boolean;
}

/** The table of words in any family, and the decoders that are tied to it. */
const WORDS = /(?:^|\.)(?:word_embeddings|tok_embeddings)$/;
const DECODER = /(?:^|\.)(?:decoder|vocab_projector|generator_lm_head)$/;

/** True if a version has an adapter beside its weights. */
export function hasAdapter(files: VersionFiles): boolean {
  return files.size(ADAPTER_CONFIG_FILE) !== undefined;
}

/** True for the weight of the table of words, by its name in any family. */
export function isTableOfWords(name: string): boolean {
  return name.endsWith('.weight') && WORDS.test(name.slice(0, -'.weight'.length));
}

function leavesDecoder({ pairs, factors, replacements }: AdapterTensors): boolean {
  const changed = [...pairs.map(({ module }) => module), ...factors.keys()];
  const isOne = changed.some((module) => DECODER.test(module) || WORDS.test(module));
  return isOne || [...replacements].some(([name, { isBase }]) => !isBase && isTableOfWords(name));
}

/**
 * Reads the adapter of a version: its configuration and the header of its weights.
 *
 * @throws ModelkeepError as `readAdapterConfig` and `readAdapterTensors`
 */
export async function readAdapter(files: VersionFiles): Promise<Adapter> {
  const config = await readAdapterConfig(files);
  const tensors = await readAdapterTensors(files);
  return { config, tensors, leavesDecoder: leavesDecoder(tensors) };
}
