import type { SetupCall, ToolCallTable } from './table.ts';

const cluster = 'production';

export const REPLICATION_SETUP: readonly SetupCall[] = [
  {
    line: 'POST /storage',
    data: { storage: 'tank', type: 'zfspool', pool: 'tank', content: 'images,rootdir' },
  },
  { line: 'POST /nodes/pve2/qemu', data: { vmid: 182, name: 'copied-01', scsi0: 'tank:4', memory: 512 } },
  { line: 'POST /cluster/replication', data: { id: '182-0', type: 'local', target: 'pve1' } },
];

export const REPLICATION_CALLS: ToolCallTable = {
  list_replication: { cluster, vmid: 182 },
  save_replication_job: { cluster, vmid: 182, target: 'pve3', schedule: '*/30' },
  delete_replication_job: { cluster, id: '182-0' },
  run_replication: { cluster, id: '182-0', wait_seconds: 1 },
};
