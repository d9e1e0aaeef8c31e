import type { GatedCluster } from '../../access/gate.ts';
import { isObject, isTrue } from '../../catalogue/json.ts';
import type { EffectivePermissions } from '../../catalogue/permissions.ts';
import type { Inventory } from '../../clusters/inventory.ts';
import { type ApiPath, apiPath } from '../../proxmox/api-path.ts';
import { CallError, toCallError } from '../../proxmox/errors.ts';
import { someOf } from '../fleet.ts';
import { rowsOf, textOf } from '../results.ts';
import {
  backupJobItems,
  isEnabled,
  networkItems,
  nodeItems,
  perNode,
  roleItems,
  storageItems,
  templateItems,
  versionItems,
} from './compared-items.ts';
import type { Aspect, Items } from './comparison.ts';
import { bridgeRows } from './default-bridge.ts';

type Row = Record<string, unknown>;

/** Nodes that are asked at once; the engine's queue is for all calls of the service. */
const NODES_AT_ONCE = 4;

interface Source {
  cluster: GatedCluster;
  inventory: Inventory;
  signal: AbortSignal;
}

/** What one cluster has of one aspect. */
interface AspectRead {
  items: Items;
  /** What a person should do something about. */
  findings?: string[];
  /** Parts that could not be read. */
  problems?: string[];
  /** The rows of `GET /storage`. */
  definitions?: Row[];
}

export interface ClusterRead {
  /** Names of the nodes. */
  nodes: string[];
  aspects: Map<Aspect, AspectRead>;
  unread: { aspect: Aspect; problem: string }[];
}

/** What a token needs to see a list; without it PVE answers a short one, and no error. */
interface Sight {
  path: string;
  privileges: readonly string[];
}

interface Reader {
  sight?: Sight;
  read(source: Source): Promise<AspectRead> | AspectRead;
}

const READERS: Readonly<Record<Aspect, Reader>> = {
  versions: { read: readVersions },
  nodes: { read: readNodes },
  storages: {
    sight: { path: '/storage', privileges: ['Datastore.Audit', 'Datastore.AllocateSpace'] },
    read: readStorages,
  },
  networks: { sight: { path: '/sdn/zones', privileges: ['SDN.Audit', 'SDN.Use'] }, read: readNetworks },
  templates: {
    sight: { path: '/vms', privileges: ['VM.Audit'] },
    read: ({ inventory }) => ({ items: templateItems(inventory.guests) }),
  },
  roles: {
    read: async (source) => ({ items: roleItems(await list(source, apiPath`/access/roles`)) }),
  },
  backup_jobs: { read: readBackupJobs },
};

/**
 * Reads the aspects of one cluster. What can't be read is told in its place and costs nothing else.
 *
 * @throws CallError where the cluster itself does not answer or may not be read; the signal's reason
 */
export async function readCluster(
  cluster: GatedCluster,
  aspects: readonly Aspect[],
  signal: AbortSignal,
): Promise<ClusterRead> {
  const inventory = await cluster.inventory({ signal });
  const permissions = await cluster.permissions().catch(() => undefined);
  const nodes = inventory.nodes.map(({ node }) => node);
  const result: ClusterRead = { nodes, aspects: new Map(), unread: [] };
  const source = { cluster, inventory, signal };
  await Promise.all(
    aspects.map(async (aspect) => {
      try {
        const read = await READERS[aspect].read(source);
        const hidden = permissions && hiddenFrom(permissions, READERS[aspect].sight, read.items);
        for (const problem of [...(read.problems ?? []), ...(hidden?.problem ?? [])]) {
          result.unread.push({ aspect, problem });
        }
        if (!hidden?.isAll) result.aspects.set(aspect, read);
      } catch (error) {
        signal.throwIfAborted();
        const known = toCallError(error);
        if (known.code === 'CLUSTER_UNREACHABLE') throw known;
        result.unread.push({ aspect, problem: `${known.code}: ${known.message}` });
      }
    }),
  );
  return inOrder(result, aspects);
}

/** What came first decides nothing about the answer. */
function inOrder({ nodes, aspects, unread }: ClusterRead, order: readonly Aspect[]): ClusterRead {
  return {
    nodes,
    aspects: new Map([...aspects].sort(([a], [b]) => order.indexOf(a) - order.indexOf(b))),
    unread: order.flatMap((aspect) => unread.filter((one) => one.aspect === aspect)),
  };
}

/** Whether a list is short because the token may not see more. */
function hiddenFrom(
  permissions: EffectivePermissions,
  sight: Sight | undefined,
  items: Items,
): { isAll: boolean; problem: string[] } {
  if (sight === undefined || holdsEverywhere(permissions, sight)) return { isAll: false, problem: [] };
  const needed = `${sight.privileges.join(' or ')} on ${sight.path}`;
  const isAll = items.size === 0;
  const problem = isAll
    ? `PERMISSION_DENIED: the token sees none; it needs ${needed}.`
    : `The token may not see all: it needs ${needed}.`;
  return { isAll, problem: [problem] };
}

/** Whether the token holds one of the privileges on the path and what is below it. */
export function holdsEverywhere(permissions: EffectivePermissions, { path, privileges }: Sight): boolean {
  const above = ['/', ...path.split('/').map((_part, index, parts) => parts.slice(0, index + 1).join('/'))];
  return above.some((at) => privileges.some((privilege) => isTrue(permissions[at]?.[privilege])));
}

async function readVersions(source: Source): Promise<AspectRead> {
  const { found, problems } = await onNodes(source, async (node) => {
    const { data } = await get(source, apiPath`/nodes/${node}/version`);
    return (isObject(data) ? textOf(data.version) : undefined) ?? 'unknown';
  });
  const mixed = new Set(found.values()).size > 1;
  const { name } = source.cluster;
  return {
    items: versionItems(found),
    findings: mixed
      ? [`${name} runs several versions of Proxmox VE (${perNode(found).text}): bring its nodes to one.`]
      : [],
    problems,
  };
}

function readNodes({ cluster, inventory: { nodes } }: Source): AspectRead {
  const away = nodes.filter(({ status }) => status !== 'online');
  const mute = nodes.filter(({ status, cpus }) => status === 'online' && cpus === undefined);
  return {
    items: nodeItems(nodes),
    findings: away.map(({ node, status }) => `${node} of ${cluster.name} is ${status}.`),
    problems:
      mute.length === 0
        ? []
        : [`No figures of ${someOf(mute.map(({ node }) => node))}: the token needs Sys.Audit on /nodes.`],
  };
}

async function readStorages(source: Source): Promise<AspectRead> {
  const definitions = await list(source, apiPath`/storage`);
  return { items: storageItems(definitions), definitions };
}

async function readNetworks(source: Source): Promise<AspectRead> {
  const { cluster, signal } = source;
  const [{ found, problems }, vnets] = await Promise.all([
    onNodes(source, (node) => bridgeRows(cluster, node, signal)),
    list(source, apiPath`/cluster/sdn/vnets`).catch((error: unknown) => {
      signal.throwIfAborted();
      return toCallError(error);
    }),
  ]);
  const bridge = cluster.settings.defaultBridge;
  const without = [...found].flatMap(([node, rows]) =>
    bridge === undefined || rows.some(({ iface }) => iface === bridge) ? [] : [node],
  );
  return {
    items: networkItems(found, vnets instanceof CallError ? [] : vnets),
    findings:
      without.length === 0
        ? []
        : [`${cluster.name}: the default bridge ${bridge} is not on ${someOf(without)}.`],
    problems: [
      ...problems,
      ...(vnets instanceof CallError ? [`VNets: ${vnets.code}: ${vnets.message}`] : []),
    ],
  };
}

async function readBackupJobs(source: Source): Promise<AspectRead> {
  const jobs = await list(source, apiPath`/cluster/backup`);
  const { cluster, inventory } = source;
  const guests = inventory.guests.filter(({ template }) => !template).length;
  const isBare = guests > 0 && !jobs.some(isEnabled);
  return {
    items: backupJobItems(jobs),
    findings: isBare ? [`${cluster.name} has no backup job that is enabled.`] : [],
  };
}

/**
 * Asks every node that is online, a few at once.
 *
 * @throws what the first one failed with, where all failed
 */
async function onNodes<T>({ inventory, signal }: Source, ask: (node: string) => Promise<T>) {
  const online = inventory.nodes.filter(({ status }) => status === 'online').map(({ node }) => node);
  const waiting = [...online];
  const answers = new Map<string, T>();
  const failures: { node: string; error: CallError }[] = [];
  const work = async (): Promise<void> => {
    for (let node = waiting.shift(); node !== undefined; node = waiting.shift()) {
      try {
        answers.set(node, await ask(node));
      } catch (error) {
        signal.throwIfAborted();
        failures.push({ node, error: toCallError(error) });
      }
    }
  };
  await Promise.all(Array.from({ length: NODES_AT_ONCE }, work));
  if (answers.size === 0 && failures[0] !== undefined) throw failures[0].error;
  return {
    found: new Map(online.flatMap((node) => (answers.has(node) ? [[node, answers.get(node) as T]] : []))),
    problems: failures.map(({ node, error }) => `${node}: ${error.code}: ${error.message}`),
  };
}

async function list(source: Source, path: ApiPath): Promise<Row[]> {
  return rowsOf((await get(source, path)).data);
}

function get({ cluster, signal }: Source, path: ApiPath) {
  return cluster.request({ method: 'GET', path, signal });
}
