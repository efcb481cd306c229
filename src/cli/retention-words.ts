import type { RetentionRules } from '../app/index.js';
import { formatDuration } from './duration.js';

/** Retention rules in words: `keep last 5, younger than 30d`. */
export function describeRules({ keepLast, keepAliased, keepYoungerThanMs }: RetentionRules): string {
  const parts = [
    ...(keepLast === undefined ? [] : [`last ${keepLast}`]),
    ...(keepAliased === true ? ['aliased now or before'] : []),
    ...(keepYoungerThanMs === undefined ? [] : [`younger than ${formatDuration(keepYoungerThanMs)}`]),
  ];
  return parts.length === 0 ? 'none, everything is kept' : `keep ${parts.join(', ')}`;
}
