import type { VersionFiles } from '../../core/index.js';
import type { ModelConfig } from '../model-config.js';
import { TOKENIZER_SOURCES } from './resolve/sources.js';
import { openTokenizer, type TextTokenizer } from './tokenizer.js';

/**
 * The tokenizers that are open in one process. A vocabulary takes several megabytes, and the versions of a model have
 * the same one nearly always: versions whose tokenizer files are equal share one tokenizer, as long as any of them is
 * open.
 */
export class OpenTokenizers {
  readonly #open = new Map<string, WeakRef<TextTokenizer>>();
  readonly #forget = new FinalizationRegistry<string>((key) => {
    if (this.#open.get(key)?.deref() === undefined) this.#open.delete(key);
  });

  /**
   * The tokenizer of a version, read only if none with the same contents is open.
   *
   * @returns undefined if the version has no tokenizer
   * @throws ModelkeepError `INVALID_ARTIFACT` or `UNSUPPORTED_FORMAT` for one that cannot be used
   */
  async open(files: VersionFiles, model: ModelConfig): Promise<TextTokenizer | undefined> {
    const key = keyOf(files, model);
    const known = key === undefined ? undefined : this.#open.get(key)?.deref();
    if (known !== undefined) return known;
    const opened = await openTokenizer(files, model);
    if (key !== undefined && opened !== undefined) {
      this.#open.set(key, new WeakRef(opened));
      this.#forget.register(opened, key);
    }
    return opened;
  }
}

/** Everything that a tokenizer is made from; undefined where contents have no names. */
function keyOf(files: VersionFiles, model: ModelConfig): string | undefined {
  const contents: (readonly [string, string])[] = [];
  for (const path of TOKENIZER_SOURCES) {
    if (files.size(path) === undefined) continue;
    const content = files.contentOf(path);
    if (content === undefined) return undefined;
    contents.push([path, content]);
  }
  const { modelType, tokenizerClass, vocabularySize, maxTokens } = model;
  return JSON.stringify([modelType, tokenizerClass, vocabularySize, maxTokens, contents]);
}
