/**
 * The short-lived process that makes the quantized tensors of one version: reads a {@link VersionForm} as JSON from its
 * standard input and writes the list of the tensors.
 */
import { text } from 'node:stream/consumers';
import { asModelkeepError } from '../../core/index.js';
import { planForm, type VersionForm } from './form.js';

try {
  const { derived } = await planForm(JSON.parse(await text(process.stdin)) as VersionForm);
  console.log(JSON.stringify(derived.map(({ digest, size }) => ({ digest, size }))));
} catch (error) {
  console.log(JSON.stringify(asModelkeepError(error, 'LOAD_FAILED')));
  process.exitCode = 1;
}
