import { dirname } from 'node:path';
import { DerivedTensors } from '../../cache/index.js';
import { manifestDigest, type Abortable, type Segment } from '../../core/index.js';
import { formKey, type QuantizedForm, type VersionForm } from './form.js';
import { runChildJob } from './child-job.js';

/**
 * Makes the quantized tensors of a version that are not on this machine yet, in a process of its own that gives its
 * memory back by its end; costs a look at their files where all are there.
 *
 * @returns what runners map: the tensors, and those of the version's segments that none of them replaces; they lie among
 * the segments and must stay there as long as the version is in use
 * @throws ModelkeepError what reading the version says; `STORE_UNAVAILABLE` if the disk is full; `CANCELLED`
 */
export async function quantizeVersion(
  form: VersionForm & { readonly quantized: QuantizedForm },
  options: Abortable = {},
): Promise<readonly Segment[]> {
  const { manifest, segmentsFolder, quantized } = form;
  const tensors = await DerivedTensors.open(dirname(segmentsFolder));
  const key = `mapped by ${formKey(manifestDigest(manifest), quantized)}`;
  const found = await tensors.find(key);
  if (found !== undefined) return found;
  const what = { doer: 'The process that quantized the version', consequence: 'it cannot be loaded' };
  const words = await runChildJob('quantize', JSON.stringify(form), what, options);
  const made = JSON.parse(words) as readonly Segment[];
  await tensors.remember(key, made);
  return made;
}
