import { ModelkeepError } from '../../core/index.js';

/** The files of a PEFT adapter, as `save_pretrained` of the peft package leaves them. */
export const ADAPTER_CONFIG_FILE = 'adapter_config.json';
/** @see ADAPTER_CONFIG_FILE */
export const ADAPTER_WEIGHTS_FILE = 'adapter_model.safetensors';

/** The next step where an adapter itself cannot be served. */
export const MERGE_IT =
  'Merge the adapter in Python (model.merge_and_unload()), save the model that this gives, and publish the result';

const SHOWN_SIGNS = 100;

/** A value as a message shows it, shortened. */
export function shownValue(value: unknown): string {
  const text = value === undefined ? 'missing' : (JSON.stringify(value) ?? 'missing');
  return text.length > SHOWN_SIGNS ? `${text.slice(0, SHOWN_SIGNS)}…` : text;
}

/**
 * The refusal of a setting that is right for peft and that is not served.
 *
 * @param why what the setting does, or what is served instead
 */
export function unsupportedKey(key: string, value: unknown, why: string, next: string = MERGE_IT): ModelkeepError {
  return new ModelkeepError(
    'UNSUPPORTED_FORMAT',
    `${ADAPTER_CONFIG_FILE}: ${key} is ${shownValue(value)}: ${why}. ${next}`,
  );
}

/** The refusal of a value that a setting cannot have. @param wanted what it has to be, such as `a number` */
export function invalidKey(
  key: string,
  value: unknown,
  wanted: string,
  next = 'Save the adapter again',
): ModelkeepError {
  return new ModelkeepError(
    'INVALID_ARTIFACT',
    `${ADAPTER_CONFIG_FILE}: ${key} is ${shownValue(value)}, not ${wanted}. ${next}`,
  );
}

/** The refusal of damaged weights. */
export function invalidWeights(message: string, next = 'Save the adapter again'): ModelkeepError {
  return new ModelkeepError('INVALID_ARTIFACT', `${ADAPTER_WEIGHTS_FILE}: ${message}. ${next}`);
}

/** The refusal of weights that peft writes and that are not served. */
export function unsupportedWeights(message: string): ModelkeepError {
  return new ModelkeepError('UNSUPPORTED_FORMAT', `${ADAPTER_WEIGHTS_FILE}: ${message}. ${MERGE_IT}`);
}
