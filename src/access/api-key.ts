import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { SCOPES } from './scopes.js';

/** What marks a key of this software, so that scanners of repositories find one that leaked. */
const PREFIX = 'mk';
const ID_BYTES = 6;
const SECRET_BYTES = 32;
const KEY = /^mk_([0-9a-f]{12})_([A-Za-z0-9_-]{43})$/;

/** A key as the file holds it. */
export const StoredKeySchema = z.strictObject({
  id: z.string().regex(/^[0-9a-f]{12}$/),
  name: z.string().min(1).max(200),
  hash: z.string().regex(/^sha256:[0-9a-f]{64}$/),
  scopes: z.array(z.enum(SCOPES)).min(1),
  models: z.array(z.string().min(1)).min(1).optional(),
  createdAt: z.iso.datetime(),
  expiresAt: z.iso.datetime().optional(),
});

/** A key as the file holds it: its hash, never the key. */
export type StoredKey = z.infer<typeof StoredKeySchema>;

/** What may be told of a key. */
export type KeyDescription = Omit<StoredKey, 'hash'>;

/** A key that was just made; its text is known here and nowhere else. */
export interface NewKey {
  readonly id: string;
  /** `mk_ID_SECRET`: what the caller sends. */
  readonly key: string;
  readonly hash: string;
}

/** Makes a key: a public id, by which it is found, and 256 random bits. */
export function newApiKey(): NewKey {
  const id = randomBytes(ID_BYTES).toString('hex');
  const secret = randomBytes(SECRET_BYTES).toString('base64url');
  return { id, key: `${PREFIX}_${id}_${secret}`, hash: hashOf(secret) };
}

/** True if a credential has the form of a key. */
export function looksLikeKey(credential: string): boolean {
  return credential.startsWith(`${PREFIX}_`);
}

/** Splits a key; undefined if it is malformed. */
export function parseKey(credential: string): { readonly id: string; readonly secret: string } | undefined {
  const [, id, secret] = KEY.exec(credential) ?? [];
  return id === undefined || secret === undefined ? undefined : { id, secret };
}

/** Compared with in place of a key that is not there, so that both take the same time. */
const NOBODY = hashOf('');

/** True if the secret is the key's, in a time that tells nothing; false without a key. */
export function isSecretOf(stored: StoredKey | undefined, secret: string): boolean {
  const same = timingSafeEqual(Buffer.from(hashOf(secret)), Buffer.from(stored?.hash ?? NOBODY));
  return same && stored !== undefined;
}

/** One fast hash: 256 random bits cannot be guessed, and a slow one would let strangers keep the server busy. */
function hashOf(secret: string): string {
  return `sha256:${createHash('sha256').update(secret).digest('hex')}`;
}
