import {
  parseReference,
  parseWhere,
  type Abortable,
  type AliasMoved,
  type AliasRecord,
  type AliasTraffic,
  type AnnotationChange,
  type RetentionPolicy,
  type PublishResult,
  type StoreEvent,
  type VersionRecord,
  type VersionState,
  type VersionStore,
} from '../core/index.js';
import * as registry from '../registry/index.js';
import type { DataRow } from '../tasks/index.js';
import * as webhooks from '../webhooks/index.js';
import type { ComparedAnswers } from './compare-answers.js';

type Who = { readonly by?: string; readonly message?: string };

/** What a {@link Registry} needs of the node behind it. */
export interface RegistryNode {
  readonly store: VersionStore;
  /** Runs the gates of promotions, as `openGates` makes it. */
  readonly runGates: registry.RunGates;
  /** Asks two versions the same labelled examples. */
  compareAnswers(
    first: VersionRecord,
    second: VersionRecord,
    examples: readonly DataRow[],
    options: Abortable,
  ): Promise<ComparedAnswers>;
}

/** What is done with versions, over the store of a node: the same as the command line and the HTTP routes do. */
export class Registry {
  readonly #store: VersionStore;
  readonly #node: RegistryNode;

  /** For `Modelkeep.registry`. */
  constructor(node: RegistryNode) {
    this.#store = node.store;
    this.#node = node;
  }

  /**
   * Versions of one model, or of all, that meet a condition.
   *
   * @param filter `where` as in `docs/metadata.md`, such as `metadata.epoch >= 3 and tag = prod`
   * @throws ModelkeepError `INVALID_INPUT` for a condition that cannot be read
   */
  list(
    filter: { readonly model?: string; readonly where?: string; readonly deleted?: boolean } = {},
    options: Abortable = {},
  ): Promise<readonly VersionRecord[]> {
    const { where, ...rest } = filter;
    return this.#store.listVersions({ ...rest, ...(where === undefined ? {} : { where: parseWhere(where) }) }, options);
  }

  /** Everything that is known of a version. @throws ModelkeepError see `show` */
  show(reference: string, options: Abortable = {}): Promise<registry.Shown> {
    return registry.show(this.#store, parseReference(reference), options);
  }

  /** Publishes a directory or file. @throws ModelkeepError see `push` */
  push(path: string, options: registry.PushOptions): Promise<registry.Pushed> {
    return registry.push(this.#store, path, options);
  }

  /** Writes the files of a version into a directory. @throws ModelkeepError see `pull` */
  pull(reference: string, directory: string, options: registry.PullOptions = {}): Promise<registry.Pulled> {
    return registry.pull(this.#store, parseReference(reference), directory, options);
  }

  /**
   * Points an alias at a version, if its gates let it; they run in processes of their own, as with `modelkeep promote`.
   *
   * @throws ModelkeepError see `promote`
   */
  promote(reference: string, options: registry.PromoteOptions): Promise<registry.Promoted> {
    const { runGates } = this.#node;
    return registry.promote(this.#store, parseReference(reference), { runGates, ...options });
  }

  /** Aliases of one model, or of all. */
  aliases(filter: { readonly model?: string } = {}, options: Abortable = {}): Promise<readonly AliasRecord[]> {
    return this.#store.listAliases(filter, options);
  }

  /** Changes what guards an alias: protection, gates, automatic rollback. @throws ModelkeepError see `setAliasPolicy` */
  setPolicy(
    reference: string,
    change: registry.PolicyChange,
    options: registry.MoveOptions = {},
  ): Promise<AliasRecord> {
    return registry.setAliasPolicy(this.#store, parseReference(reference), change, options);
  }

  /** Points an alias back. @throws ModelkeepError see `rollback` */
  rollback(reference: string, options: registry.RollbackOptions = {}): Promise<AliasMoved> {
    return registry.rollback(this.#store, parseReference(reference), options);
  }

  /** What happened to a model or alias, newest first. @throws ModelkeepError see `history` */
  history(reference: string, options: Abortable = {}): Promise<readonly StoreEvent[]> {
    return registry.history(this.#store, parseReference(reference), options);
  }

  /** Removes an alias. @throws ModelkeepError see `removeAlias` */
  removeAlias(reference: string, options: registry.MoveOptions = {}): Promise<AliasRecord> {
    return registry.removeAlias(this.#store, parseReference(reference), options);
  }

  /** Splits or shadows the requests of an alias; `null` ends it. @throws ModelkeepError see `setAliasTraffic` */
  setTraffic(
    reference: string,
    traffic: AliasTraffic | null,
    options: registry.MoveOptions = {},
  ): Promise<AliasRecord> {
    return registry.setAliasTraffic(this.#store, parseReference(reference), traffic, options);
  }

  /** Archives, deletes or restores what a reference means now. @throws ModelkeepError see `VersionStore.setState` */
  async setState(reference: string, state: VersionState, who: Who = {}): Promise<VersionRecord> {
    const { model, selector } = parseReference(reference);
    // A deleted version resolves no more; its number still names it.
    const version =
      selector.kind === 'version' ? selector.version : (await this.#store.resolve({ model, selector })).version;
    return this.#store.setState(model, version, state, who);
  }

  /** Changes tags and annotations. @throws ModelkeepError see `VersionStore.annotate` */
  async annotate(reference: string, change: AnnotationChange, who: Who = {}): Promise<VersionRecord> {
    return this.#store.annotate(await this.#store.resolve(parseReference(reference)), change, who);
  }

  /** Where a version comes from, and what came from it. @throws ModelkeepError see `lineage` */
  lineage(reference: string, options: Abortable = {}): Promise<registry.Lineage> {
    return registry.lineage(this.#store, parseReference(reference), options);
  }

  /**
   * Signs a version.
   *
   * @param pem a private Ed25519 key, PKCS8
   * @throws ModelkeepError see `sign`
   */
  sign(reference: string, pem: string, options: registry.SignOptions = {}): Promise<registry.Signed> {
    const key = registry.readPrivateKey(pem, 'the key');
    return registry.sign(this.#store, parseReference(reference), key, options);
  }

  /**
   * Proves that one of the keys signed a version.
   *
   * @param pem public Ed25519 keys
   * @throws ModelkeepError `GATE_FAILED` if none did; see `verifySignatures`
   */
  async verifySignature(reference: string, pem: string, options: Abortable = {}): Promise<registry.SignatureProof> {
    const trusted = registry.readTrustedKeys(pem, 'the key');
    const record = await this.#store.resolve(parseReference(reference), options);
    const manifest = await this.#store.readManifest(record, options);
    return registry.verifySignatures(this.#store, record, manifest, trusted, options);
  }

  /** Checks what is stored, and mends it. @throws ModelkeepError see `verify` */
  verify(options: registry.VerifyOptions = {}): Promise<registry.Verified> {
    return registry.verify(this.#store, options);
  }

  /**
   * What two versions have in common, and what not.
   *
   * @param options `examples`: labelled ones that both are asked too; the answers that changed are then in `answers`
   * @throws ModelkeepError see `diff` and `compareAnswers`
   */
  async diff(
    first: string,
    second: string,
    { examples, ...options }: registry.DiffOptions & { readonly examples?: readonly DataRow[] } = {},
  ): Promise<registry.VersionDiff & { readonly answers?: ComparedAnswers }> {
    const found = await registry.diff(this.#store, parseReference(first), parseReference(second), options);
    if (examples === undefined) return found;
    return { ...found, answers: await this.#node.compareAnswers(found.first, found.second, examples, options) };
  }

  /** Copies a version, or all of a model, into another store, which stays open. @throws ModelkeepError see `copy` */
  copy(reference: string, to: VersionStore, options: registry.CopyOptions = {}): Promise<registry.Copied> {
    return registry.copy(this.#store, to, parseReference(reference), options);
  }

  /** Writes a version as an OCI image layout. @throws ModelkeepError see `exportOci` */
  exportOci(reference: string, path: string, options: registry.ExportOptions = {}): Promise<registry.Exported> {
    return registry.exportOci(this.#store, parseReference(reference), path, options);
  }

  /** Publishes a version from an OCI image layout. @throws ModelkeepError see `importOci` */
  importOci(path: string, options: registry.ImportOptions = {}): Promise<PublishResult> {
    return registry.importOci(this.#store, path, options);
  }

  /** What happens to a push that answers otherwise than the newest version of a model. @throws ModelkeepError see `getPublishing` */
  publishing(model: string, options: Abortable = {}): Promise<registry.PublishingPolicy> {
    return registry.getPublishing(this.#store, model, options);
  }

  /** Says what happens to such a push. @throws ModelkeepError see `setPublishing` */
  setPublishing(policy: registry.PublishingPolicy, options: Abortable = {}): Promise<registry.PublishingPolicy> {
    return registry.setPublishing(this.#store, policy, options);
  }

  /** The retention policies of models that have one. */
  retention(options: Abortable = {}): Promise<readonly RetentionPolicy[]> {
    return this.#store.listRetention(options);
  }

  /** Sets the retention policy of a model; without any rule it is removed. @throws ModelkeepError see `setRetention` */
  setRetention(policy: RetentionPolicy, options: registry.SetRetentionOptions = {}): Promise<RetentionPolicy> {
    return registry.setRetention(this.#store, policy, options);
  }

  /** Collects garbage. @throws ModelkeepError see `collectGarbage` */
  collectGarbage(options: registry.GcOptions = {}): Promise<registry.Collected> {
    return registry.collectGarbage(this.#store, options);
  }

  /** Adds a webhook; `modelkeep serve` delivers it. @throws ModelkeepError see `addWebhook` */
  addWebhook(
    wanted: webhooks.NewWebhook,
    options: Abortable & { readonly allowPrivate?: boolean } = {},
  ): Promise<webhooks.AddedWebhook> {
    return webhooks.addWebhook(this.#store, wanted, options);
  }

  /** All webhooks, and how far each is. */
  webhooks(options: Abortable = {}): Promise<readonly webhooks.WebhookState[]> {
    return webhooks.listWebhooks(this.#store, options);
  }

  /** Sends a webhook a test message, from this process. @throws ModelkeepError see `testWebhook` */
  testWebhook(id: string, options: Abortable & { readonly allowPrivate?: boolean } = {}): Promise<webhooks.Attempt> {
    return webhooks.testWebhook(this.#store, id, options);
  }

  /** Removes a webhook. @throws ModelkeepError `INVALID_INPUT` if there is none */
  removeWebhook(id: string, options: Abortable = {}): Promise<webhooks.Webhook> {
    return webhooks.removeWebhook(this.#store, id, options);
  }
}
