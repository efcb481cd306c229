/**
 * JSON schemas of what the OCI image specification 1.1 (image-layout, image-index, manifest, descriptor) and ModelPack
 * (config.md) require, written from their texts.
 */
const DIGEST = { type: 'string', pattern: '^sha256:[a-f0-9]{64}$' };
// RFC 6838, section 4.2: type and subtype.
const MEDIA_TYPE = {
  type: 'string',
  pattern: '^[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}$',
};
const ANNOTATIONS = { type: 'object', additionalProperties: { type: 'string' } };
const DESCRIPTOR = {
  type: 'object',
  required: ['mediaType', 'digest', 'size'],
  properties: {
    mediaType: MEDIA_TYPE,
    digest: DIGEST,
    size: { type: 'integer', minimum: 0 },
    artifactType: MEDIA_TYPE,
    annotations: ANNOTATIONS,
  },
};

/** `oci-layout`. */
export const LAYOUT = {
  type: 'object',
  required: ['imageLayoutVersion'],
  properties: { imageLayoutVersion: { const: '1.0.0' } },
};

/** `index.json`. */
export const INDEX = {
  type: 'object',
  required: ['schemaVersion', 'manifests'],
  properties: {
    schemaVersion: { const: 2 },
    mediaType: { const: 'application/vnd.oci.image.index.v1+json' },
    manifests: { type: 'array', items: DESCRIPTOR },
    annotations: ANNOTATIONS,
  },
};

/** An image manifest. */
export const MANIFEST = {
  type: 'object',
  required: ['schemaVersion', 'config', 'layers'],
  properties: {
    schemaVersion: { const: 2 },
    mediaType: { const: 'application/vnd.oci.image.manifest.v1+json' },
    artifactType: MEDIA_TYPE,
    config: DESCRIPTOR,
    subject: DESCRIPTOR,
    layers: { type: 'array', minItems: 1, items: DESCRIPTOR },
    annotations: ANNOTATIONS,
  },
};

const TEXT = { type: 'string' };
const TEXTS = { type: 'array', items: TEXT };

/** The configuration of a ModelPack artifact. */
export const MODEL_CONFIG = {
  type: 'object',
  required: ['descriptor', 'config', 'modelfs'],
  additionalProperties: false,
  properties: {
    descriptor: {
      type: 'object',
      additionalProperties: false,
      properties: {
        // RFC 3339, section 5.6.
        createdAt: {
          type: 'string',
          pattern: '^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d(\\.\\d+)?(Z|[+-]\\d\\d:\\d\\d)$',
        },
        authors: TEXTS,
        family: TEXT,
        name: { type: 'string', minLength: 1 },
        version: TEXT,
        title: TEXT,
        description: TEXT,
        licenses: TEXTS,
      },
    },
    config: {
      type: 'object',
      additionalProperties: false,
      properties: { architecture: TEXT, format: TEXT, paramSize: TEXT, precision: TEXT, quantization: TEXT },
    },
    modelfs: {
      type: 'object',
      required: ['type', 'diffIds'],
      additionalProperties: false,
      properties: { type: { const: 'layers' }, diffIds: { type: 'array', minItems: 1, items: DIGEST } },
    },
  },
};
