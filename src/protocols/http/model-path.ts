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
  const versioned = rest.length > 2 && rest.at(-2) === 'versions';
  const name = (versioned ? rest.slice(0, -2) : rest).join('/');
  const reference = withVersion(name, versioned ? rest.at(-1) : undefined);
  parseReference(reference);
  return { reference, action };
}
