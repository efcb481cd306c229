import { invalidKey, unsupportedKey } from './refusal.js';
import { isOff, type Fields } from './settings.js';

/** What is known of the settings of a method of peft. */
interface Keys {
  /** Settings that are read and checked where they are read. */
  readonly read: readonly string[];
  /** Settings that change no answer, whatever they hold: of training, of memory, or of another setting that must be off. */
  readonly ignored: readonly string[];
  /** Settings that change answers and must be off, with what they do. */
  readonly off: Readonly<Record<string, string>>;
}

/** Of every method, in all releases of peft. */
const COMMON: Keys = {
  read: [
    'peft_type',
    'task_type',
    'auto_mapping',
    'peft_version',
    'target_modules',
    'exclude_modules',
    'modules_to_save',
  ],
  ignored: ['base_model_name_or_path', 'revision', 'inference_mode'],
  off: {},
};

/** The fields of `LoraConfig` in the releases 0.2 to 0.21 of peft. */
const LORA: Keys = {
  read: [
    'alpha_pattern',
    'bias',
    'init_lora_weights',
    'layers_pattern',
    'layers_to_transform',
    'lora_alpha',
    'lora_bias',
    'r',
    'rank_pattern',
    'target_parameters',
    'trainable_token_indices',
    'use_dora',
    'use_rslora',
  ],
  ignored: [
    // Training alone.
    'lora_dropout',
    'monteclora_config',
    'velora_config',
    // How the first weights are made, which the saved ones took the place of. Where they change the base, the setting
    // init_lora_weights says so.
    'corda_config',
    'eva_config',
    'loftq_config',
    'lora_ga_config',
    // Of layers called embed_tokens and lm_head, which no family here has.
    'ensure_weight_tying',
    // Of layers of GPT-2 alone: of linear layers peft turns it off.
    'fan_in_fan_out',
    'megatron_core',
    'merge_weights',
    'qalora_group_size',
    'runtime_config',
  ],
  off: {
    alora_invocation_tokens: 'it changes the layers only behind certain tokens (aLoRA), which no merged weight can',
    arrow_config: 'it mixes several adapters by what the text is (Arrow)',
    enable_lora: 'it changes parts of joint layers (LoRA of releases before 0.3)',
    kasa_config: 'it cuts the weights of the base down (KaSA)',
    layer_replication: 'it repeats layers of the base',
    megatron_config: 'it is for layers of Megatron-LM',
    use_bdlora: 'its pairs are block-diagonal (BD-LoRA)',
    use_qalora: 'its pairs are for pooled inputs (QA-LoRA)',
  },
};

/** Settings of LoRA that AdaLoRA has and does not read. */
const NOT_OF_ADALORA = new Set(['alpha_pattern', 'r', 'use_rslora']);

/** What `AdaLoraConfig` adds; of the settings of LoRA it reads fewer. */
const ADALORA: Keys = {
  read: [...LORA.read.filter((key) => !NOT_OF_ADALORA.has(key)), 'init_r'],
  ignored: [
    ...LORA.ignored,
    ...NOT_OF_ADALORA,
    'beta1',
    'beta2',
    'deltaT',
    'orth_reg_weight',
    'target_r',
    'tfinal',
    'tinit',
    'total_step',
  ],
  off: LORA.off,
};

const KEYS: Readonly<Record<string, Keys>> = {
  LORA,
  ADALORA,
  IA3: { read: ['feedforward_modules'], ignored: ['fan_in_fan_out', 'init_ia3_weights'], off: {} },
  LN_TUNING: { read: [], ignored: [], off: {} },
  TRAINABLE_TOKENS: { read: ['token_indices'], ignored: ['init_weights'], off: {} },
};

/** The methods whose adapters are served, as `peft_type` calls them. */
const METHODS: readonly string[] = Object.keys(KEYS);

function harmlessOf({ read, ignored }: Keys): ReadonlySet<string> {
  return new Set([...COMMON.read, ...COMMON.ignored, ...read, ...ignored]);
}

/** Every setting of a method that is known, whatever is done about it. @param method one of {@link METHODS} */
export function knownKeys(method: string): ReadonlySet<string> {
  const own = KEYS[method] ?? COMMON;
  return new Set([...harmlessOf(own), ...Object.keys(own.off)]);
}

/**
 * Methods whose adapters put words before the text, or choose among parts by what the text is, so that none can be merged.
 */
const UNMERGEABLE = new Set([
  'ADAPTION_PROMPT',
  'CARTRIDGE',
  'CPT',
  'MULTITASK_PROMPT_TUNING',
  'POLY',
  'PREFIX_TUNING',
  'PROMPT_TUNING',
  'P_TUNING',
  'SHADOW',
  'XLORA',
]);

/** @throws ModelkeepError `UNSUPPORTED_FORMAT` for a method that is not served, `INVALID_ARTIFACT` for none */
export function checkMethod(method: unknown): asserts method is string {
  if (typeof method !== 'string') throw invalidKey('peft_type', method, 'the name of a method, such as "LORA"');
  if (METHODS.includes(method)) return;
  const why = `the methods that are served are ${METHODS.join(', ')}`;
  if (!UNMERGEABLE.has(method)) throw unsupportedKey('peft_type', method, why);
  throw unsupportedKey('peft_type', method, why, 'It cannot be merged into its base either: train with one of these');
}

/**
 * Checks that an adapter has no setting that would be passed over: each is read, changes no answer, or is off. Settings
 * that are not known are those of later releases of peft, which has each new one off by itself.
 *
 * @param method one of {@link METHODS}
 * @throws ModelkeepError `UNSUPPORTED_FORMAT` naming the setting
 */
export function checkKeys(method: string, fields: Fields): void {
  const own = KEYS[method] ?? COMMON;
  const harmless = harmlessOf(own);
  for (const [key, value] of Object.entries(fields)) {
    if (harmless.has(key) || isOff(value)) continue;
    const does = Object.hasOwn(own.off, key) ? own.off[key] : undefined;
    if (does !== undefined) throw unsupportedKey(key, value, `${does}, and adapters are served with it off`);
    throw unsupportedKey(
      key,
      value,
      'modelkeep does not know this setting of peft, and it may change answers',
      'If it has no effect on a trained adapter, take it out of the file; else merge the adapter in Python ' +
        '(model.merge_and_unload()), save the model that this gives, and publish the result',
    );
  }
}
