import type { GatedCluster } from '../../../access/gate.ts';
import type { GuestRow, NodeRow } from '../../../clusters/inventory.ts';
import { pooled } from '../../pooled.ts';
import { objections } from './affinity.ts';
import type { Carrier, Load as Weight } from './board.ts';
import { machinesOf, withCpuModels } from './cpu-models.ts';
import { type EvenedOut, evenOut } from './even-out.ts';
import { type Examined, examine, lacksRoom, type Stays } from './examine.ts';
import type { Load, LoadTimeframe } from './load.ts';
import { measureGuests, type RestsOn, restsOnOf } from './measure.ts';
import { type Surroundings, unfit } from './surroundings.ts';

/** More guests are not looked at for a move: the heaviest move most. */
const MOST_MOVABLE = 100;

export interface RebalanceWish {
  tolerance: number;
  timeframe: LoadTimeframe;
  includeLocal: boolean;
}

export interface Rebalance extends EvenedOut {
  /** Running guests that were looked at and stay where they are, and why. */
  stays: Stays[];
  /** Nodes that neither give nor take, and why. */
  leftOut: { node: string; why: string }[];
  restsOn: RestsOn;
  loads: ReadonlyMap<number, Load>;
}

/**
 * Works out which guests should move. Nothing is sent but questions.
 *
 * @throws CallError of the inventory; the signal's reason
 */
export async function planRebalance(
  cluster: GatedCluster,
  around: Surroundings,
  { tolerance, timeframe, includeLocal }: RebalanceWish,
  signal: AbortSignal,
): Promise<Rebalance> {
  const { guests, nodes } = around.inventory;
  const leftOut = nodes.flatMap(({ node }) => {
    const why =
      unfit(node, around) ??
      (isTold(nodes.find((row) => row.node === node)) ? undefined : 'its figures are not told');
    return why === undefined ? [] : [{ node, why }];
  });
  const rows = nodes
    .filter(({ node }) => !leftOut.some((one) => one.node === node))
    .toSorted((a, b) => (a.node < b.node ? -1 : 1));
  const here = guests.filter(
    ({ node, status, template }) =>
      status === 'running' && !template && rows.some((row) => row.node === node),
  );
  const loads = await measureGuests(cluster, here, { timeframe, peaks: false }, signal);
  const carriers = rows.map((row) =>
    carrierOf(
      row,
      here.filter(({ node }) => node === row.node),
    ),
  );
  const still = here.map((guest) => weightOf(guest, loads.get(guest.vmid), []));
  const before = evenOut(carriers, still, tolerance);
  const common = { leftOut, loads, restsOn: restsOnOf(loads.values(), timeframe, 'AVERAGE') };
  if (before.gapBefore <= tolerance || rows.length < 2) return { ...before, stays: [], ...common };
  const heaviest = here.toSorted(
    (a, b) =>
      (loads.get(b.vmid)?.memMeanBytes ?? 0) - (loads.get(a.vmid)?.memMeanBytes ?? 0) || a.vmid - b.vmid,
  );
  const looked = await pooled(heaviest.slice(0, MOST_MOVABLE), (guest) =>
    examine(cluster, guest, around.inventory.storages, { includeLocal, restartContainers: false }, signal),
  );
  const machines = await machinesOf(
    cluster,
    rows.map(({ node }) => node),
    signal,
  );
  const able = await withCpuModels(
    cluster,
    looked.filter((one) => 'how' in one),
    machines,
  );
  const nodesOf = targetsIn(around, rows, able);
  const weights = here.map((guest) => weightOf(guest, loads.get(guest.vmid), nodesOf.get(guest.vmid) ?? []));
  const whereIs = new Map(guests.map(({ vmid, node }) => [vmid, node]));
  const evened = evenOut(carriers, weights, tolerance, (moved) =>
    [...moved].every(([vmid, node]) => {
      return (
        objections(around.affinity, vmid, node, (other) => moved.get(other) ?? whereIs.get(other)).length ===
        0
      );
    }),
  );
  return { ...evened, stays: looked.filter((one) => 'why' in one), ...common };
}

/** Where each guest may go, as far as it does not depend on where others go. */
function targetsIn(
  { affinity, inventory: { storages } }: Surroundings,
  rows: readonly NodeRow[],
  able: readonly Examined[],
): ReadonlyMap<number, string[]> {
  return new Map(
    able.map(({ guest, local, refused }) => {
      const fits = ({ node, cpus = 0 }: NodeRow): boolean =>
        node !== guest.node &&
        !refused.has(node) &&
        (guest.cpus ?? 1) <= cpus &&
        lacksRoom(local, node, storages) === undefined &&
        (affinity.nodes.get(guest.vmid) ?? []).every(({ nodes }) => nodes.has(node));
      return [guest.vmid, rows.filter(fits).map(({ node }) => node)];
    }),
  );
}

function isTold(row: NodeRow | undefined): boolean {
  return (
    row?.cpus !== undefined &&
    row.maxMemBytes !== undefined &&
    row.memBytes !== undefined &&
    row.cpuFraction !== undefined
  );
}

/** What a node takes beside its guests, now: the record of a node holds guests that have left it since. */
function carrierOf(
  { node, cpus = 1, cpuFraction = 0, memBytes = 0, maxMemBytes = 1 }: NodeRow,
  guests: readonly GuestRow[],
): Carrier {
  const busy = guests.reduce((sum, guest) => sum + (guest.cpuFraction ?? 0) * (guest.cpus ?? 0), 0);
  const taken = guests.reduce((sum, guest) => sum + (guest.memBytes ?? 0), 0);
  return {
    node,
    cpus,
    memBytes: maxMemBytes,
    baseCpus: Math.max(0, cpuFraction * cpus - busy),
    baseMemBytes: Math.max(0, memBytes - taken),
  };
}

function weightOf(
  { vmid, node, cpus = 1 }: GuestRow,
  load: Load | undefined,
  targets: readonly string[],
): Weight {
  return { vmid, node, cpus: (load?.cpuMean ?? 0) * cpus, memBytes: load?.memMeanBytes ?? 0, targets };
}
