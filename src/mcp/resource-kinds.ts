import { isObject, type Json } from '../catalogue/json.ts';
import { matchUri, type ResourceValues } from './resource-uri.ts';

/** Which tool reads a resource, and with what. */
interface Reader {
  tool: string;
  args(values: ResourceValues): Record<string, unknown>;
}

/** What of an answer stays the same while nothing happens, part by part; a part that could not be read is undefined. */
export type Essence = Readonly<Record<string, unknown>>;

/** A sort of resource. One that has no variable is a single resource. */
export interface ResourceKind {
  name: string;
  title: string;
  description: string;
  template: string;
  /** The first that a caller is offered reads it; one that is offered none does not see the kind. */
  readers: readonly Reader[];
  /** What a watch asks for beside the arguments, where less than the whole answer will do. */
  watchArgs?: Readonly<Record<string, Record<string, unknown>>>;
  essence(answer: Json): Essence;
  /** Whether the answer says that there is no such thing, though the call did not fail. */
  isMissing?(answer: Json): boolean;
}

const clusters: ResourceKind = {
  name: 'clusters',
  title: 'Clusters',
  description: 'The clusters, whether each answers, and its version.',
  template: 'proxmox://clusters',
  readers: [{ tool: 'list_clusters', args: () => ({}) }],
  essence: ({ clusters: rows }) => ({ clusters: picked(rows, ['name', 'default', 'reachable', 'version']) }),
};

const alerts: ResourceKind = {
  name: 'alerts',
  title: 'Alerts',
  description: 'What this server found wrong by watching the clusters, and what to do.',
  template: 'proxmox://alerts',
  readers: [{ tool: 'list_alerts', args: () => ({ limit: 500 }) }],
  essence: ({ alerts: rows, total }) => ({ total, alerts: picked(rows, ['id', 'severity']) }),
};

const cluster: ResourceKind = {
  name: 'cluster',
  title: 'Cluster',
  description: 'Health of a cluster: quorum, nodes, endpoints, storages, rights, and what to do.',
  template: 'proxmox://{cluster}',
  readers: [{ tool: 'cluster_health', args: ({ cluster: name }) => ({ cluster: name }) }],
  essence: ({ clusters: rows }) => ({
    cluster: picked(rows, [
      'status',
      'reachable',
      'version',
      'quorum',
      'nodes_online',
      'nodes_offline',
      'findings_total',
    ]),
  }),
};

const node: ResourceKind = {
  name: 'node',
  title: 'Node',
  description: 'A node: load, version, services, subscription, updates, time and DNS.',
  template: 'proxmox://{cluster}/nodes/{node}',
  readers: [{ tool: 'get_node', args: ({ cluster: name, node: which }) => ({ cluster: name, node: which }) }],
  watchArgs: { get_node: { include: ['version', 'services', 'subscription'] } },
  essence: ({ node: row }) => {
    const { version, services, subscription } = objectOf(row);
    return {
      version: objectOf(version).version,
      services: objectOf(services).not_running,
      subscription: isObject(subscription) ? [subscription.active, subscription.level] : undefined,
    };
  },
};

const guest: ResourceKind = {
  name: 'guest',
  title: 'Guest',
  description: 'A VM or container: state, configuration, addresses, snapshots, last backup.',
  template: 'proxmox://{cluster}/guests/{vmid}',
  readers: [
    { tool: 'get_guest', args: ({ cluster: name, vmid }) => ({ cluster: name, vmid: Number(vmid) }) },
  ],
  essence: ({ guest: row, status, config, snapshots, last_backup_at }) => {
    const { options, disks, nics } = objectOf(config);
    return {
      guest: row,
      status: isObject(status)
        ? picked([status], ['state', 'lock', 'ha_state', 'template', 'cpus', 'max_mem_bytes'])
        : undefined,
      config: isObject(config) ? [options, disks, nics] : undefined,
      snapshots,
      last_backup_at,
    };
  },
};

const storage: ResourceKind = {
  name: 'storage',
  title: 'Storage',
  description: 'A storage: what it may hold, on which nodes it is, and how full.',
  template: 'proxmox://{cluster}/storages/{storage}',
  readers: [
    {
      tool: 'get_storage',
      args: ({ cluster: name, storage: which }) => ({ cluster: name, storage: which }),
    },
    { tool: 'list_storage', args: ({ cluster: name, storage: which }) => ({ cluster: name, name: which }) },
  ],
  essence: ({ storages, on_nodes, enabled, content }) => ({
    storages: picked(storages, ['storage', 'status', 'nodes', 'content']),
    on_nodes: picked(on_nodes, ['node', 'active']),
    definition: [enabled, content],
  }),
  isMissing: ({ storages, total }) => Array.isArray(storages) && total === 0,
};

const task: ResourceKind = {
  name: 'task',
  title: 'Task log',
  description: 'The end of a task’s log; the UPID is percent-encoded.',
  template: 'proxmox://{cluster}/tasks/{upid}',
  readers: [
    { tool: 'get_task_log', args: ({ cluster: name, upid }) => ({ cluster: name, upid, tail: 200 }) },
  ],
  watchArgs: { get_task_log: { tail: 1 } },
  essence: ({ total }) => ({ total }),
};

/** In the order in which clients see them. Names come before variables: a cluster called `clusters` has its nodes, and no more. */
export const RESOURCE_KINDS: readonly ResourceKind[] = [
  clusters,
  alerts,
  cluster,
  node,
  guest,
  storage,
  task,
];

/** The kind that a URI is of, and what is in its places; undefined for what is none of ours. */
export function kindOf(uri: string): { kind: ResourceKind; values: ResourceValues } | undefined {
  for (const kind of RESOURCE_KINDS) {
    const values = matchUri(kind.template, uri);
    if (values !== undefined) return { kind, values };
  }
  return undefined;
}

function picked(rows: unknown, members: readonly string[]): unknown {
  if (!Array.isArray(rows)) return undefined;
  return rows.filter(isObject).map((row) => members.map((member) => row[member] ?? null));
}

function objectOf(value: unknown): Json {
  return isObject(value) ? value : {};
}
