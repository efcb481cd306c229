import {
  asModelkeepError,
  DEFAULT_MAX_DROP,
  gateText,
  MAX_GATE_EXAMPLES,
  ModelkeepError,
  versionName,
  type GateExample,
  type GatePolicy,
  type GateResult,
  type VersionRecord,
  type VersionStore,
} from '../core/index.js';
import { findEvaluation, readGolden, type EvaluationSet, type GateRequest, type RunGates } from '../registry/index.js';
import type { ParityPolicy } from '../residency/index.js';
import { evaluationOf, goldenExample, type DataRow, type TaskRequest } from '../tasks/index.js';
import { evaluate, type Evaluation } from './evaluate.js';
import { measureLatency, measureMemory, openSide, type Side } from './gate-sides.js';
import type { OpenOptions } from './open.js';

/** Options of {@link openGates}. */
export interface OpenGatesOptions extends OpenOptions {
  /** The store that is promoted in. */
  readonly store: VersionStore;
  /** Called after each example that a version was asked. */
  readonly onProgress?: (version: string, examples: number, of: number) => void;
}

/** Requests of an evaluation under way at once. */
const IN_FLIGHT = 32;

/**
 * The gates of promotions, for `promote`: golden answers, quality on the stored evaluation set, latency and memory. Each
 * version runs in a process of its own on this machine, which ends with the gate; both are measured side by side.
 *
 * @example
 * ```ts
 * await promote(store, parseReference('sentiment:4'), { to: 'production', runGates: openGates({ store }) });
 * ```
 */
export function openGates(options: OpenGatesOptions): RunGates {
  return async (request) => {
    const sides: Side[] = [];
    try {
      return await run(options, request, async (record, parity) => {
        const side = await openSide(options, record, parity, request.signal);
        sides.push(side);
        return side;
      });
    } finally {
      await Promise.all(sides.map((side) => side.keep.close()));
    }
  };
}

type Open = (record: VersionRecord, parity: ParityPolicy) => Promise<Side>;

async function run(options: OpenGatesOptions, request: GateRequest, open: Open): Promise<readonly GateResult[]> {
  const { store } = options;
  const { candidate, serving, policy, signal } = request;
  const abortable = signal === undefined ? {} : { signal };
  const set = policy.quality === 'off' ? undefined : await findEvaluation(store, candidate, serving, abortable);
  const golden = policy.parity === 'off' ? undefined : await readGolden(store, candidate, abortable);
  const without = set === undefined && policy.quality === 'on' ? [noEvaluation(candidate)] : [];
  const isMeasured = serving !== undefined && (policy.maxLatencyRatio ?? policy.maxMemoryRatio) !== undefined;
  if (set === undefined && golden === undefined && policy.parity !== 'on' && !isMeasured) return without;

  const opened = await openCandidate(open, candidate, policy);
  if ('failed' in opened) return [...without, ...opened.failed];
  const { side, parity } = opened;
  const results = [...without, ...(parity.outcome === 'passed' ? [parity] : [])];
  if (set === undefined && !isMeasured) return results;
  const before = serving === undefined ? undefined : await open(serving, { mode: 'off' });
  if (set !== undefined) results.push(await quality(options, request, { set, side, before }));
  if (before === undefined || !isMeasured) return results;
  const requests = requestsOf(candidate, set, golden);
  if (policy.maxLatencyRatio !== undefined)
    results.push(await measureLatency(before, side, requests, policy.maxLatencyRatio, signal));
  if (policy.maxMemoryRatio !== undefined)
    results.push(await measureMemory(before, side, requests, policy.maxMemoryRatio, signal));
  return results;
}

function noEvaluation({ model }: VersionRecord): GateResult {
  const summary = `no version of "${model}" carries an evaluation set, and the policy asks for one: publish with --eval`;
  return { gate: 'quality', outcome: 'failed', summary };
}

/** The loaded candidate and what its golden answers show, or the gates that it failed. */
async function openCandidate(
  open: Open,
  candidate: VersionRecord,
  { parity: mode, parityTolerance: tolerance }: GatePolicy,
): Promise<{ readonly side: Side; readonly parity: GateResult } | { readonly failed: readonly GateResult[] }> {
  const policy = { ...(mode === undefined ? {} : { mode }), ...(tolerance === undefined ? {} : { tolerance }) };
  try {
    const side = await open(candidate, policy);
    const { residency } = side.keep.parts;
    return { side, parity: await residency.parityOf(await residency.ensure(candidate)) };
  } catch (thrown) {
    const { code, details } = asModelkeepError(thrown);
    if (code !== 'GATE_FAILED' || !Array.isArray(details['gates'])) throw thrown;
    return { failed: details['gates'] as readonly GateResult[] };
  }
}

interface QualityParts {
  readonly set: EvaluationSet;
  readonly side: Side;
  readonly before: Side | undefined;
}

async function quality(
  options: OpenGatesOptions,
  { policy, signal }: GateRequest,
  { set, side, before }: QualityParts,
): Promise<GateResult> {
  const measure = (one: Side): Promise<Evaluation> =>
    evaluate(one.model, set.rows, {
      inFlight: IN_FLIGHT,
      onProgress: (examples) => options.onProgress?.(versionName(one.record), examples, set.rows.length),
      ...(signal === undefined ? {} : { signal }),
    });
  const old = before === undefined ? undefined : await measure(before);
  let now: Evaluation;
  try {
    now = await measure(side);
  } catch (thrown) {
    // The set has right answers that the candidate can never give: another task, or other labels.
    const { code, message } = asModelkeepError(thrown);
    if (code !== 'INVALID_INPUT') throw thrown;
    return { gate: 'quality', outcome: 'failed', summary: `the evaluation set of version ${set.version}: ${message}` };
  }
  return old === undefined ? alone(now, set) : compared(old, now, { set, side, before, maxDrop: policy.maxDrop });
}

function alone(now: Evaluation, set: EvaluationSet): GateResult {
  const { figure } = evaluationOf(now.task);
  const after = now.figures[figure] ?? Number.NaN;
  const summary = `${figure} ${after.toFixed(3)} on ${now.examples} examples of version ${set.version}; nothing serves yet to compare with`;
  return { gate: 'quality', outcome: 'passed', summary, figures: { after, examples: now.examples } };
}

async function compared(
  old: Evaluation,
  now: Evaluation,
  { set, side, maxDrop = DEFAULT_MAX_DROP }: QualityParts & { readonly maxDrop: number | undefined },
): Promise<GateResult> {
  const evaluation = evaluationOf(now.task);
  if (old.task !== now.task) {
    const summary = `${versionName(now.record)} does ${now.task}, and ${versionName(old.record)} ${old.task}`;
    return { gate: 'quality', outcome: 'failed', summary };
  }
  const { figure } = evaluation;
  const { [figure]: before = Number.NaN } = old.figures;
  const { [figure]: after = Number.NaN } = now.figures;
  const drop = before - after;
  // One example of n is 1/n: what is equal on paper must not fail by a rounding error.
  const outcome = drop <= maxDrop + 1e-12 ? 'passed' : 'failed';
  const { pValue } = evaluation.compare(old.outcomes, now.outcomes);
  const change = drop > 0 ? `a drop of ${drop.toFixed(3)}, ${maxDrop} is allowed` : 'no drop';
  const summary = `${figure} ${before.toFixed(3)} -> ${after.toFixed(3)} on ${now.examples} examples of version ${set.version}: ${change}`;
  return {
    gate: 'quality',
    outcome,
    summary,
    figures: { before, after, maxDrop, examples: now.examples, pValue },
    examples: outcome === 'failed' ? await worstOf(old, now, set, side) : [],
  };
}

/** The examples that lost most, with what the candidate says now. */
async function worstOf(
  old: Evaluation,
  now: Evaluation,
  { rows }: EvaluationSet,
  { model }: Side,
): Promise<readonly GateExample[]> {
  const evaluation = evaluationOf(now.task);
  const lost = now.outcomes
    .map((outcome, at) => ({ at, loss: evaluation.loss(outcome) - evaluation.loss(old.outcomes[at]) }))
    .filter(({ loss }) => loss > 0)
    .toSorted((a, b) => b.loss - a.loss || a.at - b.at)
    .slice(0, MAX_GATE_EXAMPLES);
  const examples: GateExample[] = [];
  for (const { at } of lost) {
    const { inputs, parameters, expected } = evaluation.example(rows[at] ?? {});
    const output = await model.predict(inputs, parameters === undefined ? {} : { parameters });
    examples.push({
      place: at + 1,
      input: gateText(inputs),
      expected: gateText(isPlain(expected) ? expected : (rows[at]?.['entities'] ?? rows[at]?.['tags'] ?? '')),
      given: gateText(output),
    });
  }
  return examples;
}

/** Some tasks keep right answers in a form that is not for reading. */
function isPlain(value: unknown): boolean {
  return typeof value !== 'object' || Array.isArray(value);
}

/** What latency and memory are measured with. @throws ModelkeepError `GATE_FAILED` if no version carries any example */
function requestsOf(
  candidate: VersionRecord,
  set: EvaluationSet | undefined,
  golden: readonly DataRow[] | undefined,
): readonly TaskRequest[] {
  const evaluation = set === undefined ? undefined : evaluationOf(candidate.task);
  if (evaluation !== undefined && set !== undefined)
    return set.rows.map((row) => {
      const { inputs, parameters } = evaluation.example(row);
      return { inputs, ...(parameters === undefined ? {} : { parameters }) };
    });
  if (golden !== undefined) return golden.map((row) => goldenExample(candidate.task, row).request);
  throw new ModelkeepError(
    'GATE_FAILED',
    `The gates of latency and memory have no examples to measure ${versionName(candidate)} with: publish it with --eval or --golden`,
  );
}
