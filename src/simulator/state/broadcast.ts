import type { ClusterState, Node } from './cluster-state.ts';
import { type GuestFigures, guestFigures, type NodeFigures, nodeFigures } from './figures.ts';
import { type Guest, guestName, isTemplate } from './guest.ts';

/** What one round of the nodes' reports says of a guest. */
export interface GuestStatistics {
  name: string;
  status: Guest['status'];
  template: boolean;
  figures: GuestFigures;
}

/**
 * What the nodes tell each other about their guests, every few seconds. The inventory shows the last round:
 * a guest that was started since still counts as stopped, one that was made since has no statistics at all.
 */
export class Broadcast {
  readonly #clock: () => number;
  readonly #cycle: number;
  #guests = new Map<number, GuestStatistics>();
  #nodes = new Map<string, NodeFigures>();
  #due = Number.NEGATIVE_INFINITY;

  /** @param cycle in ms of `clock`; with 0 what is read is live */
  constructor(clock: () => number, cycle: number) {
    this.#clock = clock;
    this.#cycle = cycle;
  }

  /** Takes the round that is due. Called before each request, hence before what the request changes. */
  settle(state: ClusterState): void {
    const now = this.#clock();
    if (this.#cycle <= 0 || now < this.#due) return;
    const missed = Number.isFinite(this.#due) ? (now - this.#due) % this.#cycle : 0;
    this.#due = now + this.#cycle - missed;
    this.#guests = new Map([...state.guests.values()].map((guest) => [guest.vmid, statistics(guest, now)]));
    this.#nodes = new Map(state.nodes.map((node) => [node.name, nodeFigures(state, node)]));
  }

  /** @returns undefined for a guest that no round has seen yet */
  guest(guest: Guest): GuestStatistics | undefined {
    return this.#cycle <= 0 ? statistics(guest, this.#clock()) : this.#guests.get(guest.vmid);
  }

  node(state: ClusterState, node: Node): NodeFigures {
    return this.#nodes.get(node.name) ?? nodeFigures(state, node);
  }
}

function statistics(guest: Guest, now: number): GuestStatistics {
  return {
    name: guestName(guest),
    status: guest.status,
    template: isTemplate(guest),
    figures: guestFigures(guest, now),
  };
}
