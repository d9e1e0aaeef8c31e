import type { ToolCallTable } from './table.ts';

const cluster = 'production';
/** Of web-01, of the night before `PREPARED_AT`. */
const volid = 'nas:backup/vzdump-qemu-100-2025_01_14-02_00_00.vma.zst';

export const BACKUPS_CALLS: ToolCallTable = {
  create_backup: { cluster, vmid: 100, storage: 'backup-nfs' },
  list_backups: { cluster, vmid: 100 },
  get_backup_config: { cluster, volid },
  verify_backups: { cluster, vmid: 100 },
  restore_backup: { cluster, volid, vmid: 813, node: 'pve1', name: 'restored-01' },
  protect_backup: { cluster, volid, protected: true, notes: 'kept' },
  delete_backup: { cluster, volid },
  prune_backups: { cluster, storage: 'nas', vmid: 102, node: 'pve3', keep: 'keep-last=1', apply: true },
  backup_coverage: {},
  list_backup_jobs: { cluster },
  save_backup_job: { cluster, schedule: '03:30', guests: [100], storage: 'backup-nfs' },
  delete_backup_job: { cluster, id: 'nightly' },
  run_backup_job: { cluster, id: 'nightly' },
};
