import type { Tool } from '../define.ts';
import { backupCoverage } from './backup-coverage.ts';
import { createBackup } from './create-backup.ts';
import { deleteBackup } from './delete-backup.ts';
import { deleteBackupJob } from './delete-backup-job.ts';
import { getBackupConfig } from './get-backup-config.ts';
import { listBackupJobs } from './list-backup-jobs.ts';
import { listBackups } from './list-backups.ts';
import { protectBackup } from './protect-backup.ts';
import { pruneBackups } from './prune-backups.ts';
import { restoreBackup } from './restore-backup.ts';
import { runBackupJob } from './run-backup-job.ts';
import { saveBackupJob } from './save-backup-job.ts';
import { verifyBackups } from './verify-backups.ts';

/** The toolset `backups`, in the order in which clients see it. */
export const BACKUPS_TOOLS: readonly Tool[] = [
  createBackup,
  listBackups,
  getBackupConfig,
  verifyBackups,
  restoreBackup,
  protectBackup,
  deleteBackup,
  pruneBackups,
  backupCoverage,
  listBackupJobs,
  saveBackupJob,
  deleteBackupJob,
  runBackupJob,
];
