import { ModelkeepError } from '../core/index.js';
import { rowOf, type DataRow } from './rows.js';

/**
 * Rows of JSON lines; empty lines are passed over.
 *
 * @throws ModelkeepError `INVALID_INPUT` naming the line that is no JSON object
 */
export function jsonRows(text: string): { readonly line: number; readonly row: DataRow }[] {
  return text.split('\n').flatMap((each, at) => {
    if (each.trim() === '') return [];
    const line = at + 1;
    try {
      return [{ line, row: rowOf(JSON.parse(each) as unknown) }];
    } catch (error) {
      throw new ModelkeepError('INVALID_INPUT', `Line ${line} is no JSON object: ${(error as Error).message}`, {
        cause: error,
      });
    }
  });
}
