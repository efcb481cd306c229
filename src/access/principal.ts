import { ERROR_CODES, ModelkeepError, parseReference, type ErrorCode } from '../core/index.js';
import { OPERATIONS, type Operation } from './operations.js';
import type { Scope } from './scopes.js';

/** Who asks, and what it may do. */
export interface Principal {
  /** The key's name, the token's subject or the certificate's name: for logs and histories. */
  readonly name: string;
  /** With all that they include. */
  readonly scopes: ReadonlySet<Scope>;
  /** Models that it may use: names, or `team/*` for all below a namespace. Absent: all. */
  readonly models?: readonly string[];
}

/** Text that is the same for all who may use the same models. */
export function rightsOf(principal: Principal | undefined): string {
  return principal?.models === undefined ? '*' : JSON.stringify(principal.models.toSorted());
}

/** True if the principal may use a model, whether that exists or not. */
export function mayUse({ models }: Principal, model: string): boolean {
  if (models === undefined) return true;
  return models.some((allowed) =>
    allowed.endsWith('/*') ? model.startsWith(allowed.slice(0, -1)) : allowed === model || allowed === '*',
  );
}

/**
 * Checks that a principal may do something, to a model if one is named. The answer is the same whether the model exists
 * or not.
 *
 * @param reference the model, or a reference to one of its versions
 * @throws ModelkeepError `FORBIDDEN` naming the scope that is missing; `INVALID_REFERENCE`
 */
export function authorize(principal: Principal, operation: Operation, reference?: string): void {
  const needed = OPERATIONS[operation];
  if (needed !== 'open' && !needed.some((scope) => principal.scopes.has(scope))) {
    throw new ModelkeepError('FORBIDDEN', `These credentials lack the scope ${needed.join(' or ')}`, {
      details: { needed },
    });
  }
  if (reference === undefined) return;
  const { model } = parseReference(reference);
  if (!mayUse(principal, model)) {
    throw new ModelkeepError('FORBIDDEN', `These credentials do not allow the model "${model}"`, {
      details: { model },
    });
  }
}

/** Codes whose messages speak of the request alone; all others may name models, versions or places. */
const ABOUT_THE_REQUEST: ReadonlySet<ErrorCode> = new Set([
  'INVALID_INPUT',
  'INVALID_REFERENCE',
  'OVERLOADED',
  'DEADLINE_EXCEEDED',
  'CANCELLED',
  'UNAUTHENTICATED',
  'FORBIDDEN',
  'CLOSED',
]);

/**
 * The error as this principal may see it. Messages say what there is instead, and where: whoever may not read all
 * models gets the meaning of the code in their place. The log has the whole.
 */
export function errorFor(principal: Principal | undefined, error: ModelkeepError): ModelkeepError {
  const seesAll = principal !== undefined && principal.scopes.has('read') && principal.models === undefined;
  if (seesAll || ABOUT_THE_REQUEST.has(error.code)) return error;
  return new ModelkeepError(error.code, ERROR_CODES[error.code], { cause: error });
}
