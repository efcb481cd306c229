import { createPublicKey, generateKeyPairSync, sign as signBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { digestOf } from '../../../src/core/index.js';
import {
  MAX_ENVELOPE_BYTES,
  newSigningKey,
  openEnvelope,
  preAuthenticationEncoding,
  readPrivateKey,
  readTrustedKeys,
  signStatement,
  type Envelope,
} from '../../../src/registry/envelope.js';

const pair = newSigningKey();
const key = readPrivateKey(pair.privateKey, 'key');
const trusted = readTrustedKeys(pair.publicKey, 'key.pub');
const statement = {
  model: 'sentiment',
  manifest: digestOf('manifest'),
  files: [
    { name: 'config.json', digest: digestOf('a') },
    { name: 'model.safetensors', digest: digestOf('b') },
  ],
};
const envelope = signStatement(statement, key);

/** Another payload, signed with the trusted key. */
function signed(payload: unknown, payloadType = envelope.payloadType): Envelope {
  const bytes = Buffer.from(typeof payload === 'string' ? payload : JSON.stringify(payload));
  const sig = signBytes(null, preAuthenticationEncoding(payloadType, bytes), key).toString('base64');
  return { payload: bytes.toString('base64'), payloadType, signatures: [{ sig }] };
}

const said = JSON.parse(Buffer.from(envelope.payload, 'base64').toString()) as Record<string, never>;

test('encodes what is signed as the DSSE specification has it', () => {
  const encoded = preAuthenticationEncoding('http://example.com/HelloWorld', Buffer.from('hello world'));
  expect(encoded.toString()).toBe('DSSEv1 29 http://example.com/HelloWorld 11 hello world');
});

test('makes an in-toto statement as the OpenSSF model-signing format has it', () => {
  expect(said).toMatchObject({
    _type: 'https://in-toto.io/Statement/v1',
    subject: [{ name: 'sentiment', digest: { sha256: expect.stringMatching(/^[0-9a-f]{64}$/) } }],
    predicateType: 'https://model_signing/signature/v1.0',
    predicate: {
      serialization: { method: 'files', hash_type: 'sha256' },
      resources: [{ name: 'config.json', algorithm: 'sha256', digest: digestOf('a').slice(7) }, {}],
      modelkeep: { manifest: statement.manifest },
    },
  });
  // The root digest is the sha256 over the raw digests of the files.
  const raw = Buffer.concat(statement.files.map(({ digest }) => Buffer.from(digest.slice(7), 'hex')));
  expect(said['subject']).toMatchObject([{ digest: { sha256: digestOf(raw).slice(7) } }]);
});

test('gives back what was signed, and by whom, whatever the envelope says of its key', () => {
  const lying = { ...envelope, signatures: [{ keyid: 'somebody else', sig: envelope.signatures[0]?.sig ?? '' }] };
  for (const one of [envelope, lying]) {
    expect(openEnvelope(JSON.stringify(one), trusted)).toEqual({ statement, keyId: pair.keyId });
  }
  const several = readTrustedKeys(newSigningKey().publicKey + pair.publicKey, 'keys');
  expect(openEnvelope(JSON.stringify(envelope), several).keyId).toBe(pair.keyId);
});

const text = JSON.stringify(envelope);
const other = newSigningKey();
const swapped = Buffer.from(JSON.stringify({ ...said, subject: [] })).toString('base64');

describe('refuses', () => {
  test.each([
    ['another key', JSON.stringify(signStatement(statement, readPrivateKey(other.privateKey, 'other')))],
    ['a payload that was swapped', JSON.stringify({ ...envelope, payload: swapped })],
    ['a payload type that was swapped', JSON.stringify({ ...envelope, payloadType: 'application/json' })],
    ['a payload of another type, signed', JSON.stringify(signed(said, 'application/json'))],
    ['an envelope that was cut off', text.slice(0, -20)],
    [
      'a signature that was cut off',
      JSON.stringify({ ...envelope, signatures: [{ sig: envelope.signatures[0]?.sig.slice(4) }] }),
    ],
    ['an empty signature', JSON.stringify({ ...envelope, signatures: [{ sig: '' }] })],
    ['no signatures', JSON.stringify({ ...envelope, signatures: [] })],
    [
      'signatures without end',
      JSON.stringify({ ...envelope, signatures: Array.from({ length: 17 }, () => ({ sig: '' })) }),
    ],
    ['signatures of another form', JSON.stringify({ ...envelope, signatures: ['x', null] })],
    ['something that is no base64', JSON.stringify({ ...envelope, payload: '§§' })],
    ['a list', '[]'],
    ['null', 'null'],
    ['nothing', ''],
    ['an envelope that is huge', JSON.stringify({ ...envelope, payload: 'A'.repeat(MAX_ENVELOPE_BYTES) })],
    ['nesting without end', '['.repeat(100_000)],
    ['a signed payload that is no JSON', JSON.stringify(signed('no JSON'))],
    [
      'a signed statement of another kind',
      JSON.stringify(signed({ ...said, predicateType: 'https://slsa.dev/provenance/v1' })),
    ],
    ['a signed statement without version', JSON.stringify(signed({ ...said, predicate: { resources: [] } }))],
    ['a signed statement of two subjects', JSON.stringify(signed({ ...said, subject: [{}, {}] }))],
    [
      'a signed statement that contradicts itself',
      JSON.stringify(signed({ ...said, subject: [{ name: 'sentiment', digest: { sha256: '0'.repeat(64) } }] })),
    ],
  ])('%s', (_, json) => {
    expect(() => openEnvelope(json, trusted)).toThrow(expect.objectContaining({ code: 'GATE_FAILED' }));
  });

  test('keys of another kind, and says nothing of what a key file holds', () => {
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const pem = rsa.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    const invalid = expect.objectContaining({ code: 'INVALID_INPUT' });
    expect(() => readPrivateKey(pem, 'rsa.pem')).toThrow(invalid);
    expect(() => readTrustedKeys(pem, 'rsa.pem')).toThrow(invalid);
    expect(() => readPrivateKey(pair.publicKey, 'public.pem')).toThrow(invalid);
    expect(() => readTrustedKeys('nothing', 'empty.pem')).toThrow(invalid);
    const broken = pair.privateKey.replace(/\n./, '\n!');
    expect(() => readPrivateKey(broken, 'broken.pem')).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining(broken.split('\n')[1] ?? '') }),
    );
    expect(readTrustedKeys(pair.privateKey, 'own.pem')[0]?.keyId).toBe(pair.keyId);
    expect(createPublicKey(pair.publicKey).asymmetricKeyType).toBe('ed25519');
  });
});
