/**
 * core/: the words of the house and its ports: references, digests, manifests, versions, errors, the store port.
 * Imports nothing of the house; everything else imports it.
 */
export * from './alias.js';
export * from './contents.js';
export * from './deadline.js';
export * from './derived.js';
export * from './digest.js';
export * from './entry.js';
export * from './errors.js';
export * from './evidence.js';
export * from './file-error.js';
export * from './file-path.js';
export * from './gate.js';
export * from './hash-range.js';
export * from './lanes.js';
export * from './layout.js';
export * from './manifest.js';
export * from './package-file.js';
export * from './precision.js';
export * from './metadata.js';
export * from './nearest.js';
export * from './reference.js';
export * from './rest.js';
export * from './seal.js';
export * from './store.js';
export * from './store-care.js';
export * from './tensor.js';
export * from './version.js';
export * from './where.js';
export * from './where-match.js';
