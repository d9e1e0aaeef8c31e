import type { GatedCluster } from '../../../access/gate.ts';
import type { Inventory } from '../../../clusters/inventory.ts';
import { quoted } from '../../../proxmox/text.ts';
import type { ApiCall } from '../../define.ts';
import { backingOf, contentOf } from '../../inventory/storage-backing.ts';
import { textOf } from '../../results.ts';
import { type Definition, readDefinitions } from '../../storage/definition.ts';

export const COMMON_STORAGE_CALLS = [
  ['GET', '/storage'],
  ['GET', '/cluster/resources'],
] as const satisfies readonly ApiCall[];

/** A place for backups that two clusters see, each under an id of its own. */
export interface CommonStorage {
  /** Its id on the source cluster. */
  source: string;
  /** Its id on the target cluster. */
  target: string;
  kind: string;
  /** `NFS 192.0.2.41:/export/backups`. */
  backend: string;
  /** Nodes where it can be used now; empty where the caller sees no storage of that cluster. */
  sourceNodes: string[];
  targetNodes: string[];
  /** What to beware of, in whole sentences. */
  warnings: string[];
}

const KINDS: Readonly<Record<string, string>> = { nfs: 'NFS', cifs: 'CIFS', pbs: 'PBS', cephfs: 'CephFS' };
const PBS_PORT = '8007';

/**
 * Matches the storages that hold backups of two clusters by what is behind them. Hosts are compared as they are
 * written: a name and its address are not recognised as one.
 *
 * @returns by their id on the source
 * @throws CallError where either does not show its storages
 */
export async function commonStorages(source: GatedCluster, target: GatedCluster): Promise<CommonStorage[]> {
  const [here, there] = await Promise.all([placesOf(source), placesOf(target)]);
  const pairs = here.flatMap((one) =>
    there.filter(({ place }) => place === one.place).map((other) => pairOf(one, other)),
  );
  return pairs.sort((a, b) => (a.source < b.source ? -1 : 1));
}

interface Place {
  definition: Definition;
  /** The same text for the same place. */
  place: string;
  nodes: string[];
}

async function placesOf(cluster: GatedCluster): Promise<Place[]> {
  const [definitions, inventory] = await Promise.all([readDefinitions(cluster), cluster.inventory()]);
  return definitions.flatMap((definition) => {
    const { enabled, type, content, options } = definition;
    const row = { ...options, type };
    const backing = backingOf(row);
    const holds = contentOf({ type, content: content.join(',') || undefined }).includes('backup');
    if (!enabled || !holds || backing === undefined) return [];
    // Two servers may answer at one address.
    const port = type === 'pbs' ? ` port ${String(options.port ?? PBS_PORT)}` : '';
    return [{ definition, place: `${backing}${port}`, nodes: nodesOf(inventory, definition.storage) }];
  });
}

function nodesOf({ storages, nodes }: Inventory, storage: string): string[] {
  const offline = nodes.filter(({ status }) => status === 'offline').map(({ node }) => node);
  return storages
    .filter((row) => row.storage === storage && row.status === 'available' && !offline.includes(row.node))
    .map(({ node }) => node)
    .sort();
}

function pairOf(one: Place, other: Place): CommonStorage {
  const { type } = one.definition;
  return {
    source: one.definition.storage,
    target: other.definition.storage,
    kind: type,
    backend: backendOf(one.definition),
    sourceNodes: one.nodes,
    targetNodes: other.nodes,
    warnings: type === 'pbs' ? warningsOfPbs(one.definition, other.definition) : [],
  };
}

function backendOf({ type, options }: Definition): string {
  const kind = KINDS[type] ?? type;
  const whole = backingOf({ ...options, type }) ?? type;
  if (type !== 'pbs') return `${kind} ${whole.slice(type.length + 1)}`;
  const namespace = textOf(options.namespace);
  return `${kind} ${textOf(options.server)}, datastore ${textOf(options.datastore)}${namespace === undefined ? '' : `, namespace ${namespace}`}`;
}

function warningsOfPbs(one: Definition, other: Definition): string[] {
  const key = (definition: Definition) => textOf(definition.options['encryption-key']);
  const user = (definition: Definition) => textOf(definition.options.username);
  const [storage, otherStorage] = [quoted(one.storage), quoted(other.storage)];
  return [
    `Guests of equal VMID share one group of backups in ${storage}: a backup of one counts, and is pruned, among those of the other. Use one namespace per cluster where both back up.`,
    ...(key(one) === undefined || key(one) === key(other)
      ? []
      : [
          `${storage} encrypts with a key that ${otherStorage} does not have: what is backed up can't be restored there.`,
        ]),
    ...(user(one) === user(other)
      ? []
      : [
          `${storage} and ${otherStorage} log in to PBS as different users: one may not see what the other backed up.`,
        ]),
  ];
}
