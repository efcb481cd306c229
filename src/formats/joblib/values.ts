/** What the scan knows of a value that unpickling would make: enough to name globals and to find the ends of arrays. */
export type Value = string | number | boolean | null | readonly Value[] | Named | Made | Keyed | typeof UNKNOWN;

/** A value of which nothing has to be known. */
export const UNKNOWN: unique symbol = Symbol('unknown');

/** Where a run of stack values begins. */
export const MARK: unique symbol = Symbol('mark');

/** A class or function that the pickle imports. */
export class Named {
  readonly name: string;

  /** @param name its full name, such as `sklearn.svm._classes.SVC` */
  constructor(name: string) {
    this.name = name;
  }
}

/** What calling a global with arguments would give, and the state that is set on it. */
export class Made {
  readonly of: Value;
  readonly args: Value;
  state: Value = null;

  constructor(of: Value, args: Value) {
    this.of = of;
    this.args = args;
  }

  /** The full name of the class or function that makes it; empty if that is no global. */
  get maker(): string {
    return this.of instanceof Named ? this.of.name : '';
  }
}

/** Entries of a dictionary that are kept: more than any estimator has attributes. */
const MAX_ENTRIES = 1_000;

/** A dictionary's entries with string keys. */
export class Keyed {
  readonly #entries = new Map<string, Value>();

  set(key: Value | undefined, value: Value): void {
    if (typeof key === 'string' && this.#entries.size < MAX_ENTRIES) this.#entries.set(key, value);
  }

  get(key: string): Value | undefined {
    return this.#entries.get(key);
  }
}
