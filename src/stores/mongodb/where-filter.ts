import type { Filter } from 'mongodb';
import type { Where, WhereField } from '../../core/index.js';
import type { StatusDocument } from './documents.js';

/** A part of a filter; `exact` is false if it lets through more than is meant. */
interface Compiled {
  readonly filter: Filter<StatusDocument>;
  readonly exact: boolean;
}

/** Lets everything through. */
const ANYTHING: Compiled = { filter: {}, exact: false };

/**
 * A filter that lets through at least what meets a condition. Field names come from a closed list or were checked by
 * the parser (no `$`, no `.` in a part), and values stand behind an operator, so that nothing of the condition is read
 * as one.
 */
export function whereFilter(where: Where): Filter<StatusDocument> {
  const { filter } = compile(where);
  // Beside other fields of a filter: a condition of its own could overwrite them.
  return Object.keys(filter).length === 0 ? {} : { $and: [filter] };
}

function compile(where: Where): Compiled {
  switch (where.kind) {
    case 'and': {
      const parts = where.parts.map(compile);
      const filters = parts.map(({ filter }) => filter).filter((filter) => Object.keys(filter).length > 0);
      const exact = parts.every((part) => part.exact);
      return filters.length === 0 ? ANYTHING : { filter: { $and: filters }, exact };
    }
    case 'or': {
      const parts = where.parts.map(compile);
      if (parts.some(({ filter }) => Object.keys(filter).length === 0)) return ANYTHING;
      return { filter: { $or: parts.map(({ filter }) => filter) }, exact: parts.every((part) => part.exact) };
    }
    case 'not': {
      // The opposite of too much would be too little.
      const { filter, exact } = compile(where.part);
      return exact ? { filter: { $nor: [filter] }, exact } : ANYTHING;
    }
    case 'exists':
    case 'in':
    case 'compare':
      return comparison(where);
  }
}

function comparison(where: Extract<Where, { readonly field: WhereField }>): Compiled {
  const name = nameOf(where.field);
  if (name === undefined) return ANYTHING;
  const holds = (condition: object): Compiled => ({
    filter: { [name]: condition },
    exact: true,
  });
  if (where.kind === 'exists') return { ...holds({ $exists: true }), exact: false };
  if (where.kind === 'in') return holds({ $in: where.values });
  const { operator, value } = where;
  switch (operator) {
    case '=':
      return holds({ $eq: value });
    case '!=':
      return holds({ $ne: value });
    case '>':
      return holds({ $gt: value });
    case '>=':
      return holds({ $gte: value });
    case '<':
      return holds({ $lt: value });
    case '<=':
      return holds({ $lte: value });
    case 'contains':
      return { ...holds({ $regex: escapeRegex(String(value)), $options: 'i' }), exact: false };
  }
}

const NAMES: Readonly<Partial<Record<WhereField['root'], string>>> = {
  model: 'model_name',
  version: 'version',
  digest: 'digest',
  format: 'format',
  task: 'task',
  size: 'size',
  state: 'state',
  by: 'published_by',
  message: 'message',
  parent: 'parent',
  tag: 'tags',
  metadata: 'metadata',
  annotations: 'annotations',
};

/** The field of a document; none for what only the record tells: texts anywhere, and the time that a script may lack. */
function nameOf({ root, path }: WhereField): string | undefined {
  const name = NAMES[root];
  return name === undefined ? undefined : [name, ...path].join('.');
}

function escapeRegex(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, String.raw`\$&`);
}
