import type { KeyObject } from 'node:crypto';
import {
  asModelkeepError,
  contentSize,
  createDigester,
  manifestDigest,
  ModelkeepError,
  placesOf,
  throwIfAborted,
  versionName,
  type Abortable,
  type Manifest,
  type Reference,
  type TransferProgress,
  type VersionRecord,
  type VersionStore,
} from '../core/index.js';
import {
  keyIdOf,
  openEnvelope,
  readStatement,
  signStatement,
  type Envelope,
  type SignedFile,
  type TrustedKey,
} from './envelope.js';

/** Kind of the store's entries that hold signatures; their keys are `VERSION-ID/KEY-ID`. */
const SIGNATURE = 'signature';
/** Most signatures of one version that are looked at. */
const MAX_SIGNATURES = 100;

/** Options of {@link sign}. */
export interface SignOptions extends Abortable {
  readonly by?: string;
  readonly message?: string;
  readonly onProgress?: (progress: TransferProgress) => void;
}

/** A signature of a version. */
export interface StoredSignature {
  /** See `keyIdOf`. As the store says: only `verifySignatures` proves it. */
  readonly keyId: string;
  readonly signedAt: Date;
  readonly by?: string;
  readonly envelope: Envelope;
}

/** What signing did. */
export interface Signed {
  readonly record: VersionRecord;
  readonly keyId: string;
  readonly files: number;
}

/**
 * Signs a version: reads every byte of it, so that what is signed is what is stored, and keeps the envelope with the
 * version. A second signature with the same key takes the place of the first.
 *
 * @param key private, Ed25519
 * @throws ModelkeepError what resolving says; `DIGEST_MISMATCH` for damaged contents; `INVALID_INPUT` if the envelope
 * would be too large
 */
export async function sign(
  store: VersionStore,
  reference: Reference,
  key: KeyObject,
  options: SignOptions = {},
): Promise<Signed> {
  const abortable = options.signal === undefined ? {} : { signal: options.signal };
  const record = await store.resolve(reference, abortable);
  const manifest = await store.readManifest(record, abortable);
  const files = await hashFiles(store, record, manifest, options);
  const { model, version } = record;
  const envelope = signStatement({ model, manifest: manifestDigest(manifest), files }, key);
  const keyId = keyIdOf(key);
  const { by, message } = options;
  const who = { ...(by === undefined ? {} : { by }), ...(message === undefined ? {} : { message }) };
  await store.writeEntry(
    {
      kind: SIGNATURE,
      key: `${record.id}/${keyId}`,
      value: { envelope, signedAt: new Date().toISOString(), ...(by === undefined ? {} : { by }) },
      event: { kind: 'signed', model, version, keyId, ...who },
    },
    abortable,
  );
  return { record, keyId, files: files.length };
}

/**
 * Keeps a signature that was made elsewhere. Nothing is proved here: whoever demands a signature proves it.
 *
 * @param envelope with one signature, whose `keyid` is the sha256 of the public key, as {@link sign} makes it
 * @throws ModelkeepError what resolving says; `INVALID_INPUT` for a `keyid` that is none, or an envelope about other
 * contents or another model
 */
export async function attachSignature(
  store: VersionStore,
  reference: Reference,
  envelope: Envelope,
  options: Omit<SignOptions, 'onProgress'> = {},
): Promise<Omit<Signed, 'files'>> {
  const { signal, by, message } = options;
  const abortable = signal === undefined ? {} : { signal };
  const record = await store.resolve(reference, abortable);
  const manifest = await store.readManifest(record, abortable);
  const keyId = envelope.signatures[0]?.keyid ?? '';
  const statement = readStatement(envelope);
  if (
    !/^[0-9a-f]{64}$/.test(keyId) ||
    statement.manifest !== manifestDigest(manifest) ||
    statement.model !== record.model
  ) {
    throw new ModelkeepError(
      'INVALID_INPUT',
      `The envelope is no signature of ${versionName(record)}: it must name its digest, its model, and the key's id`,
    );
  }
  const { model, version } = record;
  const who = { ...(by === undefined ? {} : { by }), ...(message === undefined ? {} : { message }) };
  const value = { envelope, signedAt: new Date().toISOString(), ...(by === undefined ? {} : { by }) };
  const event = { kind: 'signed' as const, model, version, keyId, ...who };
  await store.writeEntry({ kind: SIGNATURE, key: `${record.id}/${keyId}`, value, event }, abortable);
  return { record, keyId };
}

/** The whole digest of each file, its segments checked on the way. */
async function hashFiles(
  store: VersionStore,
  record: VersionRecord,
  manifest: Manifest,
  { signal, onProgress }: SignOptions,
): Promise<SignedFile[]> {
  const totalBytes = contentSize(manifest);
  const files: SignedFile[] = [];
  let doneBytes = 0;
  for (const file of manifest.files) {
    const digester = createDigester();
    for (const place of placesOf(file)) {
      for await (const part of store.readSegment(record, place, signal === undefined ? {} : { signal })) {
        throwIfAborted(signal);
        digester.update(part);
        doneBytes += part.byteLength;
        onProgress?.({ doneBytes, totalBytes });
      }
    }
    files.push({ name: file.path, digest: digester.finish() });
  }
  return files;
}

/** The signatures that the store has of a version, unproved. */
export async function listSignatures(
  store: VersionStore,
  record: Pick<VersionRecord, 'id'>,
  options: Abortable = {},
): Promise<readonly StoredSignature[]> {
  const entries = await store.listEntries({ kind: SIGNATURE, prefix: `${record.id}/` }, options);
  return entries.slice(0, MAX_SIGNATURES).map(({ key, value }) => {
    const { envelope, signedAt, by } = value as { envelope: Envelope; signedAt: string; by?: string };
    return {
      keyId: key.slice(record.id.length + 1),
      signedAt: new Date(signedAt),
      envelope,
      ...(typeof by === 'string' ? { by } : {}),
    };
  });
}

/**
 * Removes a signature.
 *
 * @throws ModelkeepError what resolving says; `INVALID_INPUT` if the version has no signature with that key
 */
export async function removeSignature(
  store: VersionStore,
  reference: Reference,
  keyId: string,
  options: Omit<SignOptions, 'onProgress'> = {},
): Promise<VersionRecord> {
  const { signal, by, message } = options;
  const record = await store.resolve(reference, signal === undefined ? {} : { signal });
  const { model, version } = record;
  const who = { ...(by === undefined ? {} : { by }), ...(message === undefined ? {} : { message }) };
  const event = { kind: 'signature-removed' as const, model, version, keyId, ...who };
  const isHex = /^[0-9a-f]{64}$/.test(keyId);
  if (isHex && (await store.removeEntry({ kind: SIGNATURE, key: `${record.id}/${keyId}`, event }))) return record;
  throw new ModelkeepError(
    'INVALID_INPUT',
    `${versionName(record)} has no signature with the key ${keyId.slice(0, 64)}: see modelkeep show`,
  );
}

/** A proof that a version was signed. */
export interface SignatureProof {
  /** The trusted key that signed it. */
  readonly keyId: string;
  /** The whole digest of each file, as it was signed. */
  readonly files: readonly SignedFile[];
}

/**
 * Proves that one of the trusted keys signed a version: its contents, under its model's name. Reads no contents, so it
 * can stand before anything is fetched.
 *
 * @param manifest the version's, already checked against the version's digest
 * @throws ModelkeepError `GATE_FAILED` if it is not signed, or none of its signatures holds; the message says why each
 * does not
 */
export async function verifySignatures(
  store: VersionStore,
  record: VersionRecord,
  manifest: Manifest,
  trusted: readonly TrustedKey[],
  options: Abortable = {},
): Promise<SignatureProof> {
  const name = versionName(record);
  const signatures = await listSignatures(store, record, options);
  const whys: string[] = [];
  for (const { envelope } of signatures) {
    try {
      const { statement, keyId } = openEnvelope(JSON.stringify(envelope), trusted);
      if (statement.manifest !== manifestDigest(manifest)) whys.push('it is about other contents');
      else if (statement.model !== record.model) whys.push(`it is about the model "${statement.model.slice(0, 200)}"`);
      else return { keyId, files: statement.files };
    } catch (error) {
      whys.push(asModelkeepError(error).message);
    }
  }
  const keys = trusted.map(({ keyId }) => keyId.slice(0, 12)).join(', ');
  const why = whys.length === 0 ? 'it has no signature' : [...new Set(whys)].slice(0, 5).join('; ');
  throw new ModelkeepError(
    'GATE_FAILED',
    `${name} is not signed with a trusted key (${keys}): ${why}. Sign it: modelkeep sign ${name} --key FILE`,
    { details: { model: record.model, version: record.version, signatures: signatures.length } },
  );
}

/** Removes the signatures of versions that are gone for good. Safe among those who publish and sign meanwhile. */
export async function removeOrphanedSignatures(store: VersionStore, options: Abortable = {}): Promise<void> {
  // In this order: what was signed when the signatures were listed is still there, or gone for good.
  const entries = await store.listEntries({ kind: SIGNATURE }, options);
  if (entries.length === 0) return;
  const there = new Set((await store.listVersions({ deleted: true }, options)).map(({ id }) => id));
  for (const { kind, key, revision } of entries) {
    const [id = ''] = key.split('/');
    if (!there.has(id)) await store.removeEntry({ kind, key, expect: revision }, options);
  }
}
