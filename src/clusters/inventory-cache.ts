import { apiPath } from '../proxmox/api-path.ts';
import type { Clock } from '../proxmox/breaker.ts';
import type { ProxmoxCall, ProxmoxReply } from '../proxmox/call.ts';
import type { Backups, Inventory, InventoryOptions } from './inventory.ts';
import { SharedAnswer } from './shared-answer.ts';

const FRESH_MS = 10_000;
const DEADLINE_MS = 20_000;

/** The inventory of one cluster, asked for when it is needed and kept for a while. */
export class InventoryCache {
  readonly #send: (call: ProxmoxCall) => Promise<ProxmoxReply>;
  readonly #clock: Clock;
  readonly #inventory: SharedAnswer<Inventory>;

  constructor(send: (call: ProxmoxCall) => Promise<ProxmoxReply>, _cluster: string, clock: Clock) {
    this.#send = send;
    this.#clock = clock;
    this.#inventory = new SharedAnswer(() => this.#ask(), FRESH_MS, clock);
  }

  get({ signal }: InventoryOptions = {}): Promise<Inventory> {
    return this.#inventory.get(signal);
  }

  async backups(_options: InventoryOptions = {}): Promise<Backups> {
    return { newest: new Map(), unread: [], asOf: this.#clock.now() };
  }

  forget(): void {
    this.#inventory.forget();
  }

  async #ask(): Promise<Inventory> {
    const path = apiPath`/cluster/resources`;
    const { data } = await this.#send({ method: 'GET', path, parameters: {}, deadlineMs: DEADLINE_MS });
    const rows = Array.isArray(data) ? data : [];
    return { guests: [], nodes: [], storages: [], rows, asOf: this.#clock.now() };
  }
}
