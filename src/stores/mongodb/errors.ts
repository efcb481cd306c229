import { MongoError, MongoNetworkError, MongoServerError, MongoServerSelectionError } from 'mongodb';
import { asModelkeepError, ModelkeepError } from '../../core/index.js';

/** Server codes: Unauthorized 13, AuthenticationFailed 18. */
const REFUSED: ReadonlySet<unknown> = new Set([13, 18]);
/** Server codes: OutOfDiskSpace 14031, and Atlas' quota 8000. */
const FULL: ReadonlySet<unknown> = new Set([14_031, 8_000]);

function root(error: unknown): unknown {
  const reason = error instanceof MongoServerSelectionError ? error.reason : undefined;
  const [first] = reason === undefined ? [] : [...reason.servers.values()];
  return first?.error ?? error;
}

/**
 * An error of the driver in the words of the house. The message never holds the driver's own text, which could hold
 * credentials; that is in `cause`. An abort stays an abort, and what is already ours stays as it is.
 *
 * @param location the store's URL without secrets
 * @param what what could not be done, such as `write a segment`
 */
export function mongoError(error: unknown, location: string, what: string): ModelkeepError {
  if (!(error instanceof MongoError)) return asModelkeepError(error);
  const inner = root(error);
  const code = inner instanceof MongoServerError ? inner.code : undefined;
  const say = (kind: 'STORE_PERMISSION' | 'STORE_UNAVAILABLE', why: string): ModelkeepError =>
    new ModelkeepError(kind, `Cannot ${what} at ${location}: ${why}`, { cause: error });
  if (REFUSED.has(code)) return say('STORE_PERMISSION', 'the server refused; check user, password and roles');
  if (FULL.has(code)) return say('STORE_UNAVAILABLE', 'its disk or quota is full; make room and repeat');
  if (error instanceof MongoServerSelectionError || inner instanceof MongoNetworkError)
    return say('STORE_UNAVAILABLE', 'the server cannot be reached; check host, port, TLS and that it runs');
  return say('STORE_UNAVAILABLE', `the server did not do it (code ${String(code ?? error.name)}); see the cause`);
}
