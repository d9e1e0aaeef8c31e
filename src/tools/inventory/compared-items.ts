import { isTrue } from '../../catalogue/json.ts';
import type { GuestRow, NodeRow } from '../../clusters/inventory.ts';
import { count, numberOf, textOf } from '../results.ts';
import { inWords } from '../size.ts';
import { byName } from './capacity.ts';
import { type Item, type Items, itemsOf } from './comparison.ts';
import { backingOf, contentOf, isShared } from './storage-backing.ts';

type Row = Readonly<Record<string, unknown>>;
type Entry = readonly [name: string, item: Item];

/** @param versions by node */
export function versionItems(versions: ReadonlyMap<string, string>): Items {
  return itemsOf([['Proxmox VE', perNode(versions)]]);
}

/** Nodes have different names in each cluster: how many and how large they are is what compares. */
export function nodeItems(nodes: readonly NodeRow[]): Items {
  const away = nodes
    .filter(({ status }) => status !== 'online')
    .map(({ node, status }) => `${node} ${status}`);
  const state = away.length === 0 ? 'all online' : away.sort(byName).join(', ');
  const figures = (of: (node: NodeRow) => string | undefined): ReadonlyMap<string, string> =>
    new Map(
      nodes.flatMap((node) => {
        const told = of(node);
        return told === undefined ? [] : [[node.node, told]];
      }),
    );
  const cpus = figures((node) => (node.cpus === undefined ? undefined : `${node.cpus}`));
  const memory = figures(({ maxMemBytes }) => (maxMemBytes === undefined ? undefined : inWords(maxMemBytes)));
  return itemsOf([
    ['nodes', { text: `${nodes.length}, ${state}` }],
    ...(cpus.size === 0 ? [] : [['CPUs per node', perNode(cpus)] as const]),
    ...(memory.size === 0 ? [] : [['memory per node', perNode(memory)] as const]),
  ]);
}

/** @param definitions of `GET /storage` */
export function storageItems(definitions: readonly Row[]): Items {
  return itemsOf(
    definitions.map((definition): Entry => {
      const { storage, type, nodes, disable, path, vgname, thinpool, pool } = definition;
      const own = [path, vgname, thinpool, pool].flatMap((part) => textOf(part) ?? []);
      const parts = [
        textOf(type),
        isShared(definition) ? 'shared' : undefined,
        contentOf(definition).join('+') || 'no content',
        backingOf(definition)?.replace(/^\S+ /, '') ?? (own.join('/') || undefined),
        textOf(nodes) === undefined ? undefined : `on ${nodes} only`,
        isTrue(disable) ? 'disabled' : undefined,
      ];
      return [String(storage), { text: parts.filter((part) => part !== undefined).join(', ') }];
    }),
  );
}

/**
 * @param bridges by node, the rows of its bridges
 * @param vnets of `GET /cluster/sdn/vnets`
 */
export function networkItems(bridges: ReadonlyMap<string, readonly Row[]>, vnets: readonly Row[]): Items {
  const seen = [...bridges].flatMap(([node, rows]) =>
    // With SDN a node lists its VNets too; those of the cluster are told once.
    rows.filter((row) => row.type !== 'vnet').map((row) => ({ node, row })),
  );
  const entries = [...Map.groupBy(seen, ({ row }) => String(row.iface))].map(([iface, found]): Entry => {
    const nodes = found.map(({ node }) => node);
    const { text } = perNode(new Map(found.map(({ node, row }) => [node, bridgeText(row)])));
    const where = nodes.length === bridges.size ? 'on all nodes' : `on ${nodes.sort(byName).join(', ')} only`;
    return [iface, { text: `${text}, ${where}` }];
  });
  return itemsOf([
    ...entries,
    ...vnets.map((row): Entry => [`VNet ${String(row.vnet)}`, { text: vnetText(row) }]),
  ]);
}

function bridgeText({ type, bridge_vlan_aware: aware, mtu }: Row): string {
  const kind = type === 'OVSBridge' ? 'Open vSwitch bridge' : 'bridge';
  return [kind, ...(isTrue(aware) ? ['VLAN-aware'] : []), ...(mtu === undefined ? [] : [`MTU ${mtu}`])].join(
    ', ',
  );
}

function vnetText({ zone, tag, vlanaware }: Row): string {
  return [
    `zone ${textOf(zone) ?? 'unknown'}`,
    ...(tag === undefined ? [] : [`tag ${tag}`]),
    ...(isTrue(vlanaware) ? ['VLAN-aware'] : []),
  ].join(', ');
}

/** Templates are known by name over clusters: their VMIDs and nodes are each cluster's own affair. */
export function templateItems(guests: readonly GuestRow[]): Items {
  return itemsOf(
    guests
      .filter(({ template }) => template)
      .map(({ id, type, vmid, node, name, cpus, maxMemBytes, maxDiskBytes }): Entry => {
        const size = [
          ...(cpus === undefined ? [] : [count(cpus, 'CPU')]),
          ...(maxMemBytes === undefined ? [] : [`${inWords(maxMemBytes)} memory`]),
          ...(maxDiskBytes === undefined ? [] : [`${inWords(maxDiskBytes)} disk`]),
        ].join(', ');
        const kind = type === 'qemu' ? 'VM' : 'container';
        return [name ?? id, { text: `${kind} ${vmid} on ${node}: ${size}`, same: `${kind}: ${size}` }];
      }),
  );
}

/** Built-in roles differ with the version alone, which is told elsewhere. */
export function roleItems(roles: readonly Row[]): Items {
  return itemsOf(
    roles
      .filter(({ special }) => !isTrue(special))
      .map(({ roleid, privs }): Entry => {
        const members = (textOf(privs) ?? '')
          .split(/[;, ]+/)
          .filter((privilege) => privilege !== '')
          .sort();
        const text = members.length === 0 ? 'no privileges' : members.join(', ');
        return [String(roleid), { text, members }];
      }),
  );
}

/** @param jobs of `GET /cluster/backup` */
export function backupJobItems(jobs: readonly Row[]): Items {
  return itemsOf(jobs.map((job): Entry => [jobName(job), { text: jobText(job) }]));
}

export function isEnabled({ enabled }: Row): boolean {
  return enabled === undefined || isTrue(enabled);
}

/** PVE makes ids up, which are then different for the same job in two clusters. */
function jobName(job: Row): string {
  const id = textOf(job.id) ?? 'job';
  const isMadeUp = /^backup-[0-9a-f]{8}-[0-9a-f]{4}$|^[0-9a-f]{40}:\d+$/.test(id);
  return isMadeUp ? (textOf(job.comment) ?? `${scheduleOf(job)} of ${scopeOf(job)}`) : id;
}

function jobText(job: Row): string {
  const { storage, mode, compress, 'prune-backups': prune, node } = job;
  return [
    isEnabled(job) ? 'enabled' : 'disabled',
    scheduleOf(job),
    scopeOf(job),
    `to ${textOf(storage) ?? 'the default storage'}`,
    textOf(mode) ?? 'snapshot',
    ...[textOf(compress), pruneText(prune)].filter((part) => part !== undefined),
    ...(textOf(node) === undefined ? [] : [`on ${node} only`]),
  ].join(', ');
}

function scheduleOf({ schedule, dow, starttime }: Row): string {
  return textOf(schedule) ?? ([textOf(dow), textOf(starttime)].filter(Boolean).join(' ') || 'no schedule');
}

function scopeOf({ all, pool, vmid, exclude }: Row): string {
  if (textOf(pool) !== undefined) return `pool ${pool}`;
  if (isTrue(all)) return textOf(exclude) === undefined ? 'all guests' : `all guests but ${exclude}`;
  const given = textOf(vmid) ?? numberOf(vmid);
  return given === undefined ? 'no guests' : `guests ${given}`;
}

/** Written as text, and from some versions as an object. */
function pruneText(prune: unknown): string | undefined {
  if (typeof prune !== 'object' || prune === null) return textOf(prune);
  return Object.entries(prune)
    .map(([name, value]) => `${name}=${value}`)
    .sort()
    .join(',');
}

/** One value where all nodes have the same, else which nodes have which. */
export function perNode(values: ReadonlyMap<string, string>): Item {
  const groups = [...Map.groupBy(values, ([, value]) => value)];
  const [only, ...others] = groups;
  if (only !== undefined && others.length === 0) return { text: only[0] };
  const same = groups
    .map(([value]) => value)
    .sort()
    .join(' and ');
  const text = groups
    .map(
      ([value, found]) =>
        `${value} on ${found
          .map(([node]) => node)
          .sort(byName)
          .join(', ')}`,
    )
    .sort()
    .join('; ');
  return { text, same };
}
