import type { ByteSource } from './byte-source.js';
import { UNKNOWN, type Value } from './values.js';

/** How the argument of an opcode lies in the stream, and what value it stands for. */
export type Argument =
  | { readonly kind: 'none' }
  | { readonly kind: 'value'; readonly value: Value }
  | { readonly kind: 'bytes'; readonly bytes: number }
  | { readonly kind: 'unsigned'; readonly bytes: 1 | 2 | 4 }
  | { readonly kind: 'int32' }
  | { readonly kind: 'text' | 'data'; readonly lengthBytes: 1 | 4 | 8 }
  | { readonly kind: 'line'; readonly as: 'text' | 'number' | 'unknown' };

/** One opcode: what it does, and its argument. Opcodes that do the same share a name. */
export interface Opcode {
  readonly name: string;
  readonly argument: Argument;
}

const none: Argument = { kind: 'none' };
const unsigned = (bytes: 1 | 2 | 4): Argument => ({ kind: 'unsigned', bytes });
const line = (as: 'text' | 'number' | 'unknown'): Argument => ({ kind: 'line', as });
const value = (one: Value): Argument => ({ kind: 'value', value: one });

/** Longest text that is kept: names of modules and attributes are far shorter. */
const MAX_TEXT_BYTES = 4_096;

/** All opcodes of protocols 0 to 5, as Python's `pickle` and `pickletools` modules list them. */
const TABLE: readonly (readonly [code: number | string, name: string, argument: Argument])[] = [
  ['I', 'CONSTANT', line('number')],
  ['L', 'CONSTANT', line('unknown')],
  ['F', 'CONSTANT', line('unknown')],
  ['S', 'CONSTANT', line('text')],
  ['V', 'CONSTANT', line('text')],
  ['P', 'PERSID', line('unknown')],
  ['J', 'CONSTANT', { kind: 'int32' }],
  ['K', 'CONSTANT', unsigned(1)],
  ['M', 'CONSTANT', unsigned(2)],
  [0x8a, 'CONSTANT', { kind: 'data', lengthBytes: 1 }],
  [0x8b, 'CONSTANT', { kind: 'data', lengthBytes: 4 }],
  ['G', 'CONSTANT', { kind: 'bytes', bytes: 8 }],
  ['T', 'CONSTANT', { kind: 'text', lengthBytes: 4 }],
  ['U', 'CONSTANT', { kind: 'text', lengthBytes: 1 }],
  ['X', 'CONSTANT', { kind: 'text', lengthBytes: 4 }],
  [0x8c, 'CONSTANT', { kind: 'text', lengthBytes: 1 }],
  [0x8d, 'CONSTANT', { kind: 'text', lengthBytes: 8 }],
  ['B', 'CONSTANT', { kind: 'data', lengthBytes: 4 }],
  ['C', 'CONSTANT', { kind: 'data', lengthBytes: 1 }],
  [0x8e, 'CONSTANT', { kind: 'data', lengthBytes: 8 }],
  [0x96, 'CONSTANT', { kind: 'data', lengthBytes: 8 }],
  ['N', 'CONSTANT', value(null)],
  [0x88, 'CONSTANT', value(true)],
  [0x89, 'CONSTANT', value(false)],
  ['p', 'PUT', line('number')],
  ['q', 'PUT', unsigned(1)],
  ['r', 'PUT', unsigned(4)],
  [0x94, 'MEMOIZE', none],
  ['g', 'GET', line('number')],
  ['h', 'GET', unsigned(1)],
  ['j', 'GET', unsigned(4)],
  [0x82, 'EXT', unsigned(1)],
  [0x83, 'EXT', unsigned(2)],
  [0x84, 'EXT', unsigned(4)],
  ['c', 'GLOBAL', line('text')],
  ['i', 'INST', line('text')],
  [0x93, 'STACK_GLOBAL', none],
  ['o', 'OBJ', none],
  ['R', 'REDUCE', none],
  ['b', 'BUILD', none],
  [0x81, 'NEWOBJ', none],
  [0x92, 'NEWOBJ_EX', none],
  ['a', 'APPEND', none],
  ['e', 'APPENDS', none],
  ['s', 'SETITEM', none],
  ['u', 'SETITEMS', none],
  [0x90, 'ADDITEMS', none],
  ['l', 'LIST', none],
  ['d', 'DICT', none],
  ['t', 'TUPLE', none],
  [0x91, 'FROZENSET', none],
  [0x85, 'TUPLE1', none],
  [0x86, 'TUPLE2', none],
  [0x87, 'TUPLE3', none],
  [']', 'EMPTY_LIST', none],
  [')', 'EMPTY_TUPLE', none],
  ['}', 'EMPTY_DICT', none],
  [0x8f, 'EMPTY_SET', none],
  ['(', 'MARK', none],
  ['0', 'POP', none],
  ['1', 'POP_MARK', none],
  ['2', 'DUP', none],
  ['Q', 'BINPERSID', none],
  [0x97, 'NEXT_BUFFER', none],
  [0x98, 'READONLY_BUFFER', none],
  [0x80, 'PROTO', unsigned(1)],
  [0x95, 'FRAME', { kind: 'bytes', bytes: 8 }],
  ['.', 'STOP', none],
];

/** Opcodes by their byte. */
export const OPCODES: ReadonlyMap<number, Opcode> = new Map(
  TABLE.map(([code, name, argument]) => [typeof code === 'string' ? code.charCodeAt(0) : code, { name, argument }]),
);

function unsignedOf(bytes: Buffer): number {
  return bytes.byteLength === 8 ? Number(bytes.readBigUInt64LE()) : bytes.readUIntLE(0, bytes.byteLength);
}

/** Strips the quotes of the repr that protocol 0 writes strings as. */
function unquoted(text: string): string {
  return /^(['"]).*\1$/s.test(text) ? text.slice(1, -1) : text;
}

/** Reads an opcode's argument. @throws ModelkeepError `INVALID_ARTIFACT` if the bytes end */
export function readArgument(argument: Argument, source: ByteSource, readLine: () => string): Value {
  switch (argument.kind) {
    case 'none':
      return UNKNOWN;
    case 'value':
      return argument.value;
    case 'bytes':
      source.skip(argument.bytes);
      return UNKNOWN;
    case 'unsigned':
      return unsignedOf(source.take(argument.bytes));
    case 'int32':
      return source.take(4).readInt32LE();
    case 'line': {
      const text = readLine();
      if (argument.as === 'unknown') return UNKNOWN;
      return argument.as === 'number' ? Number(text) : unquoted(text);
    }
    case 'data':
    case 'text': {
      const length = unsignedOf(source.take(argument.lengthBytes));
      if (argument.kind === 'text' && length <= MAX_TEXT_BYTES) return source.take(length).toString('utf8');
      source.skip(length);
      return UNKNOWN;
    }
  }
}
