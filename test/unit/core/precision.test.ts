import { expect, test } from 'vitest';
import {
  checkManifest,
  checkPrecision,
  decodeManifest,
  digestOf,
  encodeManifest,
  manifestDigest,
  partsOfPrecision,
  PRECISIONS,
  servedPrecision,
  type Manifest,
} from '../../../src/core/index.js';

const manifest: Manifest = {
  schema: 1,
  format: 'hf',
  files: [{ path: 'config.json', size: 2, segments: [{ digest: digestOf('{}'), size: 2 }] }],
};

test('there are these precisions, and others are refused', () => {
  expect(PRECISIONS).toEqual([
    'fp32',
    'int8',
    'int8-fast',
    'int8-weights',
    'int8+embeddings',
    'int8-fast+embeddings',
    'int8-weights+embeddings',
  ]);
  expect(checkPrecision('int8-fast')).toBe('int8-fast');
  for (const wrong of ['fp16', 'int8+', 'fp32+embeddings', '', 8, undefined])
    expect(() => checkPrecision(wrong)).toThrow(expect.objectContaining({ code: 'INVALID_INPUT' }));
});

test('a precision is an arithmetic and whether embeddings are quantized', () => {
  expect(partsOfPrecision('fp32')).toEqual({ arithmetic: 'fp32', embeddings: false });
  expect(partsOfPrecision('int8-weights+embeddings')).toEqual({ arithmetic: 'int8-weights', embeddings: true });
});

test('a node serves checkpoints as it was told, or as they were published, and everything else as it is', () => {
  expect(servedPrecision(manifest, 'as-published')).toBe('fp32');
  expect(servedPrecision({ ...manifest, precision: 'int8' }, 'as-published')).toBe('int8');
  expect(servedPrecision({ ...manifest, precision: 'int8' }, 'fp32')).toBe('fp32');
  expect(servedPrecision(manifest, 'int8-weights')).toBe('int8-weights');
  expect(servedPrecision({ ...manifest, format: 'onnx' }, 'int8')).toBe('fp32');
});

test('the precision is part of a version: another one is another version of the same files', () => {
  const int8: Manifest = { ...manifest, precision: 'int8' };
  expect(manifestDigest(int8)).not.toBe(manifestDigest(manifest));
  expect(decodeManifest(encodeManifest(int8))).toEqual(int8);
  for (const wrong of ['fp32', 'int4', 8, null])
    expect(() => checkManifest({ ...manifest, precision: wrong })).toThrow(
      expect.objectContaining({ code: 'INVALID_ARTIFACT' }),
    );
});
