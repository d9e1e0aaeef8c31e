import { z } from 'zod';
import type { GatedCluster } from '../../access/gate.ts';
import { isTrue, type Json, number } from '../../catalogue/json.ts';
import { apiPath } from '../../proxmox/api-path.ts';
import { CallError } from '../../proxmox/errors.ts';
import { inQuotes, quoted } from '../../proxmox/text.ts';
import { someOf } from '../fleet.ts';
import { textParam } from '../params.ts';
import { compact, isoTime, rowsOf, textOf } from '../results.ts';
import { retentionText } from '../retention.ts';
import { notesText } from './vzdump.ts';

export const jobIdParam = textParam(50);

export const jobRow = z
  .object({
    id: z.string(),
    enabled: z.boolean(),
    schedule: z.string(),
    next_run_at: z.string(),
    guests: z.string().describe('all, all but 100,101, pool web, or VMIDs.'),
    storage: z.string(),
    node: z.string().describe('The only node it runs on.'),
    mode: z.string(),
    compress: z.string(),
    keep: z.string().describe("Absent: the storage's own rule."),
    notes: z.string(),
    protected: z.literal(true),
    bwlimit: z.number(),
    repeat_missed: z.literal(true),
    comment: z.string(),
    notify: z.string(),
    mailto: z.string(),
    mail_on: z.string(),
  })
  .partial();

export type JobRow = z.output<typeof jobRow>;

/** A job as the tools show it; options that have no field here are in `proxmox_api_call`. */
export function jobOf(row: Json): JobRow {
  const next = number(row['next-run']);
  const notes = textOf(row['notes-template']);
  return compact({
    id: String(row.id),
    // PVE leaves out what has its default.
    enabled: row.enabled === undefined || isTrue(row.enabled),
    schedule: textOf(row.schedule) ?? oldSchedule(row),
    next_run_at: next === undefined ? undefined : isoTime(next * 1000),
    guests: selectionInWords(row),
    storage: textOf(row.storage),
    node: textOf(row.node),
    mode: textOf(row.mode) ?? 'snapshot',
    compress: textOf(row.compress),
    keep: retentionText(row['prune-backups']),
    notes: notes === undefined ? undefined : notesText(notes),
    protected: isTrue(row.protected) ? (true as const) : undefined,
    bwlimit: number(row.bwlimit),
    repeat_missed: isTrue(row['repeat-missed']) ? (true as const) : undefined,
    comment: textOf(row.comment),
    notify: textOf(row['notification-mode']),
    mailto: textOf(row.mailto),
    mail_on: textOf(row.mailnotification),
  });
}

function oldSchedule({ dow, starttime }: Json): string | undefined {
  return [textOf(dow), textOf(starttime)].filter((part) => part !== undefined).join(' ') || undefined;
}

/** Whom a job backs up. */
function selectionInWords({ vmid, pool, exclude }: Json): string {
  const but = textOf(exclude) === undefined ? '' : ` but ${textOf(exclude)}`;
  const named = textOf(pool);
  if (named !== undefined) return `pool ${named}${but}`;
  const vmids = textOf(vmid) ?? (number(vmid) === undefined ? undefined : String(vmid));
  return vmids ?? `all${but}`;
}

/** @throws CallError */
export async function readJobs(cluster: GatedCluster): Promise<Json[]> {
  const { data } = await cluster.request({ method: 'GET', path: apiPath`/cluster/backup` });
  return rowsOf(data);
}

/** @throws CallError NOT_FOUND that names the jobs there are */
export async function requireJob(cluster: GatedCluster, id: string): Promise<Json> {
  const jobs = await readJobs(cluster);
  const job = jobs.find((row) => row.id === id);
  if (job !== undefined) return job;
  const ids = jobs.map((row) => quoted(String(row.id)));
  throw new CallError('NOT_FOUND', `${cluster.name} has no backup job ${inQuotes(id)}.`, {
    cluster: cluster.name,
    hint: `It has: ${someOf(ids, 30) || 'none'}. Nothing was changed.`,
  });
}
