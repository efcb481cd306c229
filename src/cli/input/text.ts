import { createReadStream, fstatSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { ModelkeepError } from '../../app/index.js';

/** Longest line or field, in UTF-16 units: more than any text that a model reads, less than what fills the memory. */
const MAX_LINE = 16_777_216;

/** Where lines come from. */
export interface TextSource {
  /** How it is called in errors. */
  readonly name: string;
  /** Bytes in all; undefined if it is not a file. */
  readonly totalBytes: number | undefined;
  /** Bytes read so far. */
  readonly doneBytes: number;
  /** The text as it comes, decoded. @throws ModelkeepError `INVALID_INPUT` if it cannot be read or is no UTF-8 */
  chunks(): AsyncGenerator<string, void, undefined>;
}

/** A file by its path, or standard input. @throws ModelkeepError `INVALID_INPUT` if there is no such file */
export async function openSource(path: string | undefined, stdin: NodeJS.ReadableStream): Promise<TextSource> {
  const fromStdin = path === undefined || path === '-';
  const name = fromStdin ? 'standard input' : path;
  const totalBytes = fromStdin ? sizeOfStdin(stdin) : await sizeOf(path);
  let doneBytes = 0;
  return {
    name,
    totalBytes,
    get doneBytes() {
      return doneBytes;
    },
    async *chunks() {
      const decoder = new TextDecoder('utf-8', { fatal: true });
      try {
        for await (const part of fromStdin ? stdin : createReadStream(path)) {
          const bytes = typeof part === 'string' ? Buffer.from(part) : part;
          doneBytes += bytes.length;
          yield decoder.decode(bytes, { stream: true });
        }
        yield decoder.decode();
      } catch (error) {
        const why =
          (error as NodeJS.ErrnoException).code === 'ERR_ENCODING_INVALID_ENCODED_DATA'
            ? 'it is not UTF-8; convert it first'
            : (error as Error).message;
        throw new ModelkeepError('INVALID_INPUT', `Cannot read ${name}: ${why}`, { cause: error });
      }
    },
  };
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    const facts = await stat(path);
    if (facts.isDirectory()) throw new ModelkeepError('INVALID_INPUT', `${path} is a directory: give a file`);
    return facts.isFile() ? facts.size : undefined;
  } catch (error) {
    if (error instanceof ModelkeepError) throw error;
    throw new ModelkeepError('INVALID_INPUT', `Cannot read ${path}: ${(error as Error).message}`, { cause: error });
  }
}

/** A shell may have put a file there (`< texts.txt`). */
function sizeOfStdin(stdin: NodeJS.ReadableStream): number | undefined {
  const { fd } = stdin as { fd?: unknown };
  if (typeof fd !== 'number') return undefined;
  const facts = fstatSync(fd);
  return facts.isFile() ? facts.size : undefined;
}

/** The error for a line, such as `texts.csv, line 7: …`. */
export function lineError(source: TextSource, line: number, why: string, cause?: unknown): ModelkeepError {
  const options = cause === undefined ? {} : { cause };
  return new ModelkeepError('INVALID_INPUT', `${source.name}, line ${line}: ${why}`, options);
}

/** The lines of a source, without their ends. The last one may lack its end. */
export async function* linesOf(source: TextSource): AsyncGenerator<string, void, undefined> {
  let rest = '';
  let line = 1;
  for await (const chunk of source.chunks()) {
    const text = rest + chunk;
    let from = 0;
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', from)) {
      yield text.slice(from, text[end - 1] === '\r' && end > from ? end - 1 : end);
      line += 1;
      from = end + 1;
    }
    rest = text.slice(from);
    if (rest.length > MAX_LINE) throw lineError(source, line, `is longer than ${MAX_LINE} characters`);
  }
  if (rest !== '') yield rest.endsWith('\r') ? rest.slice(0, -1) : rest;
}

/** Longest field of a table, in UTF-16 units. */
export const MAX_FIELD = MAX_LINE;
