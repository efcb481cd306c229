import { ModelkeepError } from '../core/index.js';

/**
 * Refuses numbers that no JSON holds: on the way to a runner they would become null, which means something else to a
 * task. gRPC can send them, JSON too (as 1e400), and a library's caller.
 *
 * @throws ModelkeepError `INVALID_INPUT` naming the parameter
 */
export function checkParameters(parameters: unknown, path = 'parameters'): void {
  if (typeof parameters === 'number' && !Number.isFinite(parameters)) {
    throw new ModelkeepError('INVALID_INPUT', `${path} is ${parameters}: give a finite number`, {
      details: { field: path },
    });
  }
  if (typeof parameters !== 'object' || parameters === null) return;
  for (const [name, value] of Object.entries(parameters)) checkParameters(value, `${path}.${name.slice(0, 100)}`);
}
