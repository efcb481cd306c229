import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileError } from '../core/index.js';

/** A temporary folder that is made when it is first needed and removed with all in it. */
export class Workspace implements Disposable {
  #folder: string | undefined;

  /** The folder. @throws ModelkeepError `STORE_PERMISSION` or `STORE_UNAVAILABLE` where none can be made */
  folder(): string {
    try {
      this.#folder ??= mkdtempSync(join(tmpdir(), 'modelkeep-push-'));
      return this.#folder;
    } catch (error) {
      throw fileError(error, `Cannot write in ${tmpdir()}`, 'set TMPDIR to a place that you may write to');
    }
  }

  /** Removes it; idempotent. */
  [Symbol.dispose](): void {
    if (this.#folder !== undefined) rmSync(this.#folder, { recursive: true, force: true, maxRetries: 3 });
    this.#folder = undefined;
  }
}
