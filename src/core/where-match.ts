import type { VersionRecord } from './version.js';
import type { Where, WhereField, WhereOperator, WhereValue } from './where.js';

/** True if a version meets a condition. */
export function matchesWhere(record: VersionRecord, where: Where): boolean {
  switch (where.kind) {
    case 'and':
      return where.parts.every((part) => matchesWhere(record, part));
    case 'or':
      return where.parts.some((part) => matchesWhere(record, part));
    case 'not':
      return !matchesWhere(record, where.part);
    case 'exists':
      return valuesOf(record, where.field).length > 0;
    case 'in':
      return where.values.some((value) => isEqual(valuesOf(record, where.field), value));
    case 'compare':
      return compares(valuesOf(record, where.field), where.operator, where.value);
  }
}

function compares(values: readonly unknown[], operator: WhereOperator, wanted: WhereValue): boolean {
  switch (operator) {
    case '=':
      return isEqual(values, wanted);
    case '!=':
      return !isEqual(values, wanted);
    case 'contains': {
      const text = String(wanted).toLowerCase();
      return values.some((value) => typeof value === 'string' && value.toLowerCase().includes(text));
    }
    case '>':
      return values.some((value) => order(value, wanted, (difference) => difference > 0));
    case '>=':
      return values.some((value) => order(value, wanted, (difference) => difference >= 0));
    case '<':
      return values.some((value) => order(value, wanted, (difference) => difference < 0));
    case '<=':
      return values.some((value) => order(value, wanted, (difference) => difference <= 0));
  }
}

/** What is not there is equal to `null`. */
function isEqual(values: readonly unknown[], wanted: WhereValue): boolean {
  if (wanted === null) return values.length === 0 || values.includes(null);
  return values.some((value) => order(value, wanted, (difference) => difference === 0));
}

/** Compares values of one type; those of different types have no order. */
function order(value: unknown, wanted: WhereValue, holds: (difference: number) => boolean): boolean {
  if (value instanceof Date && wanted instanceof Date) return holds(value.getTime() - wanted.getTime());
  if (typeof value === 'number' && typeof wanted === 'number') return holds(value - wanted);
  if (typeof value === 'boolean' && typeof wanted === 'boolean') return holds(Number(value) - Number(wanted));
  if (typeof value === 'string' && typeof wanted === 'string')
    return holds(value < wanted ? -1 : Number(value > wanted));
  return false;
}

/** The values of a field: several where it is, or leads through, a list. */
function valuesOf(record: VersionRecord, { root, path }: WhereField): readonly unknown[] {
  if (root === 'metadata' || root === 'annotations') return valuesAt(record[root] ?? {}, path);
  if (root === 'published') return [record.publishedAt];
  if (root === 'by') return given(record.publishedBy);
  if (root === 'tag') return record.tags ?? [];
  if (root === 'text') {
    return textsOf([record.model, record.message, record.tags, record.metadata, record.annotations]);
  }
  return given(record[root]);
}

function given(value: unknown): readonly unknown[] {
  return value === undefined ? [] : [value];
}

function valuesAt(value: unknown, path: readonly string[]): readonly unknown[] {
  const [head, ...rest] = path;
  if (head === undefined) return Array.isArray(value) ? [...(value as unknown[])] : given(value);
  if (Array.isArray(value)) {
    const list = value as readonly unknown[];
    const at = /^\d+$/.test(head) ? valuesAt(list[Number(head)], rest) : [];
    return [...at, ...list.flatMap((one) => (Array.isArray(one) ? [] : valuesAt(one, path)))];
  }
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, head)) return [];
  return valuesAt((value as Readonly<Record<string, unknown>>)[head], rest);
}

/** All texts in a value. */
function textsOf(value: unknown): readonly string[] {
  if (typeof value === 'string') return [value];
  if (typeof value !== 'object' || value === null) return [];
  return Object.values(value).flatMap(textsOf);
}
