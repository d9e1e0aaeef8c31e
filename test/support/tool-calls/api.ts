import type { ToolCallTable } from './table.ts';

const cluster = 'production';

export const API_CALLS: ToolCallTable = {
  search_api: { cluster, query: 'delete guest' },
  describe_api: { cluster, path: '/nodes/{node}/qemu/{vmid}', method: 'DELETE' },
  proxmox_api_call: { cluster, path: '/nodes/pve2/qemu/103', method: 'DELETE', data: { purge: 1 } },
};
