import type { Tool } from '../define.ts';
import { createSnapshot } from './create-snapshot.ts';
import { deleteSnapshot } from './delete-snapshot.ts';
import { listSnapshots } from './list-snapshots.ts';
import { rollbackSnapshot } from './rollback-snapshot.ts';
import { updateSnapshot } from './update-snapshot.ts';

/** The toolset `snapshots`, in the order in which clients see it. */
export const SNAPSHOTS_TOOLS: readonly Tool[] = [
  listSnapshots,
  createSnapshot,
  rollbackSnapshot,
  deleteSnapshot,
  updateSnapshot,
];
