import { ModelkeepError, type Abortable } from '../../core/index.js';
import type { SessionPlan } from '../../formats/index.js';
import { runChildJob } from './child-job.js';

/** How the runtime names an operator that it does not have: of a domain of its own list, and of any other. */
const UNKNOWN_OPERATOR = [
  /No Op registered for (?<op>\S+) with domain_version of (?<opset>\d+)/,
  /(?:Fatal error: )?(?<domain>[\w.]+):(?<op>\w+)\([-\d]+\) is not a registered function\/op/,
  /Could not find an implementation for (?<op>\w+)\((?<opset>\d+)\)/,
];
/** The domain in the runtime's description of a node: `("name", Op, "domain", -1)`. */
const NODE_DOMAIN = /In Node, \("[^"]*", \S+, "(?<domain>[^"]*)", /;
const NEWER_OPSET =
  /Opset (?<opset>\d+) is under development[^]*support for domain (?<domain>\S+) is till opset (?<most>\d+)/;

/** What a process that opened or ran a graph says of its end: in words that name operator, domain and opset. */
export function explained(path: string, error: unknown, late?: { readonly late: boolean; readonly limitMs: number }) {
  if (late?.late === true) {
    return new ModelkeepError(
      'INVALID_ARTIFACT',
      `${path} takes longer than ${late.limitMs / 1_000} s on a few short texts. Export the model again`,
      { cause: error },
    );
  }
  const failed = error instanceof ModelkeepError && error.code === 'LOAD_FAILED';
  return failed ? inWords(path, error.message) : error;
}

/** The runtime's words as an error that names operator, domain and opset. */
function inWords(path: string, words: string): ModelkeepError {
  const opset = NEWER_OPSET.exec(words)?.groups;
  if (opset !== undefined) {
    return new ModelkeepError(
      'UNSUPPORTED_FORMAT',
      `${path} has opset ${opset['opset']} of the domain ${opset['domain']}; supported is at most ${opset['most']}. ` +
        'Export it with an older opset',
    );
  }
  const found = UNKNOWN_OPERATOR.map((pattern) => pattern.exec(words)?.groups).find((groups) => groups !== undefined);
  if (found !== undefined) {
    const domain = found['domain'] ?? NODE_DOMAIN.exec(words)?.groups?.['domain'] ?? '';
    const of = found['opset'] === undefined ? '' : ` in opset ${found['opset']}`;
    return new ModelkeepError(
      'UNSUPPORTED_FORMAT',
      `${path} uses the operator ${found['op']} of the domain "${domain === '' ? 'ai.onnx' : domain}", which the ` +
        `runtime does not have${of}. Export the model with operators that it has`,
    );
  }
  return new ModelkeepError('INVALID_ARTIFACT', `${path} is refused by the runtime: ${words}. Export the model again`);
}

/**
 * Has the runtime open a graph, in a process of its own that ends afterwards: what it cannot load is met here and not at
 * the first request. Nothing of the model is run, and its weights are mapped, not read.
 *
 * @param path names the file in errors
 * @throws ModelkeepError `UNSUPPORTED_FORMAT` naming the operator and its domain, or the opset, that the runtime does not
 * have; `INVALID_ARTIFACT` with the runtime's words for anything else
 */
export async function checkGraph(path: string, plan: SessionPlan, options: Abortable = {}): Promise<void> {
  const { graph, externalDataFolder } = plan;
  const input = Buffer.concat([Buffer.from(`${JSON.stringify({ externalDataFolder })}\n`), graph]);
  const what = { doer: 'The process that opened the graph', consequence: `${path} cannot be served` };
  try {
    await runChildJob('check', input, what, options);
  } catch (error) {
    throw explained(path, error);
  }
}
