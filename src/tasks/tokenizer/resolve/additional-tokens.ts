import { textOf, type Token } from './added-tokens.js';
import type { TokenizerClass } from './classes.js';
import type { Settings } from './settings.js';
import { invalidValue } from './sources.js';

const CONFIG_PATH = 'tokenizer_config.json';

/** Most extra ids of a T5 tokenizer. */
const MAX_EXTRA_IDS = 10_000;

function extraIds({ values }: Settings): number {
  const value = values['extra_ids'] ?? 100;
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= MAX_EXTRA_IDS) return value;
  throw invalidValue(CONFIG_PATH, 'extra_ids', value, 'it must be a number of tokens');
}

/** The tokens `<extra_id_0>` … of T5: if settings have some of them, they must have all. */
function withExtraIds(given: readonly Token[] | undefined, settings: Settings): readonly Token[] {
  const count = extraIds(settings);
  const found = given?.filter((token) => textOf(token).includes('<extra_id_')).length ?? 0;
  if (found === 0) return [...(given ?? []), ...Array.from({ length: count }, (_, i) => `<extra_id_${i}>`)];
  if (count === 0 || count === found) return given ?? [];
  throw invalidValue(
    CONFIG_PATH,
    'extra_ids',
    count,
    `additional_special_tokens has ${found} tokens <extra_id_…>. Give all of them, or the right number`,
  );
}

/**
 * The further special tokens of a tokenizer: those of the settings, or those of its class.
 *
 * @throws ModelkeepError `INVALID_ARTIFACT` where the two contradict each other
 */
export function additionalTokens(known: TokenizerClass, settings: Settings): readonly Token[] {
  const given = settings.additional ?? undefined;
  if (known.additional === 'extra ids') return withExtraIds(given, settings);
  const { tokens = [], always = false } = known.additional ?? {};
  if (always) return [...(given ?? []), ...tokens.filter((token) => !given?.includes(token))];
  return settings.additional === undefined ? tokens : (given ?? []);
}
