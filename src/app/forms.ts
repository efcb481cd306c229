import { CompiledCache, type SegmentCache } from '../cache/index.js';
import { manifestDigest, servedPrecision, type Rest } from '../core/index.js';
import type { CompilerOptions, Quantizing, Resident } from '../residency/index.js';
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
): Promise<Quantizing> {
  const weightBits = bits === 'auto' ? await detectWeightBits() : bits;
  return {
    formOf: (manifest) => {
      const precision = servedPrecision(manifest, setting);
      return precision === 'fp32' ? undefined : { precision, weightBits };
    },
    make: (manifest, quantized, options) => quantizeVersion({ manifest, segmentsFolder, quantized }, options),
  };
}

/**
 * How hot versions are compiled; nothing where none is to be. The folders are made when the first form is looked for: a
 * cache that cannot be written to is no reason not to serve what is in it.
 *
 * @param cache the node's cache, whose bound on the disk holds for compiled forms too
 * @param residents the versions on this node; what one of them runs from stays on the disk
 * @param rest awaited while forms are hashed
 */
export async function compilerFor(
  { compileAfter, compile, cacheDir }: Pick<Settings, 'compileAfter' | 'compile' | 'cacheDir'>,
  { folder: segmentsFolder, budget }: SegmentCache,
  residents: () => readonly Resident[],
  rest: Rest,
): Promise<{ readonly compiler?: CompilerOptions }> {
  if (compileAfter === 0 && !compile) return {};
  const target = await compileTarget();
  const inUse = (): ReadonlySet<string> => new Set(residents().flatMap(({ compiledFolder }) => compiledFolder ?? []));
  let opened: CompiledCache | undefined;
  let opening: Promise<CompiledCache> | undefined;
  const open = async (): Promise<CompiledCache> => {
    try {
      opened = await CompiledCache.open({ directory: cacheDir, target, budget, inUse, rest });
      return opened;
    } catch (error) {
      // Tried again by the next that looks for a form.
      opening = undefined;
      throw error;
    }
  };
  const forms = (): Promise<CompiledCache> => (opening ??= open());
  return {
    compiler: {
      hotRunsPerMinute: compileAfter === 0 ? Number.POSITIVE_INFINITY : compileAfter,
      dropped: () => opened?.dropped ?? 0,
      find: async ({ record: { digest }, quantized }) =>
        digest === undefined ? undefined : (await forms()).find(formKey(digest, quantized)),
      compile: async ({ quantized }, manifest, options) =>
        (await forms()).ensure(
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
