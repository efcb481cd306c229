import { ModelkeepError } from '../../core/index.js';

/** Largest size of anything: ten times the largest vocabularies. */
const MAX_SIZE = 2 ** 24;
/** Most positions of a graph that has a number for each distance: 4 MiB of them. */
const MAX_DISTANCES = 2 ** 18;

/** The fields of a config.json, read with checks. */
export class ModelConfig {
  readonly #fields: Readonly<Record<string, unknown>>;

  constructor(fields: Readonly<Record<string, unknown>>) {
    this.#fields = fields;
  }

  /**
   * A positive integer.
   *
   * @param most the largest that is taken: what is made in its measure must stay small, whatever a file claims
   * @throws ModelkeepError `INVALID_ARTIFACT` naming the field
   */
  size(name: string, fallback?: number, most = MAX_SIZE): number {
    const value = this.#fields[name] ?? fallback;
    if (Number.isSafeInteger(value) && (value as number) > 0 && (value as number) <= most) return value as number;
    throw this.#wrong(name, `a positive integer of at most ${most}`);
  }

  /** `max_position_embeddings` where a table for each distance of two tokens goes into the graph: at most 2^18. */
  get distances(): number {
    return this.size('max_position_embeddings', undefined, MAX_DISTANCES);
  }

  /** A whole number of at least 0, such as an id. @throws ModelkeepError `INVALID_ARTIFACT` naming the field */
  count(name: string, fallback: number): number {
    const value = this.#fields[name] ?? fallback;
    if (Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= MAX_SIZE) return value as number;
    throw this.#wrong(name, `a whole number from 0 to ${MAX_SIZE}`);
  }

  /** A number that is not negative. @throws ModelkeepError `INVALID_ARTIFACT` naming the field */
  number(name: string, fallback: number): number {
    const value = this.#fields[name] ?? fallback;
    if (typeof value === 'number' && Number.isFinite(value) && value >= 0) return value;
    throw this.#wrong(name, 'a number of at least 0');
  }

  /** A string. @throws ModelkeepError `INVALID_ARTIFACT` naming the field */
  text(name: string, fallback: string): string {
    const value = this.#fields[name] ?? fallback;
    if (typeof value === 'string') return value;
    throw this.#wrong(name, 'a string');
  }

  /** A field as it is. */
  raw(name: string): unknown {
    return this.#fields[name];
  }

  /** The numeric fields that have a value, with their values: which of them may have asked for a size. */
  fieldsWith(value: number): readonly string[] {
    return Object.entries(this.#fields).flatMap(([name, field]) => (field === value ? [`${name} ${value}`] : []));
  }

  /**
   * How many labels the model has by `id2label`, else by `num_labels`; undefined if it says neither.
   *
   * @throws ModelkeepError `INVALID_ARTIFACT` for ids that leave one out
   */
  get labels(): number | undefined {
    const labels = this.#fields['id2label'] ?? undefined;
    if (labels === undefined) {
      const count = this.#fields['num_labels'] ?? undefined;
      return count === undefined ? undefined : this.size('num_labels');
    }
    if (typeof labels !== 'object' || Array.isArray(labels)) throw this.#wrong('id2label', 'an object of labels by id');
    const ids = new Set(Object.keys(labels).map(Number));
    const missing = Array.from({ length: ids.size }, (_, id) => id).find((id) => !ids.has(id));
    if (missing === undefined) return ids.size;
    throw this.#wrong('id2label', `one label for each id: it lacks ${missing}`);
  }

  /** @throws ModelkeepError `UNSUPPORTED_FORMAT` unless the field is absent or one of `supported` */
  only(name: string, supported: readonly unknown[]): void {
    const value = this.#fields[name];
    if (value === undefined || value === null || supported.includes(value)) return;
    throw new ModelkeepError(
      'UNSUPPORTED_FORMAT',
      `config.json: ${name} ${JSON.stringify(value)} is not supported; supported: ${supported.map(String).join(', ')}`,
    );
  }

  #wrong(name: string, wanted: string): ModelkeepError {
    const found = JSON.stringify(this.#fields[name]) ?? 'missing';
    return new ModelkeepError('INVALID_ARTIFACT', `config.json: ${name} is ${found}, not ${wanted}`);
  }
}
