import { MAX_VERSION, ModelkeepError, parseReference } from '../../core/index.js';

/** What a path below `/v2/models/` asks for. */
export interface ModelPath {
  /** The reference's text. */
  readonly reference: string;
  readonly action: 'describe' | 'ready' | 'infer';
}

/** Joins the name of a path with its version segment: a number, or an alias. */
function withVersion(name: string, version: string | undefined): string {
  if (version === undefined) return name;
  const { model, selector } = parseReference(name);
  if (selector.kind !== 'latest') {
    throw new ModelkeepError('INVALID_REFERENCE', `The path names a version twice: "${name}" and "${version}"`);
  }
  const isNumber = /^[0-9]+$/.test(version) && Number(version) <= MAX_VERSION;
  return isNumber ? `${model}:${version}` : `${model}@${version}`;
}

/** What a path below `/v2/repository/models/` asks for. */
export interface RepositoryPath {
  /** The reference's text. */
  readonly reference: string;
  readonly action: 'load' | 'unload';
}

/** Reads `NAME[/versions/V]`. */
function referenceOf(parts: readonly string[]): string {
  const versioned = parts.length > 2 && parts.at(-2) === 'versions';
  const name = (versioned ? parts.slice(0, -2) : parts).join('/');
  const reference = withVersion(name, versioned ? parts.at(-1) : undefined);
  parseReference(reference);
  return reference;
}

/**
 * Reads `NAME[/versions/V]/load|unload`.
 *
 * @throws ModelkeepError `INVALID_REFERENCE`; `INVALID_INPUT` for another action
 */
export function parseRepositoryPath(path: string): RepositoryPath {
  const parts = path.split('/');
  const action = parts.at(-1);
  if (parts.length > 1 && (action === 'load' || action === 'unload')) {
    return { reference: referenceOf(parts.slice(0, -1)), action };
  }
  throw new ModelkeepError('INVALID_INPUT', 'POST is for /v2/repository/models/NAME/load and …/unload');
}

/**
 * The reference of a model name and what stands beside it as its version: a number, an alias, or nothing.
 *
 * @throws ModelkeepError `INVALID_REFERENCE`
 */
export function referenceWithVersion(name: string, version: string): string {
  const reference = withVersion(name, version === '' ? undefined : version);
  parseReference(reference);
  return reference;
}

/**
 * Reads `NAME[/versions/V][/ready|/infer]`. Names may hold `/` (namespaces) and may be whole references.
 *
 * @throws ModelkeepError `INVALID_REFERENCE`
 */
export function parseModelPath(path: string): ModelPath {
  const parts = path.split('/');
  const last = parts.at(-1);
  const action = parts.length > 1 && (last === 'ready' || last === 'infer') ? last : 'describe';
  const rest = action === 'describe' ? parts : parts.slice(0, -1);
  return { reference: referenceOf(rest), action };
}
