/**
 * The short-lived process that makes the quantized tensors of one version: reads a {@link VersionForm} as JSON from its
 * standard input and writes the list of what its runners map: these tensors, and the segments that none of them replaces.
 */
import { text } from 'node:stream/consumers';
import { asModelkeepError, distinctSegments } from '../../core/index.js';
import { planForm, type VersionForm } from './form.js';

try {
  const form = JSON.parse(await text(process.stdin)) as VersionForm;
  const { derived, replaced } = await planForm(form);
  const kept = distinctSegments(form.manifest).filter(({ digest }) => !replaced.includes(digest));
  console.log(JSON.stringify([...derived, ...kept].map(({ digest, size }) => ({ digest, size }))));
} catch (error) {
  console.log(JSON.stringify(asModelkeepError(error, 'LOAD_FAILED')));
  process.exitCode = 1;
}
