import { ModelkeepError } from './errors.js';

/** What a field is compared with. */
export type WhereValue = string | number | boolean | null | Date;

/** How a field is compared. `contains` looks for a text, whatever its case. */
export type WhereOperator = '=' | '!=' | '>' | '>=' | '<' | '<=' | 'contains';

/** A condition on versions, parsed: see `docs/metadata.md` for the grammar. */
export type Where =
  | { readonly kind: 'and' | 'or'; readonly parts: readonly Where[] }
  | { readonly kind: 'not'; readonly part: Where }
  | { readonly kind: 'exists'; readonly field: WhereField }
  | { readonly kind: 'in'; readonly field: WhereField; readonly values: readonly WhereValue[] }
  | {
      readonly kind: 'compare';
      readonly field: WhereField;
      readonly operator: WhereOperator;
      readonly value: WhereValue;
    };

/** A field: one of a version's own, or a path into its metadata or annotations; `text` is all of its texts. */
export interface WhereField {
  readonly root: keyof typeof ROOTS;
  /** Keys below the root; empty for a field that is a value. */
  readonly path: readonly string[];
}

/** The type of each field's values. */
const ROOTS = Object.freeze({
  model: 'text',
  version: 'number',
  digest: 'text',
  format: 'text',
  task: 'text',
  size: 'number',
  state: 'text',
  published: 'date',
  by: 'text',
  message: 'text',
  parent: 'text',
  tag: 'text',
  text: 'text',
  metadata: 'any',
  annotations: 'any',
} as const);

/** Short for a path into the metadata that publishing fills in. */
const SHORT: Readonly<Record<string, readonly string[]>> = { training: ['training'], card: ['card'] };

/** Longest condition, in characters; most comparisons; deepest nesting. */
const MAX_LENGTH = 4_000;
const MAX_COMPARISONS = 100;
const MAX_DEPTH = 32;
const MAX_PATH = 16;

interface Token {
  readonly kind: 'word' | 'string' | 'symbol' | 'end';
  readonly text: string;
  readonly at: number;
}

const TOKEN =
  /\s*(?:(?<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?<symbol>>=|<=|!=|[=<>~(),])|(?<word>\.?[^\s=<>~(),"'!.]+(?:\.(?:"(?:[^"\\]|\\.)*"|[^\s=<>~(),"'!.]+))*\.?))/y;

function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  TOKEN.lastIndex = 0;
  const end = text.trimEnd().length;
  while (TOKEN.lastIndex < end) {
    const at = TOKEN.lastIndex;
    const groups = TOKEN.exec(text)?.groups;
    if (groups === undefined) throw malformed(text, at, 'cannot be read');
    const [kind, found] = Object.entries(groups).find(([, value]) => value !== undefined) ?? ['end', ''];
    tokens.push({ kind: kind as Token['kind'], text: found, at });
  }
  tokens.push({ kind: 'end', text: '', at: end });
  return tokens;
}

function malformed(text: string, at: number, why: string): ModelkeepError {
  const shown = text.slice(at, at + 40).trim();
  return new ModelkeepError(
    'INVALID_INPUT',
    `The condition ${shown === '' ? 'ends too early' : `at ${JSON.stringify(shown)} (character ${at + 1})`}: it ${why}. ` +
      'Write for example: metadata.epoch >= 3 and tag = prod',
  );
}

/** Reads one condition. */
class Parser {
  readonly #text: string;
  readonly #tokens: readonly Token[];
  #next = 0;
  #comparisons = 0;

  constructor(text: string) {
    this.#text = text;
    this.#tokens = tokensOf(text);
  }

  parse(): Where {
    const where = this.#or(0);
    if (this.#peek().kind !== 'end') throw this.#error('has something behind its end');
    return where;
  }

  #peek(): Token {
    return this.#tokens[this.#next] ?? { kind: 'end', text: '', at: this.#text.length };
  }

  #error(why: string): ModelkeepError {
    return malformed(this.#text, this.#peek().at, why);
  }

  /** Takes the next token if it is that word or symbol. */
  #take(text: string): boolean {
    const { kind, text: found } = this.#peek();
    if (kind === 'string' || found.toLowerCase() !== text) return false;
    this.#next += 1;
    return true;
  }

  #expect(symbol: string): void {
    if (!this.#take(symbol)) throw this.#error(`needs "${symbol}" here`);
  }

  #or(depth: number): Where {
    if (depth > MAX_DEPTH) throw this.#error(`is nested more than ${MAX_DEPTH} deep`);
    const parts = [this.#and(depth)];
    while (this.#take('or')) parts.push(this.#and(depth));
    return parts.length === 1 && parts[0] !== undefined ? parts[0] : { kind: 'or', parts };
  }

  #and(depth: number): Where {
    const parts = [this.#not(depth)];
    while (this.#take('and')) parts.push(this.#not(depth));
    return parts.length === 1 && parts[0] !== undefined ? parts[0] : { kind: 'and', parts };
  }

  #not(depth: number): Where {
    if (depth > MAX_DEPTH) throw this.#error(`is nested more than ${MAX_DEPTH} deep`);
    if (this.#take('not')) return { kind: 'not', part: this.#not(depth + 1) };
    if (!this.#take('(')) return this.#comparison();
    const inner = this.#or(depth + 1);
    this.#expect(')');
    return inner;
  }

  #comparison(): Where {
    this.#comparisons += 1;
    if (this.#comparisons > MAX_COMPARISONS) throw this.#error(`has more than ${MAX_COMPARISONS} comparisons`);
    const field = this.#field();
    if (this.#take('exists')) return { kind: 'exists', field };
    if (this.#take('in')) return { kind: 'in', field, values: this.#values(field) };
    const operator = (['>=', '<=', '!=', '=', '>', '<', '~'] as const).find((symbol) => this.#take(symbol));
    if (operator === undefined) throw this.#error('needs =, !=, >, >=, <, <=, ~, in or exists behind a field');
    const value = this.#value(operator === '~' ? { ...field, root: 'message' } : field);
    if (field.root === 'text' && operator !== '~') throw this.#error('can only look into "text" with ~');
    return { kind: 'compare', field, operator: operator === '~' ? 'contains' : operator, value };
  }

  #values(field: WhereField): WhereValue[] {
    this.#expect('(');
    const values = [this.#value(field)];
    while (this.#take(',')) values.push(this.#value(field));
    this.#expect(')');
    return values;
  }

  #field(): WhereField {
    const { kind, text } = this.#peek();
    if (kind !== 'word') throw this.#error('needs a field here');
    const [head = '', ...rest] = partsOf(text);
    const short = Object.hasOwn(SHORT, head) ? SHORT[head] : undefined;
    const path = [...(short ?? []), ...rest];
    const root = short === undefined ? head : 'metadata';
    if (!isRoot(root)) throw this.#error(`has no such field; fields are ${Object.keys(ROOTS).join(', ')}`);
    const wantsPath = ROOTS[root] === 'any';
    if (wantsPath !== path.length > 0 || path.length > MAX_PATH || path.some((part) => !isSafePart(part))) {
      throw this.#error(wantsPath ? `needs keys behind ${root}, such as ${root}.epoch` : `has keys behind ${root}`);
    }
    this.#next += 1;
    return { root, path };
  }

  #value({ root }: WhereField): WhereValue {
    const { kind, text } = this.#peek();
    if (kind !== 'word' && kind !== 'string') throw this.#error('needs a value here');
    const type = ROOTS[root];
    const value = kind === 'string' ? unquote(text) : text;
    const read = type === 'text' || kind === 'string' ? value : literal(value);
    if (type === 'number' && typeof read !== 'number') throw this.#error(`needs a number for ${root}`);
    const date = type === 'date' ? new Date(value) : undefined;
    if (date !== undefined && Number.isNaN(date.getTime()))
      throw this.#error(`needs a date for ${root}, such as 2026-01-31`);
    this.#next += 1;
    return date ?? read;
  }
}

function isRoot(name: string): name is keyof typeof ROOTS {
  return Object.hasOwn(ROOTS, name);
}

/** A part that a database can only take for a name. */
function isSafePart(part: string): boolean {
  return part !== '' && !part.startsWith('$') && !part.includes('.') && !part.includes('\0') && part.length <= 200;
}

function unquote(text: string): string {
  return text.slice(1, -1).replaceAll(/\\(.)/g, '$1');
}

/** `metadata."learning rate".x` in its parts. */
function partsOf(text: string): string[] {
  return (text.match(/"(?:[^"\\]|\\.)*"|[^."]+|(?<=\.)$/g) ?? []).map((part) =>
    part.startsWith('"') ? unquote(part) : part,
  );
}

function literal(word: string): WhereValue {
  if (word === 'true' || word === 'false') return word === 'true';
  if (word === 'null') return null;
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(word) ? Number(word) : word;
}

/**
 * Parses a condition such as `metadata.epoch >= 3 and tag = prod`.
 *
 * @throws ModelkeepError `INVALID_INPUT` saying where and why it cannot be read
 */
export function parseWhere(text: string): Where {
  if (text.length > MAX_LENGTH) {
    throw new ModelkeepError('INVALID_INPUT', `The condition has ${text.length} characters, at most ${MAX_LENGTH}`);
  }
  return new Parser(text).parse();
}
