import { ModelkeepError } from '../../core/index.js';
import { skipArray } from './arrays.js';
import type { ByteSource } from './byte-source.js';
import { readArgument, OPCODES } from './opcodes.js';
import { Keyed, Made, MARK, Named, UNKNOWN, type Value } from './values.js';

/** What a walk through a pickle found. */
export interface PickleFacts {
  /** Full names of all classes and functions that it imports. */
  readonly globals: Set<string>;
  /** Values of the string attributes that the walk was asked to look for. */
  readonly attributes: Map<string, string>;
  /** False if the walk had to stop before the end: there may be more globals. */
  complete: boolean;
}

/** Deepest nesting of pickles in object arrays. */
const MAX_DEPTH = 50;
/** Longest line of an opcode of protocol 0. */
const MAX_LINE_BYTES = 64 * 1024;

type Slot = Value | typeof MARK;

/**
 * Goes through the opcodes of one pickle without executing any: a machine whose values are descriptions. Follows the
 * unpickler of the Python standard library (protocols 0 to 5) and joblib's arrays behind their place-holders.
 */
export class PickleWalk {
  readonly #source: ByteSource;
  readonly #name: string;
  readonly #facts: PickleFacts;
  readonly #depth: number;
  readonly #memo = new Map<number, Value>();
  #stack: Slot[] = [];

  /** @param name the file's name, for messages */
  constructor(source: ByteSource, name: string, facts: PickleFacts, depth = 0) {
    this.#source = source;
    this.#name = name;
    this.#facts = facts;
    this.#depth = depth;
  }

  /** Walks to the end, or to where it cannot go on. @throws ModelkeepError `INVALID_ARTIFACT` if this is no pickle */
  run(): void {
    for (;;) {
      const at = this.#source.position;
      const code = this.#source.take(1)[0] ?? 0;
      const opcode = OPCODES.get(code);
      if (opcode === undefined) {
        throw this.#invalid(`byte ${at} is 0x${code.toString(16).padStart(2, '0')}, which is no pickle opcode`);
      }
      if (opcode.name === 'STOP') {
        this.#pop();
        return;
      }
      this.#step(
        opcode.name,
        readArgument(opcode.argument, this.#source, () => this.#line()),
      );
      if (!this.#facts.complete) return;
    }
  }

  #invalid(why: string): ModelkeepError {
    return new ModelkeepError(
      'INVALID_ARTIFACT',
      `${this.#name} is no pickle: ${why}. Save the model with joblib.dump and publish that file`,
    );
  }

  #line(): string {
    const bytes: number[] = [];
    for (;;) {
      const byte = this.#source.take(1)[0] ?? 0;
      if (byte === 0x0a) return Buffer.from(bytes).toString('utf8');
      bytes.push(byte);
      if (bytes.length > MAX_LINE_BYTES) throw this.#invalid('it has a line that is too long');
    }
  }

  #pop(): Value {
    const top = this.#stack.pop();
    if (top === undefined || top === MARK) throw this.#invalid(`the stack is empty at byte ${this.#source.position}`);
    return top;
  }

  #top(): Value {
    const top = this.#pop();
    this.#stack.push(top);
    return top;
  }

  #popToMark(): Value[] {
    const at = this.#stack.lastIndexOf(MARK);
    if (at < 0) throw this.#invalid(`a mark is missing at byte ${this.#source.position}`);
    const values = this.#stack.splice(at).slice(1);
    return values as Value[];
  }

  #global(module: Value, name: Value): Named {
    const known = typeof module === 'string' && typeof name === 'string';
    // A name that is itself computed cannot be told without executing the pickle.
    const full = known ? `${module}.${name}` : '?';
    this.#facts.globals.add(full);
    return new Named(full);
  }

  #step(name: string, argument: Value): void {
    const group = PUSHED.has(name) ? 'push' : name;
    switch (group) {
      case 'push':
        this.#stack.push(argument);
        return;
      case 'PUT':
        this.#memo.set(argument as number, this.#top());
        return;
      case 'MEMOIZE':
        this.#memo.set(this.#memo.size, this.#top());
        return;
      case 'GET':
        if (!this.#memo.has(argument as number))
          throw this.#invalid(`it reads memo ${argument as number} before it is set`);
        this.#stack.push(this.#memo.get(argument as number) ?? null);
        return;
      case 'EXT':
        // A number that Python's copyreg table translates: only the loading process knows to what.
        this.#stack.push(this.#global('copyreg', `extension ${argument as number}`));
        return;
      default:
        if (!this.#import(name, argument) && !this.#build(name) && !this.#collect(name)) this.#plain(name);
    }
  }

  /** Opcodes that import or make objects. */
  #import(name: string, argument: Value): boolean {
    switch (name) {
      case 'GLOBAL':
        this.#stack.push(this.#global(argument, this.#line()));
        return true;
      case 'STACK_GLOBAL': {
        const attribute = this.#pop();
        this.#stack.push(this.#global(this.#pop(), attribute));
        return true;
      }
      case 'INST': {
        const of = this.#global(argument, this.#line());
        this.#stack.push(new Made(of, this.#popToMark()));
        return true;
      }
      case 'OBJ': {
        const [of = UNKNOWN, ...args] = this.#popToMark();
        this.#stack.push(new Made(of, args));
        return true;
      }
      case 'REDUCE':
      case 'NEWOBJ':
      case 'NEWOBJ_EX': {
        if (name === 'NEWOBJ_EX') this.#pop();
        const args = this.#pop();
        this.#stack.push(new Made(this.#pop(), args));
        return true;
      }
      default:
        return false;
    }
  }

  #build(name: string): boolean {
    if (name !== 'BUILD') return false;
    const state = this.#pop();
    const object = this.#top();
    if (object instanceof Made) object.state = state;
    switch (skipArray(object, this.#source)) {
      case 'no-array':
        return true;
      case 'unknown':
        this.#facts.complete = false;
        return true;
      case 'nested-pickle':
        if (this.#depth >= MAX_DEPTH) throw this.#invalid(`more than ${MAX_DEPTH} arrays are nested`);
        new PickleWalk(this.#source, this.#name, this.#facts, this.#depth + 1).run();
        break;
      case 'skipped':
    }
    this.#pop();
    this.#stack.push(UNKNOWN);
    return true;
  }

  #setItem(target: Value, key: Value | undefined, value: Value): void {
    if (target instanceof Keyed) target.set(key, value);
    if (typeof key === 'string' && typeof value === 'string' && key === VERSION_ATTRIBUTE) {
      this.#facts.attributes.set(key, value);
    }
  }

  /** Opcodes that fill containers; what lists and sets hold need not be known. */
  #collect(name: string): boolean {
    switch (name) {
      case 'APPEND':
        this.#pop();
        return true;
      case 'APPENDS':
      case 'ADDITEMS':
        this.#popToMark();
        return true;
      case 'SETITEM': {
        const value = this.#pop();
        const key = this.#pop();
        this.#setItem(this.#top(), key, value);
        return true;
      }
      case 'SETITEMS':
      case 'DICT': {
        const values = this.#popToMark();
        const target = name === 'DICT' ? new Keyed() : this.#pop();
        for (let at = 0; at + 1 < values.length; at += 2) this.#setItem(target, values[at], values[at + 1] ?? null);
        this.#stack.push(target);
        return true;
      }
      case 'TUPLE':
        this.#stack.push(this.#popToMark());
        return true;
      case 'LIST':
      case 'FROZENSET':
        this.#popToMark();
        this.#stack.push(UNKNOWN);
        return true;
      default:
        return false;
    }
  }

  #plain(name: string): void {
    switch (name) {
      case 'MARK':
        this.#stack.push(MARK);
        return;
      case 'POP':
        if (this.#stack.pop() === undefined) throw this.#invalid('it pops an empty stack');
        return;
      case 'POP_MARK':
        this.#popToMark();
        return;
      case 'DUP':
        this.#stack.push(this.#top());
        return;
      case 'EMPTY_DICT':
        this.#stack.push(new Keyed());
        return;
      case 'EMPTY_TUPLE':
        this.#stack.push([]);
        return;
      case 'TUPLE1':
      case 'TUPLE2':
      case 'TUPLE3': {
        const values = Array.from({ length: Number(name.at(-1)) }, () => this.#pop());
        this.#stack.push(values.toReversed());
        return;
      }
      case 'BINPERSID':
        this.#pop();
        this.#stack.push(UNKNOWN);
        return;
      case 'NEXT_BUFFER':
      case 'EMPTY_LIST':
      case 'EMPTY_SET':
        this.#stack.push(UNKNOWN);
        return;
      default: // PROTO, FRAME and READONLY_BUFFER change no value.
    }
  }
}

/** Where scikit-learn's estimators say by which release they were fitted. */
export const VERSION_ATTRIBUTE = '_sklearn_version';

/** Opcodes that push what their argument says. */
const PUSHED: ReadonlySet<string> = new Set(['CONSTANT', 'PERSID']);
