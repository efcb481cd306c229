import { SCOPES, type Scope } from './scopes.js';

/**
 * Every operation that a protocol offers, and the scopes of which a caller needs one; `open` asks for nothing. A route
 * or a remote procedure names its operation, and one that names none does not start.
 */
export const OPERATIONS = Object.freeze({
  /** Alive, ready: says no name. */
  health: 'open',
  /** The OpenAPI document and the page that shows it: the same on every node. */
  documentation: 'open',
  /** What this server is. */
  server: SCOPES,
  /** Ask a model. */
  infer: ['infer'],
  /** Metadata and readiness of a model that the caller names. */
  inspect: ['infer', 'read'],
  /** Which models there are; only those that the caller may use are shown. */
  list: ['infer', 'read'],
  /** What this node holds and follows; versions, history, differences. */
  read: ['read'],
  /** Prometheus metrics. */
  metrics: ['read'],
  /** Publish a version. */
  publish: ['publish'],
  /** Move aliases, archive, restore, delete, collect garbage. */
  manage: ['admin'],
  /** Load and unload versions on this node. */
  load: ['admin'],
} as const satisfies Readonly<Record<string, 'open' | readonly Scope[]>>);

/** One of {@link OPERATIONS}. */
export type Operation = keyof typeof OPERATIONS;
