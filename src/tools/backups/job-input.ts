import { z } from 'zod';
import { nodeParam, storageParam } from '../defaults.ts';
import { clusterParam, textParam } from '../params.ts';
import { keepParam } from '../retention.ts';
import { guestListParam } from './guest-list.ts';
import { jobIdParam } from './job-row.ts';
import { bandwidthParam, compressParam, modeParam, notesParam } from './vzdump.ts';

/** What `save_backup_job` takes. */
export const jobInput = z.strictObject({
  cluster: clusterParam,
  id: jobIdParam.optional().describe('Change this job; else one is made.'),
  schedule: textParam(128).optional().describe('Calendar event such as 02:30, "sat 03:00" or "*/6:00".'),
  all: z.boolean().optional(),
  pool: textParam(100).optional(),
  guests: guestListParam.describe('VMIDs or names.'),
  exclude: guestListParam.describe('Of all.'),
  storage: storageParam,
  node: nodeParam.describe('Run on this node alone.'),
  mode: modeParam.optional(),
  compress: compressParam.optional(),
  keep: keepParam.optional().describe('Prunes after each run, as keep-daily=7,keep-weekly=4.'),
  notes: notesParam.optional(),
  bwlimit: bandwidthParam,
  enabled: z.boolean().optional(),
  repeat_missed: z.boolean().optional(),
  comment: z.string().max(512).optional(),
  notify: z.enum(['auto', 'notification-system', 'legacy-sendmail']).optional(),
  mailto: textParam(500).optional().describe('For legacy-sendmail.'),
  mail_on: z.enum(['always', 'failure']).optional(),
});

export type JobArgs = z.output<typeof jobInput>;
