import type { ToolCallTable } from './table.ts';

export const INVENTORY_CALLS: ToolCallTable = {
  list_clusters: {},
  cluster_health: {},
  list_nodes: { fresh: true },
  get_node: { cluster: 'production', node: 'pve1' },
  list_node_disks: { cluster: 'production', node: 'pve1' },
  list_node_devices: { cluster: 'production', node: 'pve1' },
  get_cluster_resources: { cluster: 'production', fresh: true },
  find_guests: { fresh: true },
  resolve_guest: { cluster: 'production', vmid: 100 },
  list_storage: {},
  cluster_capacity: { cpus: 2, memory: '4G', disk: '20G' },
  compare_clusters: {},
};
