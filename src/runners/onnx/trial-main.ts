/** Runs a graph on texts and ends: a line of JSON and the graph on standard input, what was found on standard output. */
import { buffer } from 'node:stream/consumers';
import { asModelkeepError, ModelkeepError } from '../../core/index.js';
import { runtimeWords } from './runtime-words.js';
import { tryTexts } from './trial-runs.js';
import type { TrialJob } from './trial.js';

const input = await buffer(process.stdin);
const line = input.indexOf('\n');
const { plan, activations, text } = JSON.parse(input.toString('utf8', 0, line)) as TrialJob;
const graph = input.subarray(line + 1);
try {
  const found = await tryTexts({ ...plan, graph, activations: new Map(activations), derived: [], replaced: [] }, text);
  console.log(JSON.stringify(found));
} catch (error) {
  const told = error instanceof ModelkeepError ? error : asModelkeepError(runtimeWords(error), 'LOAD_FAILED');
  console.log(JSON.stringify(told));
  process.exitCode = 1;
}
