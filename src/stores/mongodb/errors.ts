import { MongoError, MongoNetworkError, MongoServerError, MongoServerSelectionError } from 'mongodb';
import { asModelkeepError, ModelkeepError } from '../../core/index.js';

/** Server codes: Unauthorized 13, AuthenticationFailed 18. */
const REFUSED: ReadonlySet<unknown> = new Set([13, 18]);
/** Server codes: OutOfDiskSpace 14031, and the quota error of hosted clusters 8000. */
const FULL: ReadonlySet<unknown> = new Set([14_031, 8_000]);
/** Server codes: NotWritablePrimary 10107, NotPrimaryNoSecondaryOk 13435, NotPrimaryOrSecondary 13436, and a stepping-down one. */
const READ_ONLY: ReadonlySet<unknown> = new Set([10_107, 13_435, 13_436, 189]);
const TLS = /certificate|TLS|SSL|EPROTO|wrong version number|self[- ]signed/i;

/** The error behind a failed server selection. */
function root(error: unknown): unknown {
  const reason = error instanceof MongoServerSelectionError ? error.reason : undefined;
  const [first] = reason === undefined ? [] : [...reason.servers.values()];
  return first?.error ?? error;
}

/** True if servers were asked and none has said anything, not even no. */
function isSilence(error: unknown): boolean {
  if (!(error instanceof MongoServerSelectionError) || error.reason === undefined) return false;
  return [...error.reason.servers.values()].every((server) => server.error === null);
}

/** True if the server refused for lack of rights. */
export function isUnauthorized(error: unknown): boolean {
  return error instanceof MongoServerError && REFUSED.has(error.code);
}

/**
 * An error of the driver in the words of the house. The message never holds the driver's own text, which could hold
 * credentials; that is in `cause`. An abort stays an abort, and what is already ours stays as it is.
 *
 * @param location the store's URL without secrets
 * @param what what could not be done, such as `write a segment`
 */
export function mongoError(error: unknown, location: string, what: string): ModelkeepError {
  if (!(error instanceof MongoError)) return asModelkeepError(error, 'STORE_UNAVAILABLE');
  const inner = root(error);
  const code = inner instanceof MongoServerError ? inner.code : undefined;
  const say = (kind: 'STORE_PERMISSION' | 'STORE_UNAVAILABLE', why: string): ModelkeepError =>
    new ModelkeepError(kind, `Cannot ${what} at ${location}: ${why}`, { cause: error });
  if (REFUSED.has(code)) return say('STORE_PERMISSION', 'the server refused; check user, password and roles');
  if (FULL.has(code)) return say('STORE_UNAVAILABLE', 'its disk or quota is full; make room and repeat');
  if (READ_ONLY.has(code))
    return say(
      'STORE_UNAVAILABLE',
      'the server is not a writable primary; name the whole replica set in the URL, or wait for an election',
    );
  if (inner instanceof Error && TLS.test(`${inner.message} ${(inner.cause as Error | undefined)?.message ?? ''}`)) {
    return say(
      'STORE_UNAVAILABLE',
      'the TLS handshake failed; check tls, tlsCAFile and tlsCertificateKeyFile in the URL',
    );
  }
  if (isSilence(error)) {
    return say(
      'STORE_UNAVAILABLE',
      'the server does not answer; check host and port, and that both sides use TLS or neither does (tls in the URL)',
    );
  }
  if (error instanceof MongoServerSelectionError || inner instanceof MongoNetworkError) {
    return say('STORE_UNAVAILABLE', 'the server cannot be reached; check host, port and that it runs');
  }
  return say(
    'STORE_UNAVAILABLE',
    `the server did not do it (${code === undefined ? error.name : `code ${code}`}); see the cause`,
  );
}
