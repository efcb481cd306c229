/** Random numbers that a seed decides (mulberry32), so that a run can be repeated. */
export class Random {
  #state;

  /** @param {number} seed */
  constructor(seed) {
    this.#state = seed >>> 0;
  }

  /** A whole number of at least 0 and below `end`. @param {number} end */
  below(end) {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * end);
  }

  /** True once in `times`. @param {number} times */
  once(times) {
    return this.below(times) === 0;
  }

  /** @template T @param {readonly T[]} list @returns {T} */
  one(list) {
    return list[this.below(list.length)];
  }
}
