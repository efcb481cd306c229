import { isSafeGlobal } from '../joblib/safe-globals.js';
import type { PickleReport } from '../joblib/scan.js';
import { noSkops, readSkopsArchive, SCHEMA_ENTRY } from './archive.js';

/** What a walk through a schema found. */
interface SchemaFacts {
  readonly types: Set<string>;
  /** Names of entries that hold arrays. */
  readonly files: Set<string>;
  sklearn?: string;
}

type Fields = Readonly<Record<string, unknown>>;

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The text that a node of a constant holds as JSON. */
function textOf(node: unknown): string | undefined {
  if (!isFields(node) || node['__loader__'] !== 'JsonNode' || typeof node['content'] !== 'string') return undefined;
  return /^"([\w.+-]{1,50})"$/.exec(node['content'])?.[1];
}

/** Goes through all nodes, without recursion: the nesting is the publisher's. */
function walk(schema: Fields): SchemaFacts {
  const facts: SchemaFacts = { types: new Set(), files: new Set() };
  const left: unknown[] = [schema];
  while (left.length > 0) {
    const value = left.pop();
    if (Array.isArray(value)) {
      for (const one of value as readonly unknown[]) left.push(one);
      continue;
    }
    if (!isFields(value)) continue;
    note(value, facts);
    for (const one of Object.values(value)) left.push(one);
  }
  return facts;
}

function note(value: Fields, facts: SchemaFacts): void {
  const { __class__: name, __module__: module, __loader__: loader, file } = value;
  if (typeof name === 'string' && typeof module === 'string') facts.types.add(`${module}.${name}`);
  if (typeof loader === 'string' && typeof file === 'string') facts.files.add(file);
  // Protocol 0 names functions so.
  const { module_path: path, function: called } = value;
  if (typeof path === 'string' && typeof called === 'string') facts.types.add(`${path}.${called}`);
  const release = textOf(value['_sklearn_version']);
  if (release !== undefined) facts.sklearn ??= release;
}

function parseSchema(text: string, name: string): Fields {
  let schema: unknown;
  try {
    schema = JSON.parse(text);
  } catch (error) {
    throw noSkops(name, `its ${SCHEMA_ENTRY} is no JSON: ${(error as Error).message}`, error);
  }
  const isSchema =
    isFields(schema) &&
    ['__class__', '__module__', '__loader__'].every((key) => typeof schema[key] === 'string') &&
    Number.isInteger(schema['protocol']);
  if (!isSchema) throw noSkops(name, `its ${SCHEMA_ENTRY} lacks __class__, __module__, __loader__ or protocol`);
  return schema as Fields;
}

/**
 * Reads which types a skops file names, without loading any of it.
 *
 * @param path the file on this machine
 * @param name its name, for messages
 * @throws ModelkeepError `INVALID_ARTIFACT` as `readSkopsArchive`, for a schema that is none, and for arrays that the
 * schema names and the archive lacks
 */
export async function scanSkops(path: string, name: string): Promise<PickleReport> {
  const { names, schema: text, stored } = await readSkopsArchive(path, name);
  const compression = stored ? 'none' : 'zip';
  if (text === undefined) {
    const incompleteWhy = `its ${SCHEMA_ENTRY} is compressed in a way that is unpacked in the Python runner only`;
    return { globals: [], unsafeGlobals: [], complete: false, incompleteWhy, compression };
  }
  const schema = parseSchema(text, name);
  const { types, files, sklearn } = walk(schema);
  const missing = [...files].find((file) => !names.has(file));
  if (missing !== undefined) throw noSkops(name, `its entry ${JSON.stringify(missing.slice(0, 200))} is missing`);
  const globals = [...types].toSorted();
  const { _skops_version: skops } = schema;
  return {
    globals,
    unsafeGlobals: globals.filter((one) => !isSafeGlobal(one)),
    complete: true,
    compression,
    ...(sklearn === undefined ? {} : { sklearn }),
    ...(typeof skops === 'string' && /^[\w.+-]{1,50}$/.test(skops) ? { skops } : {}),
  };
}
