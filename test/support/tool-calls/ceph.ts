import type { SetupCall, ToolCallTable } from './table.ts';

const cluster = 'production';

export const CEPH_SETUP: readonly SetupCall[] = [
  { line: 'POST /nodes/pve1/ceph/pool', data: { name: 'scratch', size: 3 } },
];

export const CEPH_CALLS: ToolCallTable = {
  ceph_status: { cluster },
  list_osds: { cluster },
  list_ceph_pools: { cluster },
  list_ceph_services: { cluster },
  save_ceph_pool: { cluster, name: 'fast', size: 3, pg_num: 64 },
  delete_ceph_pool: { cluster, name: 'scratch' },
  set_osd: { cluster, osd: 0, action: 'out' },
  set_ceph_flags: { cluster, flags: ['noout'], on: true },
};
