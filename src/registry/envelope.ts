import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  sign,
  verify,
  type KeyObject,
} from 'node:crypto';
import { digestHex, ModelkeepError, type Digest } from '../core/index.js';

/** The payload type of an in-toto statement. */
export const PAYLOAD_TYPE = 'application/vnd.in-toto+json';
const STATEMENT_TYPE = 'https://in-toto.io/Statement/v1';
/** The predicate of the OpenSSF model-signing format, release 1.0. */
const PREDICATE_TYPE = 'https://model_signing/signature/v1.0';

/** Largest envelope that is read: 8 MiB holds the statement of more files than a version may have. */
export const MAX_ENVELOPE_BYTES = 8 * 1024 * 1024;
/** Most signatures that one envelope may hold. */
const MAX_SIGNATURES = 16;

/** A DSSE envelope, as JSON. */
export interface Envelope {
  /** Base64 of the statement's JSON. */
  readonly payload: string;
  readonly payloadType: string;
  readonly signatures: readonly { readonly keyid?: string; readonly sig: string }[];
}

/** A file as a statement names it. */
export interface SignedFile {
  readonly name: string;
  readonly digest: Digest;
}

/** What a statement says. */
export interface Statement {
  /** The model's name, without a version: the same contents may have another number in another store. */
  readonly model: string;
  /** The digest of the version: of its manifest. */
  readonly manifest: Digest;
  /** Its files with their whole digests, sorted by path. */
  readonly files: readonly SignedFile[];
}

/** A public key that is trusted. */
export interface TrustedKey {
  readonly key: KeyObject;
  /** See {@link keyIdOf}. */
  readonly keyId: string;
}

function invalid(message: string, cause?: unknown): ModelkeepError {
  return new ModelkeepError('INVALID_INPUT', message, cause === undefined ? {} : { cause });
}

/** The sha256 of a public key's DER (SubjectPublicKeyInfo), in hexadecimal: the same for both halves of a pair. */
export function keyIdOf(key: KeyObject): string {
  const half = key.type === 'private' ? createPublicKey(key) : key;
  return createHash('sha256')
    .update(half.export({ type: 'spki', format: 'der' }))
    .digest('hex');
}

/** A new pair of Ed25519 keys: PKCS8 and SPKI as PEM. */
export function newSigningKey(): { readonly privateKey: string; readonly publicKey: string; readonly keyId: string } {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519', {
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  });
  return { privateKey, publicKey, keyId: keyIdOf(createPublicKey(publicKey)) };
}

/**
 * Reads a private Ed25519 key.
 *
 * @param pem PKCS8
 * @param name where it comes from, for messages; what it holds never stands in one
 * @throws ModelkeepError `INVALID_INPUT` for anything else
 */
export function readPrivateKey(pem: string | Buffer, name: string): KeyObject {
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch {
    // Not handed on: what the parser says may quote what it read.
    throw invalid(`${name} holds no private key in PEM (PKCS8): make one with modelkeep signing-key new`);
  }
  if (key.asymmetricKeyType === 'ed25519') return key;
  throw invalid(`${name} holds a key of the kind ${key.asymmetricKeyType}, only Ed25519 is used`);
}

/**
 * Reads the public Ed25519 keys of a PEM file: one or several, or private ones, whose public halves are taken.
 *
 * @throws ModelkeepError `INVALID_INPUT` if there is none, or one of another kind
 */
export function readTrustedKeys(pem: string, name: string): readonly TrustedKey[] {
  const blocks = pem.match(/-----BEGIN ([A-Z ]+)-----[^]*?-----END \1-----/g) ?? [];
  if (blocks.length === 0) throw invalid(`${name} holds no public key in PEM`);
  return blocks.map((block) => {
    let key: KeyObject;
    try {
      key = createPublicKey(block);
    } catch {
      throw invalid(`${name} holds something that is no public key in PEM`);
    }
    if (key.asymmetricKeyType !== 'ed25519') {
      throw invalid(`${name} holds a key of the kind ${key.asymmetricKeyType}, only Ed25519 is used`);
    }
    return { key, keyId: keyIdOf(key) };
  });
}

/** What is signed: the type and the payload with their lengths, so that neither can pass for a part of the other. */
export function preAuthenticationEncoding(payloadType: string, payload: Uint8Array): Buffer {
  const head = `DSSEv1 ${Buffer.byteLength(payloadType)} ${payloadType} ${payload.byteLength} `;
  return Buffer.concat([Buffer.from(head, 'utf8'), payload]);
}

/** Signs a statement. */
export function signStatement(statement: Statement, key: KeyObject): Envelope {
  const payload = Buffer.from(JSON.stringify(encodeStatement(statement)), 'utf8');
  const sig = sign(null, preAuthenticationEncoding(PAYLOAD_TYPE, payload), key).toString('base64');
  return { payload: payload.toString('base64'), payloadType: PAYLOAD_TYPE, signatures: [{ keyid: keyIdOf(key), sig }] };
}

/**
 * Reads what is signed in an envelope, if one of the trusted keys signed it. The statement that is returned was read
 * from the very bytes that the signature covers.
 *
 * @param json the envelope's JSON, however long it claims to be
 * @throws ModelkeepError `GATE_FAILED` saying why it is not accepted
 */
export function openEnvelope(json: string, trusted: readonly TrustedKey[]): { statement: Statement; keyId: string } {
  if (Buffer.byteLength(json) > MAX_ENVELOPE_BYTES) {
    throw refused(`has more than ${MAX_ENVELOPE_BYTES} bytes`);
  }
  const { payload, payloadType, signatures } = parseEnvelope(json);
  if (payloadType !== PAYLOAD_TYPE) throw refused(`is about ${payloadType.slice(0, 100)}, not ${PAYLOAD_TYPE}`);
  const bytes = fromBase64(payload, 'payload');
  const signed = preAuthenticationEncoding(payloadType, bytes);
  for (const { sig } of signatures) {
    // The key's id in an envelope is a hint that anybody can write: every trusted key is tried.
    const signature = fromBase64(sig, 'signature');
    const signer = trusted.find(({ key }) => verify(null, signed, key, signature));
    if (signer !== undefined) return { statement: decodeStatement(bytes), keyId: signer.keyId };
  }
  throw refused('was made with none of the trusted keys, or was altered');
}

/**
 * What an envelope says, unproved.
 *
 * @throws ModelkeepError `GATE_FAILED` for what is no envelope with a statement about a version
 */
export function readStatement({ payload }: Envelope): Statement {
  return decodeStatement(fromBase64(payload, 'payload'));
}

function refused(why: string): ModelkeepError {
  return new ModelkeepError('GATE_FAILED', `The signature ${why}`);
}

function parseJson(text: string, what: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw refused(`has a ${what} that is no JSON`);
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw refused(`has a ${what} that is no JSON object`);
}

function isSignature(one: unknown): boolean {
  return typeof (one as { sig?: unknown } | null)?.sig === 'string';
}

/** @throws ModelkeepError `GATE_FAILED` for what is no envelope */
function parseEnvelope(json: string): Envelope {
  const { payload, payloadType, signatures } = parseJson(json, 'envelope');
  const list = Array.isArray(signatures) ? (signatures as readonly unknown[]) : [];
  if (typeof payload !== 'string' || typeof payloadType !== 'string' || !list.every(isSignature)) {
    throw refused('is no DSSE envelope: it lacks payload, payloadType or signatures');
  }
  if (list.length === 0 || list.length > MAX_SIGNATURES) {
    throw refused(`has ${list.length} signatures, 1 to ${MAX_SIGNATURES} are read`);
  }
  return { payload, payloadType, signatures: list as Envelope['signatures'] };
}

/** Standard or URL-safe base64; what decodes to other bytes than it says is refused. */
function fromBase64(text: string, what: string): Buffer {
  if (!/^[A-Za-z0-9+/_-]*={0,2}$/.test(text)) throw refused(`has a ${what} that is no base64`);
  return Buffer.from(text, 'base64');
}

/** The digest over the files' digests, in their order: what the OpenSSF format calls the model's. */
function rootDigest(files: readonly SignedFile[]): string {
  const hash = createHash('sha256');
  for (const { digest } of files) hash.update(Buffer.from(digestHex(digest), 'hex'));
  return hash.digest('hex');
}

function encodeStatement({ model, manifest, files }: Statement): unknown {
  return {
    _type: STATEMENT_TYPE,
    subject: [{ name: model, digest: { sha256: rootDigest(files) } }],
    predicateType: PREDICATE_TYPE,
    predicate: {
      serialization: { method: 'files', hash_type: 'sha256', allow_symlinks: false, ignore_paths: [] },
      resources: files.map(({ name, digest }) => ({ name, algorithm: 'sha256', digest: digestHex(digest) })),
      // Verifiers of the format pass over what they do not know.
      modelkeep: { manifest },
    },
  };
}

const HEX = /^[0-9a-f]{64}$/;

/** @throws ModelkeepError `GATE_FAILED` for a statement of another kind, or one that contradicts itself */
function decodeStatement(bytes: Buffer): Statement {
  const { _type: type, predicateType, subject, predicate } = parseJson(bytes.toString('utf8'), 'statement');
  if (type !== STATEMENT_TYPE || predicateType !== PREDICATE_TYPE) {
    throw refused(`is a statement of another kind: ${JSON.stringify([type, predicateType]).slice(0, 200)}`);
  }
  const [first, ...more] = Array.isArray(subject) ? (subject as readonly unknown[]) : [];
  const { name, digest } = (first ?? {}) as { name?: unknown; digest?: { sha256?: unknown } };
  const { resources, modelkeep } = (predicate ?? {}) as { resources?: unknown; modelkeep?: { manifest?: unknown } };
  const manifest = modelkeep?.manifest;
  if (typeof name !== 'string' || more.length > 0 || !isDigestText(manifest)) {
    throw refused('does not say which version it is about: sign it with modelkeep sign');
  }
  const files = (Array.isArray(resources) ? (resources as readonly unknown[]) : []).map((one) => {
    const { name: path, algorithm, digest: hex } = (one ?? {}) as Readonly<Record<string, unknown>>;
    if (typeof path !== 'string' || algorithm !== 'sha256' || typeof hex !== 'string' || !HEX.test(hex)) {
      throw refused('names a file without its sha256');
    }
    return { name: path, digest: `sha256:${hex}` as const };
  });
  if (digest?.sha256 !== rootDigest(files)) throw refused('contradicts itself: its digest is not that of its files');
  return { model: name, manifest, files };
}

function isDigestText(value: unknown): value is Digest {
  return typeof value === 'string' && value.startsWith('sha256:') && HEX.test(value.slice('sha256:'.length));
}
