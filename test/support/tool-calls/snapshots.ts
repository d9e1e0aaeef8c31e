import type { ToolCallTable } from './table.ts';

const guest = { cluster: 'production', vmid: 100 };

export const SNAPSHOTS_CALLS: ToolCallTable = {
  list_snapshots: guest,
  create_snapshot: { ...guest, snapshot: 'made', description: 'before all' },
  rollback_snapshot: { ...guest, snapshot: 'experiment', start: true },
  delete_snapshot: { ...guest, snapshot: 'before-upgrade' },
  update_snapshot: { ...guest, snapshot: 'installed', description: 'another' },
};
