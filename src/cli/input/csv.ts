import { lineError, MAX_FIELD, type TextSource } from './text.js';

/** A record of a table and the line on which it begins. */
export interface CsvRecord {
  readonly line: number;
  readonly cells: readonly string[];
}

/**
 * Reads comma-separated values as RFC 4180 describes them: quoted fields may hold commas, line ends and doubled quotes;
 * records end with CRLF or LF. Empty lines are left out. Reads on only as records are taken.
 *
 * @throws ModelkeepError `INVALID_INPUT` naming the line of a quote that is not closed or stands in the wrong place
 */
export async function* csvRecords(source: TextSource): AsyncGenerator<CsvRecord, void, undefined> {
  const reader = new CsvReader(source);
  for await (const chunk of source.chunks()) yield* reader.take(chunk);
  yield* reader.end();
}

/** Where in a record the reader is: `closed` has just seen a quote that ends the field, or is half of a doubled one. */
type Place = 'start' | 'plain' | 'quoted' | 'closed';

class CsvReader {
  readonly #source: TextSource;
  #place: Place = 'start';
  #cells: string[] = [];
  #field = '';
  #line = 1;
  #recordLine = 1;
  #quoteLine = 1;

  constructor(source: TextSource) {
    this.#source = source;
  }

  *take(chunk: string): Generator<CsvRecord, void, undefined> {
    let at = 0;
    while (at < chunk.length) {
      const stop = this.#place === 'quoted' ? chunk.indexOf('"', at) : nextSpecial(chunk, at);
      const end = stop < 0 ? chunk.length : stop;
      if (end > at) this.#append(chunk.slice(at, end));
      if (stop < 0) return;
      const special = chunk[stop]!;
      at = stop + 1;
      if (special === '"') this.#quote();
      else if (special === ',') this.#endField();
      else yield* this.#endRecord();
    }
  }

  *end(): Generator<CsvRecord, void, undefined> {
    if (this.#place === 'quoted') throw lineError(this.#source, this.#quoteLine, 'a quote is opened and never closed');
    if (this.#place !== 'start' || this.#cells.length > 0) yield* this.#endRecord();
  }

  #append(text: string): void {
    if (this.#place === 'closed') {
      // A carriage return before the line end is part of the line end.
      if (text === '\r') return;
      throw lineError(this.#source, this.#line, `${JSON.stringify(text.slice(0, 20))} follows a closing quote`);
    }
    if (this.#place === 'start') this.#place = 'plain';
    this.#field += text;
    if (this.#place === 'quoted') this.#line += text.split('\n').length - 1;
    if (this.#field.length > MAX_FIELD) {
      throw lineError(this.#source, this.#recordLine, `has a field longer than ${MAX_FIELD} characters`);
    }
  }

  #quote(): void {
    if (this.#place === 'plain')
      throw lineError(this.#source, this.#line, 'a quote stands inside a field without quotes');
    if (this.#place === 'closed') this.#field += '"';
    if (this.#place === 'start') this.#quoteLine = this.#line;
    this.#place = this.#place === 'quoted' ? 'closed' : 'quoted';
  }

  #endField(): void {
    this.#cells.push(this.#field);
    this.#field = '';
    this.#place = 'start';
  }

  *#endRecord(): Generator<CsvRecord, void, undefined> {
    if (this.#place === 'plain' && this.#field.endsWith('\r')) this.#field = this.#field.slice(0, -1);
    const empty = this.#cells.length === 0 && this.#field === '' && this.#place !== 'closed';
    this.#endField();
    if (!empty) yield { line: this.#recordLine, cells: this.#cells };
    this.#cells = [];
    this.#line += 1;
    this.#recordLine = this.#line;
  }
}

function nextSpecial(text: string, from: number): number {
  for (let at = from; at < text.length; at++) {
    const code = text.charCodeAt(at);
    // comma, quote, line feed
    if (code === 44 || code === 34 || code === 10) return at;
  }
  return -1;
}

/** One line of a table, ended as RFC 4180 says; what is no text is written as JSON, what is not there as nothing. */
export function csvLine(cells: readonly unknown[]): string {
  return `${cells.map(csvCell).join(',')}\r\n`;
}

function csvCell(value: unknown): string {
  if (value === undefined || value === null) return '';
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
