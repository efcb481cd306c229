import type { ModelkeepError, VersionFiles } from '../../../core/index.js';
import type { JsonObject } from '../../json-file.js';
import type { ModelConfig } from '../../model-config.js';
import { CLASSES, classNamed, PLAIN_CLASS, type TokenizerClass } from './classes.js';
import { classOfModelType } from './model-types.js';
import { invalidValue, shown, unsupported } from './sources.js';

const JSON_PATH = 'tokenizer.json';
const CONFIG_PATH = 'tokenizer_config.json';

/** The class of a tokenizer. */
export interface Chosen {
  /** Its name in {@link CLASSES}. */
  readonly name: string;
  readonly known: TokenizerClass;
  /** What was taken for granted, as sentences. */
  readonly warnings: readonly string[];
}

function refuseClass(name: string, where: string, custom: boolean): ModelkeepError {
  const code = custom ? ', a class with code of its own, which is not run' : ', which modelkeep does not know';
  return unsupported(
    `The tokenizer is a ${name} (${where})${code}. If its tokenizer.json is all of it, set tokenizer_class in ` +
      `${CONFIG_PATH} to PreTrainedTokenizerFast; otherwise ask for tensors`,
  );
}

/** Finds the class that `AutoTokenizer` takes. @throws ModelkeepError `UNSUPPORTED_FORMAT` for one that is not known */
export function chooseClass(files: VersionFiles, config: JsonObject, model: ModelConfig | undefined): Chosen {
  const modelType = model?.modelType ?? '';
  for (const [path, named] of [
    [CONFIG_PATH, config['tokenizer_class']],
    ['config.json', model?.tokenizerClass],
  ] as const) {
    if (named === undefined || named === null) continue;
    if (typeof named !== 'string') throw invalidValue(path, 'tokenizer_class', named, 'it must be the name of a class');
    const name = classNamed(named);
    const known = name === undefined ? undefined : CLASSES.get(name);
    if (name === undefined || known === undefined) {
      throw refuseClass(named, `tokenizer_class of ${path}`, config['auto_map'] !== undefined);
    }
    return { name, known, warnings: [] };
  }
  const byType = classOfModelType(modelType);
  const hasJson = files.size(JSON_PATH) !== undefined;
  const guessed = hasJson ? PLAIN_CLASS : files.size('vocab.txt') === undefined ? undefined : 'BertTokenizer';
  const wanted = byType ?? guessed;
  if (wanted === undefined) {
    throw unsupported(
      `Neither ${CONFIG_PATH} nor config.json says what kind of tokenizer this is` +
        `${modelType === '' ? '' : ` (model_type ${shown(modelType)} is not known)`}; set tokenizer_class in ${CONFIG_PATH}`,
    );
  }
  const name = classNamed(wanted);
  const known = name === undefined ? undefined : CLASSES.get(name);
  if (name === undefined || known === undefined) {
    throw refuseClass(wanted, `model_type ${shown(modelType)} of config.json`, false);
  }
  const warnings =
    byType === undefined && !hasJson
      ? [`No file names the tokenizer's class: vocab.txt is taken for a BertTokenizer`]
      : [];
  return { name, known, warnings };
}
