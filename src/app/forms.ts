import { CompiledCache } from '../cache/index.js';
import { manifestDigest, servedPrecision } from '../core/index.js';
import type { CompilerOptions, Quantize } from '../residency/index.js';
import { compileTarget, compileVersion, detectWeightBits, formKey, quantizeVersion } from '../runners/index.js';
import type { Settings } from './settings.js';

/**
 * How a node quantizes versions: in the precision of its settings, or in that which a version was published with.
 *
 * @param segmentsFolder absolute folder of the cache's segments
 */
export async function quantizeBy(
  { precision: setting, weightBits: bits }: Pick<Settings, 'precision' | 'weightBits'>,
  segmentsFolder: string,
): Promise<Quantize> {
  const weightBits = bits === 'auto' ? await detectWeightBits() : bits;
  return async (manifest, options) => {
    const precision = servedPrecision(manifest, setting);
    if (precision === 'fp32') return undefined;
    const form = { precision, weightBits };
    return { form, tensors: await quantizeVersion({ manifest, segmentsFolder, quantized: form }, options) };
  };
}

/** How hot versions are compiled; nothing where none is to be. */
export async function compilerFor(
  { compileAfter, cacheDir }: Pick<Settings, 'compileAfter' | 'cacheDir'>,
  segmentsFolder: string,
): Promise<{ readonly compiler?: CompilerOptions }> {
  if (compileAfter === 0) return {};
  const forms = await CompiledCache.open({ directory: cacheDir, target: await compileTarget() });
  return {
    compiler: {
      hotRunsPerMinute: compileAfter,
      find: ({ record: { digest }, quantized }) =>
        digest === undefined ? Promise.resolve(undefined) : forms.find(formKey(digest, quantized)),
      compile: ({ quantized }, manifest, options) =>
        forms.ensure(
          formKey(manifestDigest(manifest), quantized),
          (folder, given) =>
            compileVersion(
              { manifest, segmentsFolder, folder, ...(quantized === undefined ? {} : { quantized }) },
              given,
            ),
          options,
        ),
    },
  };
}
