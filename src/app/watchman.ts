import { EventEmitter } from 'node:events';
import { hostname } from 'node:os';
import type { ModelkeepError, VersionStore } from '../core/index.js';
import type { Follower } from '../residency/index.js';
import type { InferenceService } from '../serving/index.js';
import { HeldBackRecorder } from './held-back.js';
import { RollbackGuard, type RollbackGuardEvents } from './rollback-guard.js';

/** What a watchman tells. */
export interface WatchmanEvents extends RollbackGuardEvents {
  /** The store did not take a record of what this node holds back. */
  unrecorded: [error: ModelkeepError];
}

/** What this node does to aliases by itself: moves them back from versions that fail, and records what it holds back. */
export class Watchman extends EventEmitter<WatchmanEvents> {
  readonly #guard: RollbackGuard;
  readonly #recorder: HeldBackRecorder;

  constructor(parts: {
    readonly store: VersionStore;
    readonly follower: Follower;
    readonly service: InferenceService;
  }) {
    super();
    const node = `node ${hostname()}:${process.pid}`;
    this.#recorder = new HeldBackRecorder(parts, node, (error) => this.emit('unrecorded', error));
    this.#guard = new RollbackGuard({ ...parts, node });
    this.#guard.on('rolled-back', (...told) => this.emit('rolled-back', ...told));
    this.#guard.on('failed', (...told) => this.emit('failed', ...told));
  }

  /** Watches no longer; resolves when nothing is being written to the store. */
  async close(): Promise<void> {
    await Promise.all([this.#guard.close(), this.#recorder.close()]);
  }
}
