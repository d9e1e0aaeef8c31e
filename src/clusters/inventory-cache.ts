import type { Logger } from 'pino';
import type { EffectivePermissions } from '../catalogue/permissions.ts';
import { apiPath } from '../proxmox/api-path.ts';
import type { Clock } from '../proxmox/breaker.ts';
import type { ProxmoxCall, ProxmoxReply } from '../proxmox/call.ts';
import { CallError } from '../proxmox/errors.ts';
import { readBackups } from './backups.ts';
import type { Backups, Inventory, InventoryOptions } from './inventory.ts';
import { InventoryRows } from './inventory-rows.ts';
import { SharedAnswer } from './shared-answer.ts';

const RESOURCES_PATH = apiPath`/cluster/resources`;
const DEADLINE_MS = 20_000;
const FRESH_MS = 10_000;
/** PVE broadcasts what changed every 10 s, and a task may end later than the call that began it. */
const UNSETTLED_MS = 30_000;
const UNSETTLED_FRESH_MS = 2_000;
const BACKUPS_FRESH_MS = 60_000;
/** How long a cluster that did not answer the question before is waited for; a healthy one takes a tenth of it. */
const PATIENCE_MS = 3_000;

export interface InventorySource {
  cluster: string;
  send(call: ProxmoxCall): Promise<ProxmoxReply>;
  permissions(): Promise<EffectivePermissions>;
  clock: Clock;
  logger: Logger;
}

/** The inventory of one cluster, asked for when it is needed and kept for a while. */
export class InventoryCache {
  readonly #source: InventorySource;
  readonly #rows = new InventoryRows();
  readonly #inventory: SharedAnswer<Inventory>;
  readonly #backups: SharedAnswer<Backups>;
  #changedAt = Number.NEGATIVE_INFINITY;
  /** Why the question before found nobody who answers. */
  #silence: CallError | undefined;

  constructor(source: InventorySource) {
    this.#source = source;
    const { clock } = source;
    this.#inventory = new SharedAnswer(
      () => this.#ask(),
      () => (clock.now() - this.#changedAt < UNSETTLED_MS ? UNSETTLED_FRESH_MS : FRESH_MS),
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
    const answer = this.#inventory.get(signal, fresh);
    return this.#silence === undefined ? answer : withPatience(answer, this.#silence);
  }

  /** @throws CallError where not even the storages are known; a storage that can't be read is in the answer */
  backups({ signal, fresh }: InventoryOptions = {}): Promise<Backups> {
    return this.#backups.get(signal, fresh);
  }

  /** Something in the cluster was changed: what was asked until now no longer holds. */
  changed(): void {
    this.#changedAt = this.#source.clock.now();
    this.#inventory.outdate();
    this.#backups.outdate();
  }

  async #ask(): Promise<Inventory> {
    const { cluster, clock, logger } = this.#source;
    const asOf = clock.now();
    const { data } = await this.#resources();
    if (!Array.isArray(data)) {
      throw new CallError('UPSTREAM_ERROR', 'The answer to /cluster/resources is not a list.', {
        cluster,
        hint: 'Check `url` of this cluster: it must be a node of Proxmox VE.',
      });
    }
    const { inventory, change } = this.#rows.next(data, asOf);
    logger.debug({ ...change, rows: inventory.rows.length }, 'inventory read');
    return inventory;
  }

  async #resources(): Promise<ProxmoxReply> {
    const call = { method: 'GET', path: RESOURCES_PATH, parameters: {}, deadlineMs: DEADLINE_MS } as const;
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
