import type { SetupCall, ToolCallTable } from './table.ts';

const cluster = 'production';
const node = 'pve1';

/** On pve1 something is applied, on pve2 something waits. */
export const NETWORK_SETUP: readonly SetupCall[] = [
  { line: 'POST /nodes/pve1/network', data: { iface: 'vmbr7', type: 'bridge', autostart: 1 } },
  { line: 'PUT /nodes/pve1/network' },
  { line: 'POST /nodes/pve2/network', data: { iface: 'vmbr8', type: 'bridge', autostart: 1 } },
  { line: 'POST /cluster/sdn/zones', data: { zone: 'lab', type: 'simple' } },
  { line: 'PUT /cluster/sdn' },
  { line: 'POST /cluster/sdn/vnets', data: { vnet: 'lab1', zone: 'lab' } },
];

export const NETWORK_CALLS: ToolCallTable = {
  list_networks: { cluster, node },
  trace_nic: { cluster, vmid: 100 },
  save_network: { cluster, node, iface: 'vmbr9', type: 'bridge', cidr: '192.0.2.200/24' },
  delete_network: { cluster, node, iface: 'vmbr7' },
  apply_network: { cluster, node: 'pve2' },
  revert_network: { cluster, node: 'pve2' },
  list_sdn: { cluster, kind: 'zone' },
  save_sdn: { cluster, kind: 'zone', id: 'other', type: 'simple', settings: { mtu: 1500 } },
  delete_sdn: { cluster, kind: 'vnet', id: 'lab1' },
  apply_sdn: { cluster },
};
