/**
 * access/: who may do what, whichever protocol asks. `operations` is the one place that says which operation needs
 * which scope; `openAccess` turns the credentials of a request into a `Principal`; `authorize` and `errorFor` decide
 * what that one may do and may be told.
 */
export { openAccess, EVERYBODY, type Access, type AccessOptions } from './access.js';
export type { KeyDescription, NewKey } from './api-key.js';
export { addKey, listKeys, removeKey, type AddKeyOptions, type AddedKey } from './key-file.js';
export { OPERATIONS, type Operation } from './operations.js';
export { authorize, errorFor, mayUse, rightsOf, type Principal } from './principal.js';
export { isScope, SCOPES, type Scope } from './scopes.js';
export type { TokenOptions } from './tokens.js';
