/**
 * Damages fixtures in ways that a seed decides and has the readers read them: each may read them or refuse them with a
 * proper code, and nothing else.
 * `node scripts/fuzz/main.mjs safetensors|onnx|tensors|frames [--seconds N | --cases N] [--seed N]`
 */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Random } from './random.mjs';
import { TARGETS } from './targets.mjs';

/** Longest time for one damaged input, in ms: a reader that hangs is as bad as one that ends. */
const LONGEST_MS = 5_000;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { seconds: { type: 'string', default: '300' }, cases: { type: 'string' }, seed: { type: 'string' } },
});
const [name] = positionals;
const target = Object.hasOwn(TARGETS, name ?? '') ? TARGETS[name] : undefined;
if (target === undefined) {
  console.error(`Name what to fuzz: ${Object.keys(TARGETS).join(' | ')} [--seconds 300 | --cases N] [--seed N]`);
  process.exit(2);
}
const seed = Number(values.seed ?? Date.now() % 2 ** 32);
const most = values.cases === undefined ? Infinity : Number(values.cases);
const endMs = values.cases === undefined ? performance.now() + 1_000 * Number(values.seconds) : Infinity;
console.log(`fuzzing ${name} with --seed ${seed}`);

/** Keeps what went wrong and ends. */
function fail(what, round, { path, contents }) {
  const folder = mkdtempSync(join(tmpdir(), 'modelkeep-fuzz-'));
  for (const [file, bytes] of Object.entries(contents)) writeFileSync(join(folder, file.replaceAll('/', '_')), bytes);
  console.error(`round ${round} of --seed ${seed}, ${path}: ${what}\nits files are in ${folder}`);
  process.exit(1);
}

const cases = target.cases();
const random = new Random(seed);
const counts = new Map();
let [rounds, slowestMs] = [0, 0];
const startMb = process.memoryUsage.rss() / 1e6;
for (; rounds < most && performance.now() < endMs; rounds++) {
  const damaged = target.damage(random.one(cases), random);
  const startedMs = performance.now();
  let outcome = 'read';
  try {
    await target.read(damaged);
  } catch (error) {
    if (error?.name !== 'ModelkeepError' || !target.codes.includes(error.code))
      fail(error?.stack ?? String(error), rounds, damaged);
    outcome = error.code;
  }
  const tookMs = performance.now() - startedMs;
  if (tookMs > LONGEST_MS) fail(`reading took ${Math.round(tookMs)} ms`, rounds, damaged);
  slowestMs = Math.max(slowestMs, tookMs);
  counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
}
const peakMb = process.resourceUsage().maxRSS / 1e3;
console.log(
  JSON.stringify({
    target: name,
    seed,
    cases: rounds,
    ...Object.fromEntries(counts),
    slowestMs: Math.round(slowestMs),
    startMb: Math.round(startMb),
    peakMb: Math.round(peakMb),
  }),
);
