import {
  DEFAULT_PARITY_TOLERANCE,
  errorFromJson,
  GOLDEN_FILE,
  gateText,
  MAX_GATE_EXAMPLES,
  ModelkeepError,
  throwIfAborted,
  versionName,
  type GateExample,
  type GateResult,
} from '../core/index.js';
import { openSegmentFiles } from '../formats/index.js';
import { goldenDifference, goldenExample, jsonRows, type GoldenExample } from '../tasks/index.js';
import type { Resident } from './resident.js';

/** Which golden answers a version must give before it answers anybody. */
export interface ParityPolicy {
  /** `on`: a version without golden examples is refused too; `off`: nothing is asked. @defaultValue asked where there are some */
  readonly mode?: 'on' | 'off';
  /** Largest difference of a number. @defaultValue 0.001 */
  readonly tolerance?: number;
}

/** How far the golden answers of a version are from those that this node computed. */
interface Proof {
  /** One for each example. */
  readonly differences: readonly number[];
  /** The farthest ones first. */
  readonly worst: readonly GateExample[];
}

/** Golden examples that one call of a runner answers. */
const EXAMPLES_A_CALL = 32;

/** Recomputes golden answers on this node, once for each load of a version, and holds versions to them. */
export class Parity {
  readonly #segmentsFolder: string;
  readonly #proofs = new WeakMap<Resident, Promise<Proof | undefined>>();

  /** @param segmentsFolder absolute folder of the segments */
  constructor(segmentsFolder: string) {
    this.#segmentsFolder = segmentsFolder;
  }

  /** Forgets what an earlier load of a version has shown. */
  forget(resident: Resident): void {
    this.#proofs.delete(resident);
  }

  /**
   * Holds a version that runners hold to its golden answers.
   *
   * @throws ModelkeepError `GATE_FAILED` with `details.gates`; what a runner says if it cannot be asked
   */
  async check(resident: Resident, policy: ParityPolicy, signal?: AbortSignal): Promise<void> {
    const result = await this.result(resident, policy, signal);
    if (result.outcome !== 'failed') return;
    const { model, version } = resident.record;
    throw new ModelkeepError(
      'GATE_FAILED',
      `${versionName(resident.record)} does not give its golden answers on this node: ${result.summary}`,
      { details: { model, version, gates: [result] } },
    );
  }

  /** What the gate finds. @throws ModelkeepError what a runner says if it cannot be asked */
  async result(resident: Resident, policy: ParityPolicy, signal?: AbortSignal): Promise<GateResult> {
    if (policy.mode === 'off') return { gate: 'parity', outcome: 'skipped', summary: 'switched off' };
    let proof = this.#proofs.get(resident);
    if (proof === undefined) {
      proof = prove(resident, this.#segmentsFolder, signal);
      this.#proofs.set(resident, proof);
      // What could not be computed says nothing: the next one tries again.
      proof.catch(() => this.#proofs.delete(resident));
    }
    return judge(await proof, policy);
  }
}

function judge(proof: Proof | undefined, { mode, tolerance = DEFAULT_PARITY_TOLERANCE }: ParityPolicy): GateResult {
  if (proof === undefined) {
    const summary = 'the version has no golden examples: publish it with --golden';
    return { gate: 'parity', outcome: mode === 'on' ? 'failed' : 'skipped', summary };
  }
  const { differences, worst } = proof;
  const failed = differences.filter((difference) => difference > tolerance).length;
  const largest = differences.reduce((most, each) => Math.max(most, each), 0);
  const figures = {
    examples: differences.length,
    failed,
    ...(Number.isFinite(largest) ? { largestDifference: largest } : {}),
  };
  if (failed === 0) {
    const summary = `${differences.length} golden answers recomputed, largest difference ${largest.toPrecision(2)}`;
    return { gate: 'parity', outcome: 'passed', summary, figures };
  }
  const by = Number.isFinite(largest)
    ? `by up to ${largest.toPrecision(2)}, ${tolerance} is allowed`
    : 'in what they say';
  const summary = `${failed} of ${differences.length} golden answers differ ${by}`;
  return { gate: 'parity', outcome: 'failed', summary, figures, examples: worst.slice(0, failed) };
}

/** Computes the golden answers; undefined if the version has none. */
async function prove(
  resident: Resident,
  segmentsFolder: string,
  signal: AbortSignal | undefined,
): Promise<Proof | undefined> {
  const { manifest } = resident;
  const files = manifest === undefined ? undefined : openSegmentFiles(manifest, segmentsFolder);
  if (files === undefined || files.size(GOLDEN_FILE) === undefined) return undefined;
  const text = (await files.read(GOLDEN_FILE)).toString('utf8');
  const examples = jsonRows(text).map(({ row }) => goldenExample(manifest?.task, row));
  const found: { readonly difference: number; readonly example: GateExample }[] = [];
  for (let at = 0; at < examples.length; at += EXAMPLES_A_CALL) {
    throwIfAborted(signal);
    const part = examples.slice(at, at + EXAMPLES_A_CALL);
    const given = await answersOf(resident, part);
    part.forEach(({ request, expected }, i) => {
      const answer = given[i];
      const example = {
        place: at + i + 1,
        input: gateText(request.inputs),
        expected: gateText(expected),
        given: gateText(answer),
      };
      found.push({ difference: goldenDifference(expected, answer), example });
    });
  }
  const worst = found.toSorted((a, b) => b.difference - a.difference || a.example.place - b.example.place);
  return {
    differences: found.map(({ difference }) => difference),
    worst: worst.slice(0, MAX_GATE_EXAMPLES).map(({ example }) => example),
  };
}

/** What a runner answers; in the place of an answer that failed, what it says. */
async function answersOf(
  { runners, record }: Resident,
  examples: readonly GoldenExample[],
): Promise<readonly unknown[]> {
  const runner = [...runners].find(({ alive }) => alive);
  if (runner === undefined)
    throw new ModelkeepError('RUNNER_CRASHED', `No runner holds ${versionName(record)} any more: try again`);
  const requests = examples.map(({ request }) => request);
  const { result } = await runner.call('predict', { op: 'predict', key: record.id, requests });
  return result.answers.map((answer) => ('error' in answer ? errorFromJson(answer.error).message : answer.output));
}
