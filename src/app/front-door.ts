import { readFile } from 'node:fs/promises';
import { openAccess, type Access } from '../access/index.js';
import { ModelkeepError } from '../core/index.js';
import type { TlsMaterial } from '../protocols/index.js';
import { flagName } from './resolve-settings.js';
import type { SettingName, Settings } from './settings.js';

/** Who may come in, and over what: the same for every protocol. */
export interface FrontDoor {
  readonly access: Access;
  /** Absent: connections are not encrypted. */
  readonly tls?: TlsMaterial;
}

type FrontDoorSettings = Pick<
  Settings,
  | 'authKeys'
  | 'jwksUrl'
  | 'jwtIssuer'
  | 'jwtAudience'
  | 'jwtScopeClaim'
  | 'host'
  | 'insecure'
  | 'tlsCert'
  | 'tlsKey'
  | 'tlsClientCa'
>;

/**
 * Opens the keys and certificates of the settings.
 *
 * @param onTrouble told that the key file became unusable, in which state it allows nobody
 * @throws ModelkeepError `INVALID_INPUT` naming the setting that cannot be used; also if it would listen beyond this
 * machine with nobody being asked for credentials, and `insecure` does not say so
 */
export async function openFrontDoor(
  settings: FrontDoorSettings,
  onTrouble: (error: ModelkeepError) => void,
): Promise<FrontDoor> {
  const { authKeys, jwksUrl, jwtIssuer, jwtAudience, jwtScopeClaim, host, insecure } = settings;
  const tls = await readTls(settings);
  const tokens = { jwksUrl, issuer: jwtIssuer, audience: jwtAudience, scopeClaim: jwtScopeClaim };
  const access = await openAccess({
    onTrouble,
    ...(authKeys === '' ? {} : { keysFile: authKeys }),
    ...(jwksUrl === '' ? {} : { tokens }),
  });
  if (!access.required && tls?.clientCa === undefined && !insecure && !isLoopback(host)) {
    throw new ModelkeepError(
      'INVALID_INPUT',
      `Not listening on ${host}: everybody who reaches it could use and manage this server. ` +
        `Name keys (${flagName('authKeys')}), tokens (${flagName('jwksUrl')}) or client certificates ` +
        `(${flagName('tlsClientCa')}), or say ${flagName('insecure')}`,
    );
  }
  return { access, ...(tls === undefined ? {} : { tls }) };
}

/** True for an address that only this machine reaches. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}

async function readTls(settings: FrontDoorSettings): Promise<TlsMaterial | undefined> {
  const { tlsCert, tlsKey, tlsClientCa } = settings;
  if (tlsCert === '' && tlsKey === '' && tlsClientCa === '') return undefined;
  for (const name of ['tlsCert', 'tlsKey'] as const) {
    if (settings[name] === '') throw new ModelkeepError('INVALID_INPUT', `TLS needs ${flagName(name)} too`);
  }
  const clientCa = tlsClientCa === '' ? {} : { clientCa: await readPem('tlsClientCa', tlsClientCa) };
  return { cert: await readPem('tlsCert', tlsCert), key: await readPem('tlsKey', tlsKey), ...clientCa };
}

async function readPem(name: SettingName, path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    throw new ModelkeepError('INVALID_INPUT', `${flagName(name)} ${path}: ${(error as Error).message}`, {
      cause: error,
    });
  }
}
