import type { Tool } from '../define.ts';
import { deleteReplicationJob } from './delete-replication-job.ts';
import { listReplication } from './list-replication.ts';
import { runReplication } from './run-replication.ts';
import { saveReplicationJob } from './save-replication-job.ts';

/** The toolset `replication`, in the order in which clients see it. */
export const REPLICATION_TOOLS: readonly Tool[] = [
  listReplication,
  saveReplicationJob,
  deleteReplicationJob,
  runReplication,
];
