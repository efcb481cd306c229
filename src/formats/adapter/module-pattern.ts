/** What a step of a program tests or does. */
type Instruction =
  | { readonly op: 'sign'; readonly test: (sign: string) => boolean }
  | { readonly op: 'place'; readonly test: (text: string, at: number) => boolean }
  | { readonly op: 'either'; readonly first: number; readonly second: number }
  | { readonly op: 'found' };

type Part =
  | { readonly kind: 'sign'; readonly test: (sign: string) => boolean }
  | { readonly kind: 'place'; readonly test: (text: string, at: number) => boolean }
  | { readonly kind: 'row'; readonly parts: readonly Part[] }
  | { readonly kind: 'choice'; readonly parts: readonly Part[] }
  | { readonly kind: 'repeat'; readonly part: Part; readonly least: number; readonly most: number };

/** A pattern of more signs, a deeper one, or one that becomes a longer program is not read. */
const MAX_SIGNS = 4_000;
const MAX_DEPTH = 40;
const MAX_PROGRAM = 20_000;

const isDigit = (sign: string): boolean => /^\d$/.test(sign);
const isWord = (sign: string): boolean => /^\w$/.test(sign);
const isSpace = (sign: string): boolean => /^\s$/.test(sign);
const not =
  (test: (sign: string) => boolean) =>
  (sign: string): boolean =>
    !test(sign);

const CLASSES: Readonly<Record<string, (sign: string) => boolean>> = {
  d: isDigit,
  D: not(isDigit),
  w: isWord,
  W: not(isWord),
  s: isSpace,
  S: not(isSpace),
};
const CONTROLS: Readonly<Record<string, string>> = { t: '\t', n: '\n', r: '\r', f: '\f', v: '\v', a: '\u0007' };

function isEdge(text: string, at: number): boolean {
  return isWord(text.charAt(at - 1)) !== isWord(text.charAt(at));
}

const PLACES: Readonly<Record<string, (text: string, at: number) => boolean>> = {
  A: (_text, at) => at === 0,
  Z: (text, at) => at === text.length,
  b: isEdge,
  B: (text, at) => !isEdge(text, at),
};

/** Thrown inside of this file alone: the pattern has something that is not read. */
class NotRead extends Error {}

/** Reads the regular expressions of Python that names of modules are matched with. */
class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  read(): Part {
    const part = this.#choice(0);
    if (this.#at < this.#text.length) throw new NotRead('a parenthesis too many');
    return part;
  }

  #choice(depth: number): Part {
    if (depth > MAX_DEPTH) throw new NotRead('too deep');
    const parts = [this.#row(depth)];
    while (this.#take('|')) parts.push(this.#row(depth));
    return parts.length === 1 ? (parts[0] as Part) : { kind: 'choice', parts };
  }

  #row(depth: number): Part {
    const parts: Part[] = [];
    while (this.#at < this.#text.length && !'|)'.includes(this.#text.charAt(this.#at)))
      parts.push(this.#repeated(this.#one(depth)));
    return { kind: 'row', parts };
  }

  #one(depth: number): Part {
    const sign = this.#text.charAt(this.#at++);
    if (sign === '(') return this.#group(depth);
    if (sign === '[') return { kind: 'sign', test: this.#set() };
    if (sign === '.') return { kind: 'sign', test: (one) => one !== '\n' };
    if (sign === '^') return { kind: 'place', test: (_text, at) => at === 0 };
    // Before a last line break, too.
    if (sign === '$') return { kind: 'place', test: (text, at) => at === text.length || text.slice(at) === '\n' };
    if (sign === '\\') return this.#escaped();
    if ('*+?'.includes(sign)) throw new NotRead('nothing to repeat');
    return { kind: 'sign', test: (one) => one === sign };
  }

  #group(depth: number): Part {
    if (this.#take('?')) {
      const isPlain = this.#take(':');
      if (!isPlain && !/^P<[A-Za-z_]\w*>/.test(this.#text.slice(this.#at))) throw new NotRead('a special group');
      if (!isPlain) this.#at = this.#text.indexOf('>', this.#at) + 1;
    }
    const part = this.#choice(depth + 1);
    if (!this.#take(')')) throw new NotRead('a parenthesis that is not closed');
    return part;
  }

  #escaped(): Part {
    const sign = this.#text.charAt(this.#at++);
    const place = Object.hasOwn(PLACES, sign) ? PLACES[sign] : undefined;
    if (place !== undefined) return { kind: 'place', test: place };
    return { kind: 'sign', test: testOfEscape(sign) };
  }

  #set(): (sign: string) => boolean {
    const isNegated = this.#take('^');
    const tests: ((sign: string) => boolean)[] = [];
    for (let first = true; first || this.#text.charAt(this.#at) !== ']'; first = false) {
      if (this.#at >= this.#text.length) throw new NotRead('a bracket that is not closed');
      tests.push(this.#range());
    }
    this.#at += 1;
    const isIn = (sign: string): boolean => tests.some((test) => test(sign));
    return isNegated ? not(isIn) : isIn;
  }

  #range(): (sign: string) => boolean {
    const from = this.#text.charAt(this.#at++);
    if (from === '\\') return testOfEscape(this.#text.charAt(this.#at++));
    const to = this.#text.charAt(this.#at + 1);
    if (this.#text.charAt(this.#at) !== '-' || to === ']' || to === '') return (sign) => sign === from;
    if (to === '\\' || to < from) throw new NotRead('a range');
    this.#at += 2;
    return (sign) => sign >= from && sign <= to;
  }

  #repeated(part: Part): Part {
    const [found = '', least, comma, most] = /^\{(\d*)(,?)(\d*)\}/.exec(this.#text.slice(this.#at)) ?? [];
    const isCounted = found !== '' && (least !== '' || comma !== '');
    const [from, to] = isCounted
      ? [Number(least), comma === '' ? Number(least) : most === '' ? Infinity : Number(most)]
      : this.#take('*')
        ? [0, Infinity]
        : this.#take('+')
          ? [1, Infinity]
          : this.#take('?')
            ? [0, 1]
            : [1, 1];
    if (isCounted) this.#at += found.length;
    if (from === 1 && to === 1 && !isCounted) return part;
    // How much a lazy one takes changes nothing: it is only asked whether there is a match.
    this.#take('?');
    if (/^(?:[*+?]|\{\d*,?\d*\})/.test(this.#text.slice(this.#at)) || from > to) throw new NotRead('a repetition');
    return { kind: 'repeat', part, least: from, most: to };
  }

  #take(sign: string): boolean {
    if (this.#text.charAt(this.#at) !== sign) return false;
    this.#at += 1;
    return true;
  }
}

function testOfEscape(sign: string): (sign: string) => boolean {
  const own = Object.hasOwn(CLASSES, sign) ? CLASSES[sign] : undefined;
  if (own !== undefined) return own;
  const control = Object.hasOwn(CONTROLS, sign) ? CONTROLS[sign] : undefined;
  if (control === undefined && (sign === '' || /[A-Za-z0-9]/.test(sign))) throw new NotRead('an escape');
  const wanted = control ?? sign;
  return (one) => one === wanted;
}

function write(program: Instruction[], part: Part): void {
  if (program.length > MAX_PROGRAM) throw new NotRead('too long');
  if (part.kind === 'sign') program.push({ op: 'sign', test: part.test });
  else if (part.kind === 'place') program.push({ op: 'place', test: part.test });
  else if (part.kind === 'row') for (const one of part.parts) write(program, one);
  else if (part.kind === 'choice') writeChoice(program, part.parts);
  else writeRepeat(program, part);
}

/** An instruction that is filled in when it is known where it leads. */
function reserve(program: Instruction[]): number {
  return program.push({ op: 'found' }) - 1;
}

function writeChoice(program: Instruction[], parts: readonly Part[]): void {
  const ends: number[] = [];
  for (const [index, part] of parts.entries()) {
    if (index === parts.length - 1) {
      write(program, part);
      break;
    }
    const fork = reserve(program);
    write(program, part);
    ends.push(reserve(program));
    program[fork] = { op: 'either', first: fork + 1, second: program.length };
  }
  for (const end of ends) program[end] = { op: 'either', first: program.length, second: program.length };
}

function writeRepeat(
  program: Instruction[],
  { part, least, most }: { readonly part: Part; readonly least: number; readonly most: number },
): void {
  if (least > MAX_PROGRAM || (most !== Infinity && most > MAX_PROGRAM)) throw new NotRead('too long');
  for (let count = 0; count < least; count++) write(program, part);
  if (most === Infinity) {
    const fork = reserve(program);
    write(program, part);
    program.push({ op: 'either', first: fork, second: fork });
    program[fork] = { op: 'either', first: fork + 1, second: program.length };
    return;
  }
  const forks: number[] = [];
  for (let count = least; count < most; count++) {
    forks.push(reserve(program));
    write(program, part);
  }
  for (const fork of forks) program[fork] = { op: 'either', first: fork + 1, second: program.length };
}

/**
 * A regular expression as Python's `re` reads it, matched from the beginning of a name as `re.match` does. Time grows
 * with the length of the name times that of the pattern, whatever either is.
 */
export class ModulePattern {
  readonly #program: readonly Instruction[];

  private constructor(program: readonly Instruction[]) {
    this.#program = program;
  }

  /** Undefined for what is no pattern, or has what is not read: looking ahead or back, references, flags. */
  static read(text: string): ModulePattern | undefined {
    if (text.length > MAX_SIGNS) return undefined;
    try {
      const program: Instruction[] = [];
      write(program, new Reader(text).read());
      if (program.length > MAX_PROGRAM) return undefined;
      program.push({ op: 'found' });
      return new ModulePattern(program);
    } catch (error) {
      if (error instanceof NotRead) return undefined;
      throw error;
    }
  }

  /** True if a beginning of the name matches. */
  matches(name: string): boolean {
    let states = new Set<number>();
    if (this.#follow(states, 0, name, 0)) return true;
    for (let at = 0; at < name.length && states.size > 0; at++) {
      const next = new Set<number>();
      for (const state of states) {
        const instruction = this.#program[state];
        if (instruction?.op !== 'sign' || !instruction.test(name.charAt(at))) continue;
        if (this.#follow(next, state + 1, name, at + 1)) return true;
      }
      states = next;
    }
    return false;
  }

  /** Adds what can be reached without a sign; true if that is the end. */
  #follow(states: Set<number>, from: number, name: string, at: number): boolean {
    const waiting = [from];
    for (let state = waiting.pop(); state !== undefined; state = waiting.pop()) {
      if (states.has(state)) continue;
      states.add(state);
      const instruction = this.#program[state];
      if (instruction?.op === 'found') return true;
      if (instruction?.op === 'either') waiting.push(instruction.second, instruction.first);
      if (instruction?.op === 'place' && instruction.test(name, at)) waiting.push(state + 1);
    }
    return false;
  }
}
