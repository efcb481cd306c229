import { isUtf8 } from 'node:buffer';
import { ModelkeepError } from '../../core/index.js';

/** Deepest nesting of a body: far more than any tensor or task has, far less than what ends a stack. */
const MAX_DEPTH = 64;

/** The document in a body. @throws ModelkeepError `INVALID_INPUT` if it is empty, no UTF-8, no JSON, or nested too deep */
export function parseJsonBody(body: Buffer): unknown {
  if (body.length === 0) throw new ModelkeepError('INVALID_INPUT', 'The body is empty: send a JSON document');
  if (!isUtf8(body)) throw new ModelkeepError('INVALID_INPUT', 'The body is no UTF-8, in which JSON is written');
  const parsed = parse(body);
  if (!isDeeper(parsed, MAX_DEPTH)) return parsed;
  throw new ModelkeepError('INVALID_INPUT', `The body is nested more than ${MAX_DEPTH} deep`);
}

function parse(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch (error) {
    throw new ModelkeepError('INVALID_INPUT', `The body is not JSON: ${(error as Error).message}`, { cause: error });
  }
}

/** True if arrays and objects lie more than `levels` deep in one another. */
function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (levels === 0) return true;
  for (const one of Array.isArray(value) ? value : Object.values(value)) {
    if (typeof one === 'object' && isDeeper(one, levels - 1)) return true;
  }
  return false;
}
