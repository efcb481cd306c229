/** What checks a version before it answers for an alias. */
export type GateName = 'parity' | 'quality' | 'latency' | 'memory';

/** What a gate found; kept in the history. */
export interface GateResult {
  readonly gate: GateName;
  readonly outcome: 'passed' | 'failed' | 'skipped';
  /** What was found, with its figures, in a sentence. */
  readonly summary: string;
  /** The figures by name. */
  readonly figures?: Readonly<Record<string, number>>;
  /** The worst examples, at most {@link MAX_GATE_EXAMPLES}. */
  readonly examples?: readonly GateExample[];
}

/** An example that a version answered wrongly. Texts are cut to {@link MAX_GATE_TEXT} characters. */
export interface GateExample {
  /** Its place in the golden examples or the evaluation set, from 1. */
  readonly place: number;
  readonly input: string;
  readonly expected: string;
  readonly given: string;
}

/** Most examples that a result keeps. */
export const MAX_GATE_EXAMPLES = 10;
/** Longest text of an example in a result, in characters. */
export const MAX_GATE_TEXT = 200;

/** A value as one short line for a {@link GateExample}. */
export function gateText(value: unknown): string {
  const text = (typeof value === 'string' ? value : (JSON.stringify(value) ?? String(value))).replaceAll(/\s+/g, ' ');
  return text.length > MAX_GATE_TEXT ? `${text.slice(0, MAX_GATE_TEXT - 1)}…` : text;
}
