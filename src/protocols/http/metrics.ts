import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { versionName } from '../../core/index.js';
import type { Follower, Residency } from '../../residency/index.js';
import type { InferenceService } from '../../serving/index.js';

/** Upper bounds of latency buckets, in seconds: 1 ms to 10 s, where requests of small to large models lie. */
const LATENCY_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** What the metrics are about. */
export interface MetricsOptions {
  readonly service: InferenceService;
  readonly residency: Residency;
  readonly follower: Follower;
  /** Tells what this node does to aliases by itself. */
  readonly watchman: WatchmanEvents;
}

/** Where {@link nodeMetrics} hears that this node has moved an alias back, or should have and could not. */
interface WatchmanEvents {
  on(event: 'rolled-back' | 'failed', listener: (reference: string) => void): unknown;
}

/** Builds the node's Prometheus metrics, fed by its events. */
export function nodeMetrics({ service, residency, follower, watchman }: MetricsOptions): Registry {
  const registry = new Registry();
  const registers = [registry];
  requestMetrics(registers, service);
  answerCacheMetrics(registers, service);
  firstAnswers(registers, service);
  shadowMetrics(registers, service);
  rollbackMetrics(registers, watchman);
  transitionMetrics(registers, residency);
  swapMetrics(registers, follower);
  upkeepMetrics(registers, residency);
  residentMetrics(registers, residency);
  new Gauge({
    name: 'modelkeep_store_reachable',
    help: '1 if the store answers, 0 if what is resident is served without it',
    registers,
    collect() {
      this.set(follower.health.reachable ? 1 : 0);
    },
  });
  new Gauge({
    name: 'modelkeep_waiting_requests',
    help: 'Requests that wait for a runner, by version',
    labelNames: ['version'],
    registers,
    collect() {
      this.reset();
      for (const [version, count] of Object.entries(service.status().waiting)) this.set({ version }, count);
    },
  });
  new Gauge({
    name: 'modelkeep_memory_bytes',
    help: 'Memory of the node and its runners by proportional set size',
    registers,
    async collect() {
      this.set(await residency.memory());
    },
  });
  new Gauge({
    name: 'modelkeep_runners',
    help: 'Runner processes by what they do: free, busy, or missing because they hung or ended and no other serves yet',
    labelNames: ['mode'],
    registers,
    collect() {
      const { runners, runnersMissing } = service.status();
      for (const mode of ['free', 'busy']) this.set({ mode }, runners.filter((runner) => runner.mode === mode).length);
      this.set({ mode: 'missing' }, runnersMissing);
    },
  });
  new Gauge({
    name: 'modelkeep_runners_hung',
    help: 'Runner processes that did not answer in time since the start, and were replaced',
    registers,
    collect() {
      this.set(service.status().runnersHung);
    },
  });
  new Gauge({
    name: 'modelkeep_runner_restarts',
    help: 'Runner processes that hung or ended unexpectedly since the start',
    registers,
    collect() {
      this.set(service.status().runnerRestarts);
    },
  });
  return registry;
}

/** Where no answers are kept there is nothing to tell. */
function answerCacheMetrics(registers: Registry[], service: InferenceService): void {
  if (service.answerCache === undefined) return;
  for (const [name, help] of [
    ['entries', 'Answers that are kept'],
    ['bytes', 'Bytes of answers that are kept, about'],
    ['evictions', 'Answers that made room for others since the start'],
  ] as const) {
    new Gauge({
      name: `modelkeep_answer_cache_${name}`,
      help,
      registers,
      collect() {
        this.set(service.answerCache?.[name] ?? 0);
      },
    });
  }
}

function requestMetrics(registers: Registry[], service: InferenceService): void {
  const requests = new Counter({
    name: 'modelkeep_requests_total',
    help: 'Requests by version and outcome',
    labelNames: ['version', 'code'],
    registers,
  });
  const latency = new Histogram({
    name: 'modelkeep_request_seconds',
    help: 'Time of answered requests by part: queue, tokenize, run, total',
    labelNames: ['part'],
    buckets: LATENCY_BUCKETS,
    registers,
  });
  const batch = new Histogram({
    name: 'modelkeep_batch_requests',
    help: 'Requests that one run answered',
    buckets: [1, 2, 4, 8, 16, 32],
    registers,
  });
  const tokens = new Counter({
    name: 'modelkeep_tokens_total',
    help: 'Tokens run, and how many of them were padding',
    labelNames: ['kind'],
    registers,
  });
  const answers = new Counter({
    name: 'modelkeep_answer_cache_requests_total',
    help: 'Requests by whether their answer was kept (hit), was under way (joined), or had to be computed (miss)',
    labelNames: ['outcome'],
    registers,
  });
  service.on('request', ({ record, error, timing, durationMs, cached }) => {
    if (cached !== undefined) answers.inc({ outcome: cached });
    requests.inc({ version: record === undefined ? '' : versionName(record), code: error?.code ?? 'OK' });
    if (timing === undefined) return;
    latency.observe({ part: 'queue' }, timing.queueMs / 1_000);
    latency.observe({ part: 'tokenize' }, timing.tokenizeMs / 1_000);
    latency.observe({ part: 'run' }, timing.runMs / 1_000);
    latency.observe({ part: 'total' }, durationMs / 1_000);
  });
  service.on('run', ({ requests: count, reply }) => {
    batch.observe(count);
    tokens.inc({ kind: 'real' }, reply.tokens);
    tokens.inc({ kind: 'padding' }, reply.paddedTokens - reply.tokens);
  });
}

/** A version that was published before the node began says nothing about how fast new ones are served. */
function firstAnswers(registers: Registry[], service: InferenceService): void {
  const sinceMs = Date.now();
  const known = new Set<string>();
  const seconds = new Gauge({
    name: 'modelkeep_publish_to_first_answer_seconds',
    help: 'From the publishing of a version to its first answer on this node, which ran already',
    labelNames: ['version'],
    registers,
  });
  service.on('request', ({ record, error }) => {
    if (record === undefined || error !== undefined || known.has(record.id)) return;
    known.add(record.id);
    const publishedMs = record.publishedAt.getTime();
    if (publishedMs >= sinceMs) seconds.set({ version: versionName(record) }, (Date.now() - publishedMs) / 1_000);
  });
}

function shadowMetrics(registers: Registry[], service: InferenceService): void {
  const compared = new Counter({
    name: 'modelkeep_shadow_total',
    help: 'Answers that a shadow version was compared with: same, different, failed or dropped',
    labelNames: ['version', 'shadow', 'outcome'],
    registers,
  });
  service.on('compared', ({ record, shadow, outcome }) =>
    compared.inc({ version: versionName(record), shadow: versionName(shadow), outcome }),
  );
}

function rollbackMetrics(registers: Registry[], watchman: WatchmanEvents): void {
  const rollbacks = new Counter({
    name: 'modelkeep_automatic_rollbacks_total',
    help: 'Times that this node has moved an alias back from a version by itself (done), or could not (failed)',
    labelNames: ['reference', 'outcome'],
    registers,
  });
  watchman.on('rolled-back', (reference) => rollbacks.inc({ reference, outcome: 'done' }));
  watchman.on('failed', (reference) => rollbacks.inc({ reference, outcome: 'failed' }));
}

/** How versions change their states, and what they bring. */
function transitionMetrics(registers: Registry[], residency: Residency): void {
  const transitions = new Counter({
    name: 'modelkeep_transitions_total',
    help: 'Changes of a version’s state',
    labelNames: ['from', 'to'],
    registers,
  });
  const fetched = new Counter({
    name: 'modelkeep_fetched_bytes_total',
    help: 'Bytes that came from the store',
    registers,
  });
  const stateSeconds = new Histogram({
    name: 'modelkeep_transition_seconds',
    help: 'How long versions were in the state that they left',
    labelNames: ['from', 'to'],
    buckets: LATENCY_BUCKETS,
    registers,
  });
  const transitionBytes = new Counter({
    name: 'modelkeep_transition_bytes_total',
    help: 'Bytes of the contents of versions that changed their state',
    labelNames: ['from', 'to'],
    registers,
  });
  residency.on('transition', ({ from, to, durationMs, bytes }) => {
    transitions.inc({ from, to });
    stateSeconds.observe({ from, to }, durationMs / 1_000);
    transitionBytes.inc({ from, to }, bytes);
  });
  residency.on('fetched', (_record, bytes) => fetched.inc(bytes));
}

/** How references move to other versions. */
function swapMetrics(registers: Registry[], follower: Follower): void {
  const swaps = new Counter({
    name: 'modelkeep_swaps_total',
    help: 'References that moved to another version',
    labelNames: ['outcome'],
    registers,
  });
  const freshness = new Gauge({
    name: 'modelkeep_publish_to_swap_seconds',
    help: 'From the publishing of a version to the moment new requests went to it, by reference',
    labelNames: ['reference', 'version'],
    registers,
  });
  follower.on('swapped', (reference, _from, to, seconds) => {
    swaps.inc({ outcome: 'done' });
    freshness.set({ reference, version: String(to.version) }, seconds);
  });
  follower.on('swap-failed', () => swaps.inc({ outcome: 'failed' }));
}

/** What the node does to keep within its memory, and to be fast. */
function upkeepMetrics(registers: Registry[], residency: Residency): void {
  const evictions = new Counter({
    name: 'modelkeep_evictions_total',
    help: 'Versions let go to make room (budget) or because nobody asked them (idle)',
    labelNames: ['why'],
    registers,
  });
  residency.on('evicted', (_record, why) => evictions.inc({ why }));
  const compiles = new Counter({
    name: 'modelkeep_compiles_total',
    help: 'Versions that were compiled and taken over, or could not be',
    labelNames: ['outcome'],
    registers,
  });
  residency.on('compiled', ({ error }) => compiles.inc({ outcome: error === undefined ? 'done' : 'failed' }));
  new Counter({
    name: 'modelkeep_compiled_dropped_total',
    help: 'Compiled forms on disk that were found damaged and removed',
    registers,
    collect() {
      this.reset();
      this.inc(residency.compiledDropped);
    },
  });
  const renewals = new Counter({
    name: 'modelkeep_runner_renewals_total',
    help: 'Times that the runners were started anew because they kept memory',
    registers,
  });
  residency.on('renewed', () => renewals.inc());
}

function residentMetrics(registers: Registry[], residency: Residency): void {
  new Gauge({
    name: 'modelkeep_resident_bytes',
    help: 'Bytes of the contents of resident versions',
    labelNames: ['version', 'state', 'precision', 'form'],
    registers,
    collect() {
      this.reset();
      for (const { record, state, form } of residency.residents) {
        const { precision, compiled } = form;
        const labels = { version: versionName(record), state, precision, form: compiled ? 'compiled' : 'plain' };
        this.set(labels, record.size);
      }
    },
  });
}
