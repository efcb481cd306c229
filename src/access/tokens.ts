import type { errors, JWTPayload, JWTVerifyGetKey } from 'jose';
import { ModelkeepError } from '../core/index.js';
import type { Principal } from './principal.js';
import { expandScopes, isScope } from './scopes.js';

/** Whose tokens are taken. */
export interface TokenOptions {
  /** Where the issuer's public keys are: https, or http on this machine. */
  readonly jwksUrl: string;
  /** What `iss` must be. */
  readonly issuer: string;
  /** What `aud` must hold: without it a token for another service would do here. */
  readonly audience: string;
  /** The claim that lists scopes: a list, or a text with blanks. */
  readonly scopeClaim: string;
}

/** Asymmetric ones only: a public key must never serve as a shared secret. */
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'];
/** How far the issuer's clock may be off, in seconds. */
const CLOCK_TOLERANCE_SECONDS = 5;
/** Claim that lists the models that a token allows, as keys do. */
const MODELS_CLAIM = 'modelkeep_models';

/** Reads the principal out of signed tokens. */
export class TokenReader {
  readonly #options: TokenOptions;
  readonly #jwksUrl: URL;
  #keys: JWTVerifyGetKey | undefined;

  /** @throws ModelkeepError `INVALID_INPUT` for options that are missing or unsafe */
  constructor(options: TokenOptions) {
    for (const name of ['issuer', 'audience', 'scopeClaim'] as const) {
      if (options[name] === '') throw invalid(`Tokens are checked with ${options.jwksUrl}: set ${SETTING[name]} too`);
    }
    this.#options = options;
    this.#jwksUrl = checkUrl(options.jwksUrl);
  }

  /** @throws ModelkeepError `UNAUTHENTICATED` saying what about the token is wrong, never the token */
  async read(token: string): Promise<Principal> {
    const { issuer, audience, scopeClaim } = this.#options;
    // Loaded where there is a token to read: no other command or server needs it.
    const { createRemoteJWKSet, errors: kinds, jwtVerify } = await import('jose');
    this.#keys ??= createRemoteJWKSet(this.#jwksUrl);
    try {
      const { payload } = await jwtVerify(token, this.#keys, {
        issuer,
        audience,
        algorithms: ALGORITHMS,
        clockTolerance: CLOCK_TOLERANCE_SECONDS,
        requiredClaims: ['exp'],
      });
      return principalOf(payload, scopeClaim);
    } catch (error) {
      if (error instanceof ModelkeepError) throw error;
      throw new ModelkeepError('UNAUTHENTICATED', `The token is not accepted: ${whyNot(error, kinds)}`, {
        cause: error,
      });
    }
  }
}

const SETTING = { issuer: 'jwtIssuer', audience: 'jwtAudience', scopeClaim: 'jwtScopeClaim' } as const;

function whyNot(error: unknown, kinds: typeof errors): string {
  if (error instanceof kinds.JWTExpired) return 'it has expired';
  if (error instanceof kinds.JWTClaimValidationFailed) return `its claim "${error.claim}" is not what is wanted here`;
  if (error instanceof kinds.JWSSignatureVerificationFailed) return 'its signature is not the issuer’s';
  if (error instanceof kinds.JWKSNoMatchingKey) return 'the issuer has no such key';
  if (error instanceof kinds.JOSEAlgNotAllowed) return 'its algorithm is not allowed';
  if (error instanceof kinds.JWKSTimeout || !(error instanceof kinds.JOSEError)) {
    return 'the issuer’s keys cannot be had now, try again';
  }
  return 'it is malformed';
}

function principalOf(payload: JWTPayload, scopeClaim: string): Principal {
  const claimed = payload[scopeClaim];
  const listed: readonly unknown[] = typeof claimed === 'string' ? claimed.split(' ') : listOf(claimed);
  // Issuers that serve several services write whose scope it is in front.
  const scopes = listed.map((one) => String(one).replace(/^modelkeep[:.]/, '')).filter(isScope);
  const models = payload[MODELS_CLAIM];
  if (models !== undefined && !(Array.isArray(models) && models.every((one) => typeof one === 'string'))) {
    throw new ModelkeepError('UNAUTHENTICATED', `The token is not accepted: its claim "${MODELS_CLAIM}" is no list`);
  }
  return {
    name: payload.sub ?? 'token',
    scopes: expandScopes(scopes),
    ...(models === undefined ? {} : { models }),
  };
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function checkUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isHere = ['localhost', '127.0.0.1', '[::1]'].includes(url?.hostname ?? '');
  if (url?.protocol === 'https:' || (url?.protocol === 'http:' && isHere)) return url;
  throw invalid(`jwksUrl must be an https URL (http on this machine only), not ${JSON.stringify(text)}`);
}

function invalid(message: string): ModelkeepError {
  return new ModelkeepError('INVALID_INPUT', message);
}
