import type { SetupCall, ToolCallTable } from './table.ts';

export const BETWEEN_SETUP: readonly SetupCall[] = [
  // Two large guests on one node of two, for rebalance_plan.
  ...[170, 171].flatMap((vmid): SetupCall[] => [
    {
      cluster: 'staging',
      line: 'POST /nodes/stg1/qemu',
      data: { vmid, name: `heavy-${vmid}`, memory: '16384', cores: 4 },
    },
    { cluster: 'staging', line: `POST /nodes/stg1/qemu/${vmid}/status/start` },
  ]),
  {
    line: 'POST /nodes/pve2/vzdump',
    data: { vmid: '103', storage: 'backup-nfs', compress: 'zstd', 'notes-template': 'build-01', remove: 0 },
  },
];

export const BETWEEN_CALLS: ToolCallTable = {
  migrate_guest_between_clusters: {
    cluster: 'production',
    vmid: 103,
    to: 'disaster-recovery',
    action: 'start',
    target_vmid: 703,
  },
  backup_guest_to_cluster: {
    ...{ cluster: 'production', vmid: 103, to: 'disaster-recovery', action: 'start', start: true },
    // Of the backup that is made above.
    volid: 'dr-nfs:backup/vzdump-qemu-103-2025_01_15-12_00_00.vma.zst',
    ...{ target_vmid: 803, new_name: 'build-copy' },
  },
  failover_plan: { cluster: 'production', to: 'disaster-recovery' },
  failover_run: { cluster: 'production', to: 'disaster-recovery', tag: 'ci', dry_run: false },
  failback: {
    cluster: 'production',
    from: 'disaster-recovery',
    guests: ['dr-web-standby'],
    dry_run: false,
    anew: true,
  },
  cost_report: { cluster: 'production', by: 'guest', period: 'day' },
  placement: { cpus: 2, memory: '4G', disk: '20G' },
  rebalance_plan: { cluster: 'staging', tolerance: 5, apply: true },
  drain_node: { cluster: 'production', node: 'pve3', action: 'drain', include_local: true },
  sync_templates: {
    url: 'https://cloud.example.org/alike.iso',
    clusters: ['production', 'disaster-recovery'],
    to: ['disaster-recovery'],
    apply: true,
  },
  sync_definitions: {
    from: 'production',
    to: ['disaster-recovery'],
    kinds: ['pools', 'aliases'],
    delete_extra: true,
    apply: true,
  },
  save_cluster_replication: {
    ...{ job: 'build', cluster: 'production', vmid: 103, to: 'disaster-recovery' },
    ...{ every_minutes: 60, vmids: [900_010, 900_011] },
  },
  list_cluster_replication: {},
  run_cluster_replication: { job: 'prepared' },
};
