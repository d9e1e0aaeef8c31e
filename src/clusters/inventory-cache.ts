import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { EffectivePermissions } from '../catalogue/permissions.ts';
import type { Observer } from '../observability/observer.ts';
import { apiPath } from '../proxmox/api-path.ts';
import type { Clock } from '../proxmox/breaker.ts';
import type { ProxmoxCall, ProxmoxReply } from '../proxmox/call.ts';
import { abortable } from '../proxmox/deadline.ts';
import type { Ending } from '../proxmox/ending.ts';
import { CallError } from '../proxmox/errors.ts';
import type { Looked, SharedCopy } from '../replicas/shared-answers.ts';
import { readBackups } from './backups.ts';
import type { Backups, Inventory, InventoryOptions } from './inventory.ts';
import { InventoryRows } from './inventory-rows.ts';
import { SharedAnswer } from './shared-answer.ts';

const MANY_ROWS = 1_000;
const RESOURCES_PATH = apiPath`/cluster/resources`;
const DEADLINE_MS = 20_000;
const FRESH_MS = 10_000;
/** PVE broadcasts what changed every 10 s, and a task may end later than the call that began it. */
const UNSETTLED_MS = 30_000;
const UNSETTLED_FRESH_MS = 2_000;
const BACKUPS_FRESH_MS = 60_000;
/** How long a cluster that did not answer the question before is waited for; a healthy one takes a tenth of it. */
const PATIENCE_MS = 3_000;
/** How long, and how often, the answer to another replica's question is waited for. */
const OTHERS_MS = 1_500;
const OTHERS_PAUSE_MS = 50;

export interface InventorySource {
  cluster: string;
  send(call: ProxmoxCall): Promise<ProxmoxReply>;
  permissions(): Promise<EffectivePermissions>;
  /** What replicas share of it; absent where there is one replica. */
  shared?: SharedCopy | undefined;
  clock: Clock;
  logger: Logger;
  observer?: Observer | undefined;
}

/** The inventory of one cluster, asked for when it is needed and kept for a while. */
export class InventoryCache {
  readonly #source: InventorySource;
  readonly #rows = new InventoryRows();
  readonly #inventory: SharedAnswer<Inventory>;
  readonly #backups: SharedAnswer<Backups>;
  #changedAt = Number.NEGATIVE_INFINITY;
  /** Of the last change by any replica that is known of here. */
  #stamp: string | undefined;
  /** Changes by this replica. */
  #changes = 0;
  /** Why the question before found nobody who answers. */
  #silence: CallError | undefined;

  constructor(source: InventorySource) {
    this.#source = source;
    const { clock } = source;
    this.#inventory = new SharedAnswer(
      () => this.#ask(),
      () => this.#freshMs(),
      clock,
    );
    this.#backups = new SharedAnswer(() => this.#askBackups(), BACKUPS_FRESH_MS, clock);
  }

  /**
   * A failure is not kept, but a cluster that did not answer the question before is waited for only so long, while it
   * is asked again: a dead cluster must not cost each query its whole deadline.
   *
   * @throws CallError with the cluster's name in it; the signal's reason
   */
  get({ signal, fresh }: InventoryOptions = {}): Promise<Inventory> {
    const { cluster, observer } = this.#source;
    observer?.inventoryRead(cluster, fresh !== true && this.#inventory.isFresh() ? 'hit' : 'miss');
    const answer =
      this.#source.shared === undefined
        ? this.#inventory.get(signal, fresh)
        : this.#getShared(this.#source.shared, signal, fresh);
    return this.#silence === undefined ? answer : withPatience(answer, this.#silence);
  }

  /** @throws CallError where not even the storages are known; a storage that can't be read is in the answer */
  async backups({ signal, fresh }: InventoryOptions = {}): Promise<Backups> {
    const { shared } = this.#source;
    const isKnown = shared === undefined || this.#notice(await shared.look(0));
    return this.#backups.get(signal, fresh || !isKnown);
  }

  /** When the inventory that is kept was asked for, in epoch milliseconds; undefined where none is. */
  get asOf(): number | undefined {
    return this.#inventory.peek()?.asOf;
  }

  /**
   * Something in the cluster was changed: what was asked until now no longer holds, here at once, and in other replicas
   * when this resolves. Never rejects.
   */
  async changed(): Promise<void> {
    const { shared, clock } = this.#source;
    this.#changedAt = clock.now();
    this.#changes += 1;
    this.#outdate();
    if (shared === undefined) return;
    const change = this.#changes;
    const stamp = await shared.changed();
    if (this.#changes === change) this.#stamp = stamp;
  }

  #outdate(): void {
    this.#inventory.outdate();
    this.#backups.outdate();
  }

  #freshMs(): number {
    const { clock } = this.#source;
    return clock.now() - this.#changedAt < UNSETTLED_MS ? UNSETTLED_FRESH_MS : FRESH_MS;
  }

  /** As `SharedAnswer.get`, for all replicas: what was asked before a change by any of them holds no longer. */
  async #getShared(shared: SharedCopy, signal?: Ending, fresh = false): Promise<Inventory> {
    signal?.throwIfAborted();
    const isKnown = this.#adopt(shared, fresh);
    // Where Redis can't say whether something was changed, the cluster is asked.
    const isUnknown = !(await (signal === undefined ? isKnown : abortable(isKnown, signal)));
    return this.#inventory.get(signal, fresh || isUnknown);
  }

  /**
   * Takes over what another replica was answered, where nothing is kept here and it is young enough.
   *
   * @returns false where nobody knows whether what is kept still holds
   */
  async #adopt(shared: SharedCopy, fresh: boolean): Promise<boolean> {
    const until = performance.now() + OTHERS_MS;
    for (;;) {
      const changes = this.#changes;
      const maxAgeMs = fresh || this.#inventory.isFresh() ? 0 : this.#freshMs();
      const looked = await shared.look(maxAgeMs);
      if (!this.#notice(looked)) return false;
      if (fresh || this.#inventory.isFresh()) return true;
      if (looked?.copy !== undefined && (await this.#take(looked.copy, changes))) return true;
      // What was kept is outdated: the question is now another one.
      if (maxAgeMs === 0) continue;
      if (looked?.found !== 'wait' || performance.now() > until) return true;
      await sleep(OTHERS_PAUSE_MS);
    }
  }

  /** @param changes how many there were when it was looked for: after another one it holds no longer */
  async #take({ data, ageMs }: { data: unknown; ageMs: number }, changes: number): Promise<boolean> {
    // A change that was seen just now makes what was young enough before too old.
    if (!Array.isArray(data) || changes !== this.#changes || ageMs > this.#freshMs()) return false;
    const stamp = this.#stamp;
    const { inventory } = await this.#rows.next(data, this.#source.clock.now() - ageMs);
    // While it was made, a change may have come, or an answer that is newer.
    if (changes !== this.#changes || stamp !== this.#stamp) return false;
    if (!this.#inventory.isFresh()) this.#inventory.set(inventory, ageMs);
    return true;
  }

  /** @returns false where Redis did not answer */
  #notice(looked: Looked | undefined): boolean {
    if (looked === undefined) return false;
    if (looked.stamp === this.#stamp) return true;
    this.#stamp = looked.stamp;
    if (looked.changedAgoMs !== undefined) {
      this.#changedAt = Math.max(this.#changedAt, this.#source.clock.now() - looked.changedAgoMs);
    }
    this.#outdate();
    return true;
  }

  async #ask(): Promise<Inventory> {
    const { cluster, clock, logger, shared } = this.#source;
    const asOf = clock.now();
    const stamp = this.#stamp;
    const { data } = await this.#resources().catch((error: unknown) => {
      void shared?.release();
      throw error;
    });
    if (!Array.isArray(data)) {
      throw new CallError('UPSTREAM_ERROR', 'The answer to /cluster/resources is not a list.', {
        cluster,
        hint: 'Check `url` of this cluster: it must be a node of Proxmox VE.',
      });
    }
    // Behind the reading of a large answer, and before what is made of it: nothing else should wait for both.
    if (data.length > MANY_ROWS) await nextTurn();
    const { inventory, change } = await this.#rows.next(data, asOf);
    if (data.length > MANY_ROWS) await nextTurn();
    // Nobody here waits until the others have it.
    if (stamp !== undefined) void shared?.store(stamp, data, clock.now() - asOf);
    logger.debug({ ...change, rows: inventory.rows.length }, 'inventory read');
    return inventory;
  }

  async #resources(): Promise<ProxmoxReply> {
    const call = {
      method: 'GET',
      path: RESOURCES_PATH,
      template: RESOURCES_PATH.toString(),
      parameters: {},
      deadlineMs: DEADLINE_MS,
    } as const;
    try {
      const reply = await this.#source.send(call);
      this.#silence = undefined;
      return reply;
    } catch (error) {
      this.#silence = isSilence(error) ? error : undefined;
      throw error;
    }
  }

  async #askBackups(): Promise<Backups> {
    const { clock, send, permissions } = this.#source;
    const asOf = clock.now();
    const [inventory, effective] = await Promise.all([this.get(), permissions()]);
    return { ...(await readBackups(inventory, effective, send)), asOf };
  }
}

function isSilence(error: unknown): error is CallError {
  return error instanceof CallError && (error.code === 'CLUSTER_UNREACHABLE' || error.code === 'TIMEOUT');
}

function withPatience<T>(answer: Promise<T>, impatience: CallError): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(impatience), PATIENCE_MS);
    answer.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
