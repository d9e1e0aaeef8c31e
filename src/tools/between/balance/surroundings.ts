import type { GatedCluster } from '../../../access/gate.ts';
import type { Inventory } from '../../../clusters/inventory.ts';
import { toCallError } from '../../../proxmox/errors.ts';
import { inQuotes, quoted } from '../../../proxmox/text.ts';
import {
  GENERATION_CALLS,
  generationOf,
  HA_CALLS,
  managerState,
  RULE_READS,
  readHa,
  readRules,
} from '../../ha/ha.ts';
import { type QuorumState, readQuorum } from '../../inventory/health-parts.ts';
import { textOf } from '../../results.ts';
import { type Affinity, affinityOf, type HaWishes } from './affinity.ts';

export const SURROUNDING_CALLS = [
  ...HA_CALLS,
  ...RULE_READS,
  ...GENERATION_CALLS,
  ['GET', '/cluster/status'],
] as const;

/** What decides about places in a cluster beside room. */
export interface Surroundings {
  inventory: Inventory;
  affinity: Affinity;
  quorum: QuorumState | undefined;
  /** What the local HA manager of a node is in: `active`, `maintenance mode`; by node. */
  managers: ReadonlyMap<string, string>;
  /** `sid`s that HA acts for. */
  managed: ReadonlySet<string>;
  /** What could not be read, as sentences. */
  unknown: string[];
}

/** Reads them at once; what of HA or quorum fails costs itself alone. @throws CallError of the inventory */
export async function readSurroundings(cluster: GatedCluster, signal: AbortSignal): Promise<Surroundings> {
  const unknown: string[] = [];
  const orUnknown = async <T>(what: string, work: Promise<T>): Promise<T | undefined> => {
    try {
      return await work;
    } catch (thrown) {
      signal.throwIfAborted();
      unknown.push(`${what} of ${cluster.name} is not known: ${toCallError(thrown).message}`);
      return undefined;
    }
  };
  const [inventory, ha, quorum] = await Promise.all([
    cluster.inventory({ fresh: true, signal }),
    orUnknown('HA', readWishes(cluster)),
    orUnknown('Quorum', readQuorum(cluster, signal)),
  ]);
  const lrms = (ha?.status ?? []).filter(({ type }) => type === 'lrm');
  const acting = [...(ha?.resources ?? [])].filter(([, { state }]) => state !== 'ignored');
  return {
    inventory,
    affinity: affinityOf(inventory.guests, ha),
    quorum,
    managers: new Map(lrms.map((row) => [String(row.node), managerState(textOf(row.status))])),
    managed: new Set(acting.map(([sid]) => sid)),
    unknown,
  };
}

async function readWishes(cluster: GatedCluster): Promise<HaWishes & Awaited<ReturnType<typeof readHa>>> {
  const [generation, ha] = await Promise.all([generationOf(cluster), readHa(cluster)]);
  return { ...ha, generation, rules: await readRules(cluster, generation) };
}

/** Why a node takes no guest now; undefined where it does. */
export function unfit(node: string, { inventory, quorum, managers }: Surroundings): string | undefined {
  const row = inventory.nodes.find((one) => one.node === node);
  const status = row?.status ?? 'unknown';
  if (status !== 'online') return `the node is ${quoted(status)}`;
  if (quorum?.nodes.some(({ name, online }) => name === node && !online)) return 'the node is offline';
  const manager = managers.get(node) ?? '';
  return /maintenance|dead/i.test(manager) ? `HA on it is in ${inQuotes(manager)}` : undefined;
}

/** Whether HA itself is emptying the node. */
export function isInMaintenance(node: string, { managers }: Surroundings): boolean {
  return /maintenance/i.test(managers.get(node) ?? '');
}
