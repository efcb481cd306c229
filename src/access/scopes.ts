/**
 * What a caller may be allowed:
 *
 * - `infer`: ask models, and see which ones it may ask
 * - `read`: names, versions, history, status and metrics
 * - `publish`: publish versions; includes `read`
 * - `admin`: move aliases, archive, delete, load and unload; includes everything
 */
export const SCOPES = Object.freeze(['infer', 'read', 'publish', 'admin'] as const);

/** One of {@link SCOPES}. */
export type Scope = (typeof SCOPES)[number];

/** What a scope brings with it, itself included. */
const INCLUDES: Readonly<Record<Scope, readonly Scope[]>> = {
  infer: ['infer'],
  read: ['read'],
  publish: ['publish', 'read'],
  admin: SCOPES,
};

/** True for the name of a scope. */
export function isScope(value: unknown): value is Scope {
  return (SCOPES as readonly unknown[]).includes(value);
}

/** The scopes and all that they include. */
export function expandScopes(scopes: Iterable<Scope>): ReadonlySet<Scope> {
  return new Set([...scopes].flatMap((scope) => INCLUDES[scope]));
}
