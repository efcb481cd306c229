import { bytes, flag, list, setting, text, textOrNone, whole } from './setting.js';

/** Settings of who may connect and do what, and of what one connection may cost. */
export const ACCESS_SETTINGS = Object.freeze({
  authKeys: setting<string>({
    schema: textOrNone,
    defaultValue: '',
    description: 'File of API keys, as "modelkeep key add" writes it; empty: no keys',
    placeholder: 'FILE',
  }),
  jwksUrl: setting<string>({
    schema: textOrNone,
    defaultValue: '',
    description: 'Where the public keys are that sign JSON web tokens; empty: no tokens',
    placeholder: 'URL',
  }),
  jwtIssuer: setting<string>({
    schema: textOrNone,
    defaultValue: '',
    description: 'What the claim "iss" of a token must be',
    placeholder: 'TEXT',
  }),
  jwtAudience: setting<string>({
    schema: textOrNone,
    defaultValue: '',
    description: 'What the claim "aud" of a token must hold',
    placeholder: 'TEXT',
  }),
  jwtScopeClaim: setting<string>({
    schema: text,
    defaultValue: 'scope',
    description: 'The claim of a token that lists its scopes',
    placeholder: 'NAME',
  }),
  insecure: setting<boolean>({
    schema: flag,
    defaultValue: false,
    description: 'Whether to listen beyond this machine although nobody needs credentials',
    placeholder: 'BOOL',
    valueOptional: true,
  }),
  corsOrigins: setting<readonly string[]>({
    schema: list,
    defaultValue: [],
    description: 'Origins of pages that may ask from a browser, such as https://app.example, with commas; *: any',
    placeholder: 'ORIGINS',
  }),
  adminPort: setting<number>({
    schema: whole(-1, 65_535),
    defaultValue: -1,
    description: 'Port of its own for management, status and metrics; 0: any free one; -1: they are on the main port',
    placeholder: 'PORT',
  }),
  tlsCert: setting<string>({
    schema: textOrNone,
    defaultValue: '',
    description: 'Certificate (PEM, with its chain) with which to serve TLS; empty: no TLS',
    placeholder: 'FILE',
  }),
  tlsKey: setting<string>({
    schema: textOrNone,
    defaultValue: '',
    description: 'Private key (PEM) of the certificate',
    placeholder: 'FILE',
  }),
  tlsClientCa: setting<string>({
    schema: textOrNone,
    defaultValue: '',
    description:
      'Authorities (PEM) one of which must have signed the certificate of every client; empty: none is asked',
    placeholder: 'FILE',
  }),
  maxHeaderBytes: setting<number>({
    schema: bytes,
    defaultValue: 16_384,
    description: 'Largest header of a request, and metadata of a gRPC call, in bytes',
    placeholder: 'BYTES',
  }),
  maxConnections: setting<number>({
    schema: whole(1, 1_000_000),
    defaultValue: 10_000,
    description: 'Connections that may be open at once on a port; the next one is closed',
    placeholder: 'N',
  }),
  maxRequestTokens: setting<number>({
    schema: whole(0, 1_000_000_000),
    defaultValue: 250_000,
    description: 'Tokens that one request may have, by an estimate from its words and signs; 0: no limit',
    placeholder: 'N',
  }),
  headersTimeoutMs: setting<number>({
    schema: whole(1, 3_600_000),
    defaultValue: 10_000,
    description: 'Milliseconds in which a client must have sent the header of a request',
    placeholder: 'MS',
  }),
  receiveTimeoutMs: setting<number>({
    schema: whole(1, 3_600_000),
    defaultValue: 30_000,
    description: 'Milliseconds in which a client must have sent a request with its body',
    placeholder: 'MS',
  }),
});
