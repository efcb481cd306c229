import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { pull, type Modelkeep, type PushOptions } from '../../../src/app/index.js';
import {
  ModelkeepError,
  parseReference,
  type Manifest,
  type VersionRecord,
  type VersionStore,
} from '../../../src/core/index.js';
import { storedContent } from '../../../src/registry/stored-content.js';
import { temporaryFolder } from '../../unit/formats/temporary-folder.js';
import { Bench } from '../node-bench.js';

/** Where the small models lie that inputs are made of. */
const FIXTURES = resolve('test/fixtures');

/** A store, a node with one runner, and a folder for the inputs of the cases of one file. */
export class CaseBench {
  readonly #bench: Bench;
  readonly #keep: Modelkeep;
  readonly #inputs = temporaryFolder();
  #names = 0;

  private constructor(bench: Bench, keep: Modelkeep) {
    this.#bench = bench;
    this.#keep = keep;
  }

  static async open(): Promise<CaseBench> {
    const bench = await Bench.open();
    return new CaseBench(bench, await bench.node({ runners: 1 }));
  }

  get store(): VersionStore {
    return this.#bench.store;
  }

  get keep(): Modelkeep {
    return this.#keep;
  }

  /** A name that nothing has yet. */
  fresh(kind = 'case'): string {
    this.#names += 1;
    return `${kind}-${this.#names}`;
  }

  /** A new empty folder. */
  folder(): string {
    const path = join(this.#inputs.path, this.fresh());
    mkdirSync(path);
    return path;
  }

  /** A copy of a fixture without its goldens, in a new folder or a place in one. */
  copyOf(fixture: string, to: string = this.folder()): string {
    cpSync(join(FIXTURES, fixture), to, { recursive: true });
    for (const name of readdirSync(to)) if (name.startsWith('golden.json')) rmSync(join(to, name));
    return to;
  }

  /** Publishes a path under a new name. */
  async publish(path: string, options: Partial<PushOptions> = {}) {
    return this.#keep.push(path, { name: this.fresh(), ...options });
  }

  /** Publishes a path under a new name and asks it. */
  async answer(path: string, inputs: unknown, options: Partial<PushOptions> = {}, parameters = {}): Promise<unknown> {
    const { record } = await this.publish(path, options);
    const model = await this.#keep.load(`${record.model}:${record.version}`);
    return model.predict(inputs, { parameters });
  }

  /** The error with which a push of a path is refused; nothing may be stored then. */
  async refusal(path: string, options: Partial<PushOptions> = {}): Promise<ModelkeepError> {
    const name = this.fresh();
    const error = await this.#keep.push(path, { name, ...options }).catch((thrown: unknown) => thrown);
    const stored = await this.#bench.store.listVersions({ model: name });
    if (stored.length > 0) throw new Error(`It was published: ${path}`);
    if (error instanceof ModelkeepError) return error;
    throw new Error(`It ended otherwise: ${String(error)}`, { cause: error });
  }

  /** Publishes a stored version again as it was before pushes kept what they understood. */
  async copyWithoutReport(record: VersionRecord, manifest: Manifest, model: string): Promise<VersionRecord> {
    const content = storedContent(this.#bench.store, record, manifest);
    return (await this.#bench.store.publish({ model, manifest }, content)).record;
  }

  /** Writes a version into a folder. */
  async pull(reference: string, folder: string): Promise<void> {
    await pull(this.#bench.store, parseReference(reference), folder);
  }

  async close(): Promise<void> {
    await this.#bench.close();
    this.#inputs[Symbol.dispose]();
  }
}

/** Writes a file, and the folders that it lies in. */
export function write(path: string, contents: string | Uint8Array): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, contents);
}

/** Changes a JSON file. */
export function changeJson(path: string, change: (json: unknown) => unknown): void {
  writeFileSync(path, JSON.stringify(change(JSON.parse(readFileSync(path, 'utf8')))));
}
