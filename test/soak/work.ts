import { randomUUID } from 'node:crypto';
import type { Simulator } from '../../src/simulator/simulator.ts';
import type { SoakClient } from './doors.ts';
import { pick, type Random } from './mishaps.ts';

/** The share of the calls that their client gives up. */
const ABORTED = 0.04;
const MOST_SNAPSHOTS = 6;

/** How calls ended, by tool outcome: `ok`, a code of the table of errors, `aborted`, or `lost: …`. */
export class Tally {
  readonly outcomes = new Map<string, number>();
  begun = 0;
  ended = 0;

  count(outcome: string): void {
    this.outcomes.set(outcome, (this.outcomes.get(outcome) ?? 0) + 1);
  }
}

interface Guest {
  cluster: string;
  vmid: number;
}

/** Calls tools as a few assistants at once would, through one client. */
export class Work {
  readonly #simulator: Simulator;
  readonly #random: Random;
  readonly #tally: Tally;
  readonly #approve: (number: number) => Promise<void>;

  /** @param approve decides on a plan as a person with a token of their own does */
  constructor(
    simulator: Simulator,
    random: Random,
    tally: Tally,
    approve: (number: number) => Promise<void>,
  ) {
    this.#simulator = simulator;
    this.#random = random;
    this.#tally = tally;
    this.#approve = approve;
  }

  /** One thing to do, with as many calls as it takes. */
  async one(client: SoakClient): Promise<void> {
    const guest = this.#guest();
    const chance = this.#random();
    if (chance < 0.55) await this.#read(client, guest);
    else if (chance < 0.8) await this.#snapshot(client, guest);
    else if (chance < 0.9) {
      const action = pick(['start', 'stop', 'shutdown', 'reboot'], this.#random);
      await this.#approved(client, 'power_guest', { ...guest, action, wait_seconds: 1 });
    } else if (chance < 0.95) await this.#call(client, 'nonexistent_tool', {});
    else
      await this.#call(client, 'proxmox_api_call', { path: 7, method: 'SMASH', nonsense: 'x'.repeat(2000) });
  }

  async #read(client: SoakClient, { cluster, vmid }: Guest): Promise<void> {
    const calls: readonly [string, object][] = [
      ['list_clusters', {}],
      ['list_nodes', { cluster }],
      ['get_cluster_resources', { cluster, limit: 20 }],
      ['find_guests', { query: 'web' }],
      ['get_guest', { cluster, vmid }],
      ['list_snapshots', { cluster, vmid }],
      ['list_tasks', { cluster }],
      ['search_api', { query: 'snapshot' }],
      ['proxmox_api_call', { cluster, method: 'GET', path: '/version' }],
      ['proxmox_api_call', { cluster, method: 'GET', path: '/cluster/resources', limit: 5 }],
      ['list_alerts', {}],
      ['backup_coverage', { cluster }],
    ];
    const [name, args] = pick(calls, this.#random);
    await this.#call(client, name, args);
  }

  /** A new name each time: a call that was sent twice shows at the cluster as the same name twice. */
  async #snapshot(client: SoakClient, guest: Guest): Promise<void> {
    const listed = await this.#call(client, 'list_snapshots', { ...guest });
    const names = ((listed?.snapshots ?? []) as { name?: string; snapshot?: string }[])
      .map(({ name, snapshot }) => name ?? snapshot ?? '')
      .filter((name) => name.startsWith('soak'));
    if (names.length < MOST_SNAPSHOTS) {
      const snapshot = `soak${randomUUID().slice(0, 13).replaceAll('-', '')}`;
      await this.#call(client, 'create_snapshot', { ...guest, snapshot, wait_seconds: 1 });
    } else {
      const snapshot = pick(names, this.#random);
      await this.#approved(client, 'delete_snapshot', { ...guest, snapshot, wait_seconds: 1 });
    }
  }

  /** A call that a person approves where the policy wants it. */
  async #approved(client: SoakClient, name: string, args: object): Promise<void> {
    const answer = await this.#call(client, name, args);
    const error = answer?.error as { code?: string; plan?: { number?: number } } | undefined;
    const number = error?.plan?.number;
    if (error?.code !== 'APPROVAL_REQUIRED' || number === undefined) return;
    await this.#approve(number);
    await this.#call(client, name, args);
  }

  async #call(client: SoakClient, name: string, args: object): Promise<Record<string, unknown> | undefined> {
    const ending = new AbortController();
    const isAborted = this.#random() < ABORTED;
    const timer = isAborted ? setTimeout(() => ending.abort(), this.#random() * 40) : undefined;
    this.#tally.begun += 1;
    try {
      const { isError, structured } = await client.call(name, args, ending.signal);
      this.#tally.count(isError ? (structured?.error?.code ?? 'an error without a code') : 'ok');
      return structured;
    } catch (error) {
      this.#tally.count(ending.signal.aborted ? 'aborted' : `refused: ${reasonOf(error)}`);
      return undefined;
    } finally {
      clearTimeout(timer);
      this.#tally.ended += 1;
    }
  }

  #guest(): Guest {
    const cluster = pick(this.#simulator.clusters, this.#random);
    return { cluster: cluster.name, vmid: pick([...cluster.state.guests.keys()], this.#random) };
  }
}

function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.replaceAll(/[0-9a-f-]{36}|\d+/g, '…').slice(0, 120);
}
