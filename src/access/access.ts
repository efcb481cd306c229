import { ModelkeepError } from '../core/index.js';
import { looksLikeKey } from './api-key.js';
import { KeyRing } from './key-ring.js';
import type { Principal } from './principal.js';
import { expandScopes } from './scopes.js';
import { TokenReader, type TokenOptions } from './tokens.js';

/** Options of {@link openAccess}; without keys and tokens everybody may do everything. */
export interface AccessOptions {
  /** File of API keys. */
  readonly keysFile?: string;
  readonly tokens?: TokenOptions;
  /** Told that the key file became unusable, in which state it allows nobody. */
  readonly onTrouble?: (error: ModelkeepError) => void;
}

/** Tells who asks. */
export interface Access {
  /** False where nobody needs credentials. */
  readonly required: boolean;
  /**
   * Who sent these credentials.
   *
   * @param authorization the `Authorization` header, or the metadata of that name: `Bearer KEY` or `Bearer TOKEN`
   * @throws ModelkeepError `UNAUTHENTICATED`; the message never holds the credentials
   */
  authenticate(authorization: string | undefined): Promise<Principal>;
}

/** Whoever asks where no credentials are wanted. */
export const EVERYBODY: Principal = Object.freeze({ name: 'anonymous', scopes: expandScopes(['admin']) });

/** Opens what tells who asks. @throws ModelkeepError `INVALID_INPUT` for a key file or options that cannot be used */
export async function openAccess({ keysFile, tokens, onTrouble }: AccessOptions): Promise<Access> {
  const ring = keysFile === undefined ? undefined : await KeyRing.open(keysFile, onTrouble ?? (() => undefined));
  const reader = tokens === undefined ? undefined : new TokenReader(tokens);
  if (ring === undefined && reader === undefined) {
    return { required: false, authenticate: () => Promise.resolve(EVERYBODY) };
  }
  return {
    required: true,
    async authenticate(authorization) {
      const [, credential] = /^Bearer +(\S+)$/i.exec(authorization ?? '') ?? [];
      if (credential === undefined) {
        throw unauthenticated('Credentials are missing: send "Authorization: Bearer KEY" with a key of this server');
      }
      if (looksLikeKey(credential)) {
        const found = await ring?.find(credential);
        if (found !== undefined) return found;
        throw unauthenticated('The key is unknown or has expired: ask the operator of the server for one');
      }
      if (reader !== undefined) return reader.read(credential);
      throw unauthenticated('The credentials are no key of this server, which begins with "mk_"');
    },
  };
}

function unauthenticated(message: string): ModelkeepError {
  return new ModelkeepError('UNAUTHENTICATED', message);
}
