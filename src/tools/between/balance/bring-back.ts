import type { GatedCluster } from '../../../access/gate.ts';
import type { Run } from '../../../access/runs/runs.ts';
import { quoted } from '../../../proxmox/text.ts';
import { sidOf } from '../../ha/ha.ts';
import { inWords } from '../../size.ts';
import { blocks, type Finding, warns } from '../finding.ts';
import { examine, type Stays } from './examine.ts';
import { isThere } from './moves.ts';
import { arrived, type PlannedMove } from './proposal.ts';
import { isInMaintenance, type Surroundings, unfit } from './surroundings.ts';

export interface BringBack {
  moves: PlannedMove[];
  stays: Stays[];
  findings: Finding[];
}

/** The guests that a drain took away from the node, and that nothing brought back since. */
export function takenAway(run: Run | undefined, node: string): PlannedMove[] {
  return run === undefined ? [] : arrived(run).filter((move) => move.from === node && move.to !== node);
}

/**
 * Works out which guests go back to the node: those that are still where they were put.
 *
 * @throws CallError; the signal's reason
 */
export async function planBringBack(
  cluster: GatedCluster,
  around: Surroundings,
  run: Run,
  { node, restartContainers }: { node: string; restartContainers: boolean },
  signal: AbortSignal,
): Promise<BringBack> {
  const { inventory } = around;
  const moves: PlannedMove[] = [];
  const stays: Stays[] = [];
  for (const away of takenAway(run, node)) {
    const { vmid, name, type } = away;
    const known = inventory.guests.find((guest) => guest.vmid === vmid);
    if (known === undefined || !(await isThere(cluster, away, away.to))) {
      const where = known === undefined ? 'It is no guest any more' : `It is on ${quoted(known.node)} now`;
      const guest = known ?? {
        id: `${type}/${vmid}`,
        type,
        vmid,
        node: away.to,
        name,
        status: 'unknown',
        template: false,
        tags: [],
      };
      stays.push({
        guest,
        why: `${where}, and not on ${quoted(away.to)}, where it was put.`,
        do: 'Somebody moved it: it is left where it is.',
      });
      continue;
    }
    const guest = { ...known, node: away.to };
    const options = { includeLocal: true, restartContainers: restartContainers || away.restart === true };
    const looked = await examine(cluster, guest, inventory.storages, options, signal);
    if ('why' in looked) stays.push(looked);
    else if (looked.refused.has(node))
      stays.push({ guest, why: `${looked.refused.get(node)}.`, do: 'Clear it, then repeat the call.' });
    else
      moves.push({
        vmid,
        type,
        from: away.to,
        to: node,
        ...(name === undefined ? {} : { name }),
        ...(looked.how === 'restart' ? { restart: true } : {}),
      });
  }
  return { moves, stays, findings: findingsOf(cluster, around, node, moves) };
}

function findingsOf(
  cluster: GatedCluster,
  around: Surroundings,
  node: string,
  moves: readonly PlannedMove[],
): Finding[] {
  const { inventory, quorum, managed } = around;
  const why = unfit(node, around);
  const row = inventory.nodes.find((one) => one.node === node);
  const guests = inventory.guests.filter(({ vmid }) => moves.some((move) => move.vmid === vmid));
  const wanted = guests.reduce((sum, { memBytes = 0 }) => sum + memBytes, 0);
  const free = (row?.maxMemBytes ?? 0) - (row?.memBytes ?? 0);
  const isFull = row?.memBytes !== undefined && row.maxMemBytes !== undefined && wanted > free;
  return [
    ...(quorum?.quorum === 'lost'
      ? [blocks(`${cluster.name} has no quorum.`, 'Bring its nodes back first: cluster_health.')]
      : []),
    ...(why === undefined || isInMaintenance(node, around)
      ? []
      : [blocks(`${node} can't take guests: ${why}.`, 'Bring it back first.')]),
    ...(isInMaintenance(node, around)
      ? [
          blocks(
            `${node} is in maintenance mode of HA.`,
            `ha-manager crm-command node-maintenance disable ${node} on a node's shell ends it.`,
          ),
        ]
      : []),
    ...(isFull
      ? [
          blocks(
            `${node} has ${inWords(free)} of memory free, and the guests take ${inWords(wanted)}.`,
            'Move others away first.',
          ),
        ]
      : []),
    ...(guests.some((guest) => managed.has(sidOf(guest)))
      ? [
          warns(
            'Some are under HA, which moves them on request and by its rules.',
            'list_ha shows when they are there.',
          ),
        ]
      : []),
  ];
}
