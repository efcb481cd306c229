/** testing/: contract suites that every adapter of a port passes, for adapters outside the house too. Needs vitest. */
export * from './describe-version-store.js';
export * from './drafts.js';
