import type { GatedCluster } from '../../../access/gate.ts';
import type { GuestRow, NodeRow } from '../../../clusters/inventory.ts';
import { quoted } from '../../../proxmox/text.ts';
import { someOf } from '../../fleet.ts';
import { sidOf } from '../../ha/ha.ts';
import { pooled } from '../../pooled.ts';
import { count } from '../../results.ts';
import { inWords } from '../../size.ts';
import { blocks, type Finding, sorted, warns } from '../finding.ts';
import { objections } from './affinity.ts';
import { machinesOf, withCpuModels } from './cpu-models.ts';
import { type Examined, examine, lacksRoom, type MoveOptions, type Stays } from './examine.ts';
import { type Load, loadOfNode, loadsOf } from './load.ts';
import { measureGuests, type RestsOn, restsOnOf } from './measure.ts';
import { type Item, pack, type Room } from './pack.ts';
import type { PlannedMove } from './proposal.ts';
import { isInMaintenance, type Surroundings, unfit } from './surroundings.ts';

/** Of the memory of a node that is left free. */
const RESERVE = 0.05;

export interface DrainWish extends MoveOptions {
  node: string;
  /** Guests that are down, too. */
  stopped: boolean;
}

export interface DrainMove extends PlannedMove {
  how: Examined['how'];
  why: string;
}

export interface DrainPlan {
  moves: DrainMove[];
  stays: Stays[];
  findings: Finding[];
  restsOn: RestsOn;
}

/**
 * Works out where the guests of a node go, so that it can be taken down. Nothing is sent but questions.
 *
 * @throws CallError of the inventory; the signal's reason
 */
export async function planDrain(
  cluster: GatedCluster,
  around: Surroundings,
  wish: DrainWish,
  signal: AbortSignal,
): Promise<DrainPlan> {
  const { node } = wish;
  const { inventory } = around;
  const here = inventory.guests.filter((guest) => guest.node === node).toSorted((a, b) => a.vmid - b.vmid);
  const wanted = here.filter(({ template, status }) => !template && (wish.stopped || status !== 'stopped'));
  const others = inventory.nodes.filter((row) => row.node !== node && unfit(row.node, around) === undefined);
  const findings = nodeFindings(cluster, around, node);
  const looked = await pooled(wanted, (guest) => examine(cluster, guest, inventory.storages, wish, signal));
  const machines = await machinesOf(cluster, [node, ...others.map((row) => row.node)], signal);
  const able = await withCpuModels(
    cluster,
    looked.filter((one) => 'how' in one),
    machines,
  );
  const stays = looked.filter((one) => 'why' in one);
  const verdicts = able.map((one) => ({ one, ...choicesOf(one, others, around) }));
  stays.push(
    ...verdicts.flatMap(({ one, nodes, against }) =>
      nodes.length > 0 ? [] : [nowhere(one.guest, against, others)],
    ),
  );
  const placeable = verdicts.filter(({ nodes }) => nodes.length > 0);
  const [loads, nodeLoads] = await Promise.all([
    measureGuests(
      cluster,
      placeable.map(({ one }) => one.guest),
      { timeframe: 'day', peaks: true },
      signal,
    ),
    loadsOf(
      others,
      (row) => row.node,
      (row) => loadOfNode({ cluster, timeframe: 'day', peaks: false }, row, signal),
    ),
  ]);
  const rooms = others.flatMap((row) => roomOf(row, nodeLoads.get(row.node)));
  const items = placeable.map(({ one }) => itemOf(one, loads.get(one.guest.vmid)));
  const restsOn = restsOnOf([...loads.values(), ...nodeLoads.values()], 'day', 'AVERAGE and MAX');
  const placed = placing(
    items,
    rooms,
    placeable.map(({ one, nodes }) => ({ one, nodes })),
    around,
  );
  if (placed === undefined) {
    return { moves: [], stays, findings: sorted([...findings, noRoom(items, rooms)]), restsOn };
  }
  const whereIs = whereAfter(around, node, placed);
  const moves = placeable.map(({ one }) => moveOf(one, placed.get(one.guest.vmid) ?? '', node, items));
  const doubts = moves.flatMap(({ vmid, to }) =>
    objections(around.affinity, vmid, to, whereIs).map(({ why }) =>
      warns(`${vmid} on ${quoted(to)}: ${why}.`, 'It is moved nevertheless, for no other node would do.'),
    ),
  );
  return { moves: inOrder(moves, items), stays, findings: sorted([...findings, ...doubts]), restsOn };
}

function nodeFindings(cluster: GatedCluster, around: Surroundings, node: string): Finding[] {
  const { inventory, quorum, managed } = around;
  const row = inventory.nodes.find((one) => one.node === node);
  const online = inventory.nodes.filter(({ status }) => status === 'online').length;
  const total = inventory.nodes.length;
  const underHa = inventory.guests.some((guest) => guest.node === node && managed.has(sidOf(guest)));
  const maintenance = `ha-manager crm-command node-maintenance enable ${node}`;
  return [
    ...(row?.status === 'online'
      ? []
      : [
          blocks(
            `${node} is ${row?.status ?? 'unknown'}: nothing can move from it.`,
            'Bring it back; HA recovers the guests it manages, failover_run others from backups.',
          ),
        ]),
    ...(total < 2
      ? [
          blocks(
            `${cluster.name} has no other node.`,
            'migrate_guest_between_clusters moves guests to another cluster.',
          ),
        ]
      : []),
    ...(quorum?.quorum === 'lost'
      ? [blocks(`${cluster.name} has no quorum.`, 'Bring its nodes back first: cluster_health.')]
      : []),
    ...(total >= 2 && (online - 1) * 2 <= total
      ? [
          warns(
            `With ${node} down, ${online - 1} of ${total} nodes are left: no quorum, unless a QDevice votes.`,
            'Guests go on running, and nothing can be changed meanwhile.',
          ),
        ]
      : []),
    ...(underHa && !isInMaintenance(node, around)
      ? [
          warns(
            `Guests under HA are moved by requests to HA; while ${node} stays online HA may bring some back.`,
            `The API has no maintenance mode: ${maintenance} on a node's shell switches it on, and HA then empties the node of them itself.`,
          ),
        ]
      : []),
    ...(underHa && isInMaintenance(node, around)
      ? [
          warns(
            `${node} is in maintenance mode: HA moves its guests itself.`,
            `Switch it off afterwards: ${maintenance.replace('enable', 'disable')}.`,
          ),
        ]
      : []),
  ];
}

/** The nodes that would do for a guest alone, and what speaks against each other one. */
function choicesOf({ guest, local, refused }: Examined, others: readonly NodeRow[], around: Surroundings) {
  const against = new Map<string, string>();
  if (isInMaintenance(guest.node, around) && around.managed.has(sidOf(guest))) {
    return {
      nodes: [],
      against: new Map([['HA', 'HA moves it itself, as the node is in maintenance mode']]),
    };
  }
  for (const { node, cpus } of others) {
    const rule = (around.affinity.nodes.get(guest.vmid) ?? []).find(({ nodes }) => !nodes.has(node));
    const why =
      refused.get(node) ??
      lacksRoom(local, node, around.inventory.storages) ??
      (rule && `${rule.name} ${rule.strict ? 'forbids it' : 'prefers others: HA would bring it back'}`) ??
      ((guest.cpus ?? 1) > (cpus ?? Number.POSITIVE_INFINITY)
        ? `it has ${cpus} CPUs, the guest ${guest.cpus}`
        : undefined);
    if (why !== undefined) against.set(node, why);
  }
  return { nodes: others.map(({ node }) => node).filter((node) => !against.has(node)), against };
}

function nowhere(guest: GuestRow, against: ReadonlyMap<string, string>, others: readonly NodeRow[]): Stays {
  if (others.length === 0)
    return { guest, why: 'No other node takes guests now.', do: 'Look at cluster_health.' };
  const each = someOf([...against].map(([node, why]) => `${node}: ${why}`));
  const isHa = [...against.values()].some((why) => why.startsWith('the HA') || why.startsWith('HA '));
  return {
    guest,
    why: `No other node takes it: ${each}.`,
    do: isHa
      ? `Leave it to HA: ha-manager crm-command node-maintenance enable ${guest.node}, or change the rule.`
      : 'Shut it down for the maintenance, or clear what is named.',
  };
}

function roomOf({ node, cpus, memBytes, maxMemBytes }: NodeRow, load: Load | undefined): Room[] {
  if (memBytes === undefined || maxMemBytes === undefined) return [];
  const used = Math.max(memBytes, load?.memP95Bytes ?? 0);
  return [
    {
      node,
      freeBytes: maxMemBytes * (1 - RESERVE) - used,
      totalBytes: maxMemBytes,
      cpus: cpus ?? Number.POSITIVE_INFINITY,
    },
  ];
}

/** One that runs needs what it took at its peak; where nothing was recorded, all that it may take. */
function itemOf({ guest, how }: Examined, load: Load | undefined): Item {
  const { vmid, maxMemBytes = 0, memBytes = 0, cpus = 1 } = guest;
  const peak = load?.basis === 'recorded' ? Math.max(load.memPeakBytes, memBytes) : maxMemBytes;
  return { vmid, memBytes: how === 'offline' ? 0 : peak, vcpus: cpus };
}

function placing(
  items: readonly Item[],
  rooms: readonly Room[],
  choices: readonly { one: Examined; nodes: readonly string[] }[],
  around: Surroundings,
): ReadonlyMap<number, string> | undefined {
  const nodesOf = new Map(choices.map(({ one, nodes }) => [one.guest.vmid, nodes]));
  const drained = choices[0]?.one.guest.node ?? '';
  return pack(items, rooms, (vmid, node, placed) => {
    const against = objections(around.affinity, vmid, node, whereAfter(around, drained, placed));
    const isRefused = !(nodesOf.get(vmid) ?? []).includes(node) || against.some(({ strict }) => strict);
    return { isRefused, doubts: against.length };
  });
}

/** Guests of the drained node are where they are put, and until then nowhere. */
function whereAfter({ inventory }: Surroundings, drained: string, placed: ReadonlyMap<number, string>) {
  const others = new Map(
    inventory.guests.filter(({ node }) => node !== drained).map(({ vmid, node }) => [vmid, node]),
  );
  return (vmid: number): string | undefined => placed.get(vmid) ?? others.get(vmid);
}

function noRoom(items: readonly Item[], rooms: readonly Room[]): Finding {
  if (rooms.length === 0) {
    return blocks('How much memory the other nodes have free is not told.', 'It takes Sys.Audit on /nodes.');
  }
  const wanted = items.reduce((sum, { memBytes }) => sum + memBytes, 0);
  const free = rooms.map(({ node, freeBytes }) => `${node} ${inWords(Math.max(0, freeBytes))}`);
  return blocks(
    `The other nodes can't hold ${count(items.length, 'guest')} that take ${inWords(wanted)} of memory at their peak: free are ${someOf(free) || 'none'}, less 5% each.`,
    'Shut guests down that can wait, or move some to another cluster (placement).',
  );
}

function moveOf(
  { guest, how, local }: Examined,
  to: string,
  from: string,
  items: readonly Item[],
): DrainMove {
  const { vmid, name, type } = guest;
  const memory = items.find((item) => item.vmid === vmid)?.memBytes ?? 0;
  const copied = local.reduce((sum, { bytes }) => sum + bytes, 0);
  const words = {
    live: 'goes on running',
    restart: 'is shut down, moved and started again',
    offline: 'is down',
  };
  const why = `${words[how]}${memory === 0 ? '' : `; up to ${inWords(memory)} of memory, which ${to} has free`}${copied === 0 ? '' : `; ${inWords(copied)} of local disks are copied`}`;
  return {
    vmid,
    type,
    from,
    to,
    how,
    why,
    ...(name === undefined ? {} : { name }),
    ...(how === 'restart' ? { restart: true } : {}),
  };
}

/** Those that run first, the largest of them first: they decide whether it works out. */
function inOrder(moves: readonly DrainMove[], items: readonly Item[]): DrainMove[] {
  const memory = new Map(items.map(({ vmid, memBytes }) => [vmid, memBytes]));
  return moves.toSorted((a, b) => (memory.get(b.vmid) ?? 0) - (memory.get(a.vmid) ?? 0) || a.vmid - b.vmid);
}
