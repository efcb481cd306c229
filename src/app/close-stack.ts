/** What was opened, to be closed in the opposite order. */
export class CloseStack {
  #closers: (() => Promise<void>)[] = [];

  /** Remembers how to close what was just opened. */
  push(close: () => Promise<void>): void {
    this.#closers.push(close);
  }

  /** Closes everything, the last opened first, even if one fails; then throws the first failure. */
  async close(): Promise<void> {
    const failures: unknown[] = [];
    for (const close of this.#closers.splice(0).toReversed()) {
      await close().catch((error: unknown) => failures.push(error));
    }
    if (failures.length > 0) throw failures[0];
  }

  /** For a failed opening: the failure that led here is the one to report. */
  async closeQuietly(): Promise<void> {
    await this.close().catch(() => undefined);
  }
}
