import { z } from 'zod';
import type { Schedule, Timing } from '../../../access/schedules/schedule.ts';
import { nextDue } from '../../../access/schedules/schedule.ts';
import { quoted } from '../../../proxmox/text.ts';
import { nodeParam, storageParam } from '../../defaults.ts';
import { defineTool, type ToolContext } from '../../define.ts';
import { guestParams, guestTarget, vmidParam } from '../../guest-target.ts';
import { formParam, listOf, textParam } from '../../params.ts';
import { unfitting } from '../../refusals.ts';
import { isoTime, noted } from '../../results.ts';
import { COMMON_STORAGE_CALLS } from '../backup/common-storage.ts';
import { RESTORE_TARGET_CALLS } from '../backup/restore-target.ts';
import {
  jobOf,
  jobParam,
  REPLICATING_TOOL,
  type ReplicationJob,
  replicasOf,
  requireJob,
  runKey,
  timingText,
} from './job.ts';
import { ENDS_WITH_PROCESS } from './list-cluster-replication.ts';
import { REPLICA_CALLS } from './replicas.ts';
import { backupRequest, REPLICATION_WRITES, standingRequests } from './requests.ts';
import { workOut } from './save-checks.ts';

const LEAST_MINUTES = 15;
const MOST_MINUTES = 31 * 24 * 60;

const input = z.strictObject({
  job: jobParam.describe('Name of the replication; an existing one is changed.'),
  ...guestParams,
  to: textParam().optional().describe('Target cluster.'),
  target_node: nodeParam,
  storage: storageParam.describe('On the target.'),
  backup_storage: storageParam.describe('Seen by both; as the source calls it.'),
  every_minutes: z
    .int()
    .refine(
      (value) => value >= LEAST_MINUTES && value <= MOST_MINUTES,
      `must be ${LEAST_MINUTES} to ${MOST_MINUTES}`,
    )
    .optional()
    .describe('From 15.'),
  daily_at: formParam(/^(?:[01]\d|2[0-3]):[0-5]\d$/, 'must be a time such as 02:30')
    .optional()
    .describe('HH:MM, UTC.'),
  keep: z.int().min(1).max(2).optional().describe('Replicas.'),
  vmids: listOf(vmidParam, 3).optional().describe('Reserved for them: keep + 1.'),
  backup: z.boolean().optional().describe('false: restore what other jobs back up.'),
  enabled: z.boolean().optional(),
  delete: z.boolean().optional().describe('The replicas stay.'),
});

type Args = z.output<typeof input>;

export const saveClusterReplication = defineTool({
  name: 'save_cluster_replication',
  title: 'Replicate a guest to another cluster',
  description:
    'Copies a guest to another cluster again and again, as backup and restore to a stopped replica: makes, changes, disables or deletes such a job. Approved once for all its runs.',
  toolset: 'between',
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: true },
  calls: [...COMMON_STORAGE_CALLS, ...RESTORE_TARGET_CALLS, ...REPLICA_CALLS, ...REPLICATION_WRITES],
  withoutCluster: 'lookup',
  input,
  output: z.object({
    job: z.string(),
    outcome: z.enum(['saved', 'disabled', 'deleted']),
    source: z.string(),
    vmid: z.int(),
    guest: z.string(),
    target: z.string(),
    node: z.string(),
    reserved_vmids: z.array(z.int()),
    schedule: z.string(),
    next_run_at: z.string().optional(),
    note: z.string().optional(),
  }),
  async run(args, context) {
    if (args.delete) return removed(args, context);
    if (args.enabled === false) return disabled(args, context);
    const existing = context.schedules().find(REPLICATING_TOOL, args.job);
    const timing = timingFor(args, existing);
    const { job, warnings } = await prepared(args, existing, context);
    const target = context.cluster(job.target).alone();
    const now = context.now();
    const dueAt = existing === undefined && 'everyMinutes' in timing ? now : nextDue(timing, now, now);
    const notes = [
      ...planNotes(args.job, job, { timing, dueAt }),
      ...warnings,
      ...(await approvalNotes(job, context)),
    ];
    const standing = await target.approveStanding(standingRequests(job, termsOf(args.job, job, timing)), {
      atLeast: 'self',
      notes,
    });
    const wanted = { tool: REPLICATING_TOOL, name: args.job, input: job, timing, standing, dueAt };
    return shown(await context.schedules().save(wanted), 'saved', context, warnings);
  },
  summary({ job, outcome, guest, target, schedule, next_run_at, note }) {
    const when = next_run_at === undefined ? '' : ` It runs ${schedule}, next at ${next_run_at}.`;
    return `The replication ${quoted(job)} of ${quoted(guest)} to ${target} was ${outcome}.${when}${note === undefined ? '' : ` ${note}`}`;
  },
});

async function removed(args: Args, context: ToolContext) {
  const schedule = requireJob(context, args.job);
  await context.schedules().remove(schedule);
  const run = context.runs().last(runKey(schedule));
  if (run?.state === 'open') await run.close('cancelled');
  const left = replicasOf(schedule).map(({ vmid }) => vmid);
  const note =
    left.length === 0 ? [] : [`Its replicas stay on ${jobOf(schedule).target}: ${left.join(', ')}.`];
  return shown({ ...schedule, isEnabled: false }, 'deleted', context, note);
}

async function disabled(args: Args, context: ToolContext) {
  const { job: _job, enabled: _enabled, handle: _handle, ...others } = args as Args & { handle?: string };
  if (Object.values(others).some((value) => value !== undefined))
    throw unfitting('enabled: false stands alone beside `job`: what is switched off is not changed.');
  const schedule = requireJob(context, args.job);
  await context.schedules().disable(schedule);
  return shown({ ...schedule, isEnabled: false }, 'disabled', context, []);
}

function timingFor({ every_minutes, daily_at }: Args, existing: Schedule | undefined): Timing {
  if (every_minutes !== undefined && daily_at !== undefined)
    throw unfitting('every_minutes and daily_at exclude each other.');
  if (every_minutes !== undefined) return { everyMinutes: every_minutes };
  if (daily_at !== undefined) return { dailyAt: daily_at };
  if (existing !== undefined) return existing.timing;
  throw unfitting('A new replication needs every_minutes or daily_at.');
}

/** What is not said stays as it is; what the replicas are of and where they stand can't become another. */
async function prepared(args: Args, existing: Schedule | undefined, context: ToolContext) {
  const before = existing && jobOf(existing);
  const to = args.to ?? before?.target;
  if (to === undefined) throw unfitting('A new replication needs `to`, the target cluster.');
  const isGuestSaid = args.vmid !== undefined || args.name !== undefined;
  const wanted =
    before === undefined || isGuestSaid
      ? args
      : { cluster: before.source, vmid: before.vmid, name: before.guest };
  const { cluster, guest } = await guestTarget(context, wanted);
  const source = context.cluster(cluster.name).alone();
  const target = context.cluster(to).alone();
  requireSame(before, { source: source.name, vmid: guest.vmid, target: target.name }, args);
  const schedules = context.schedules().list(REPLICATING_TOOL);
  const others = schedules.filter(({ name }) => name !== args.job);
  return workOut(
    { source, target, guest, existing, others, signal: context.signal },
    {
      node: args.target_node ?? before?.node,
      storage: args.storage ?? before?.storage,
      backupStorage: args.backup_storage ?? before?.backupStorage,
      vmids: args.vmids ?? before?.vmids,
      keep: args.keep ?? before?.keep ?? 1,
      makesBackup: args.backup ?? before?.makesBackup ?? true,
    },
  );
}

function requireSame(
  before: ReplicationJob | undefined,
  now: Pick<ReplicationJob, 'source' | 'vmid' | 'target'>,
  { target_node, keep, vmids }: Args,
): void {
  if (before === undefined) return;
  const asked = { ...now, node: target_node, keep, vmids: vmids?.join() };
  const fixed = { ...before, vmids: before.vmids.join() };
  const others = Object.entries(asked).filter(
    ([key, value]) => value !== undefined && value !== fixed[key as keyof typeof fixed],
  );
  if (others.length === 0) return;
  throw unfitting(
    `What a replication is of, its target, node, vmids and keep are fixed (here: ${others.map(([key]) => key).join(', ')}): delete it and save another.`,
  );
}

function termsOf(name: string, job: ReplicationJob, timing: Timing): string {
  const { source, vmid, guest, keep, backupStorage, makesBackup } = job;
  const from = `${makesBackup ? 'a new' : 'the newest'} backup on ${backupStorage}`;
  return `Replica of ${source}/${vmid} (${guest}) from ${from}. Replication ${name}, ${timingText(timing)}, keeps ${keep}.`;
}

/** What a person who approves it reads. */
function planNotes(
  name: string,
  job: ReplicationJob,
  { timing, dueAt }: { timing: Timing; dueAt: number },
): string[] {
  const { source, vmid, guest, target, node, vmids, keep, backupStorage, seenAs, makesBackup } = job;
  const backup = makesBackup
    ? `(1) backs ${vmid} (${guest}) of ${source} up to ${backupStorage}`
    : `(1) takes the newest backup of ${vmid} (${guest}) of ${source} on ${backupStorage} that others made`;
  return [
    `This is one approval for all runs of the replication ${name}, ${timingText(timing)}, the first at ${isoTime(dueAt)}, until it is disabled or deleted. They run as you, also once this credential has expired; revoking it ends them.`,
    `Each run ${backup}, (2) restores it from ${seenAs} on ${target}, node ${node}, to a free one of the VMIDs ${vmids.join(', ')}, stopped, (3) looks whether that is whole, and only then (4) deletes the replica beyond the newest ${keep}, with its disks.`,
    'A replica that was started, changed or renamed is not deleted. A run that fails leaves the last good state as it was.',
    ...(makesBackup
      ? [
          `The backups stay on ${backupStorage}: no run prunes them. Have a backup job with a retention do so, or it fills up.`,
        ]
      : []),
    'What the guest writes after a backup is in no replica: the data loss is the age of the last good state.',
  ];
}

/** Runs that need a person's yes each time are none by themselves. */
async function approvalNotes(job: ReplicationJob, context: ToolContext): Promise<string[]> {
  const source = context.cluster(job.source).alone();
  const target = context.cluster(job.target).alone();
  const node = (await source.inventory()).guests.find(({ vmid }) => vmid === job.vmid)?.node ?? '';
  const restores = standingRequests(job, '').filter(({ method }) => method === 'POST');
  const [backup, restore] = await Promise.all([
    job.makesBackup ? source.approvalFor([backupRequest(job, node, '')]) : 'none',
    target.approvalFor(restores.slice(0, 1)),
  ]);
  const wanted = [
    ...(backup === 'none' ? [] : [`each backup on ${job.source}`]),
    ...(restore === 'none' ? [] : [`each restore on ${job.target}`]),
  ];
  return wanted.length === 0
    ? []
    : [
        `The policy wants an approval for ${wanted.join(' and ')}, which this one can't give: such runs fail until it is changed.`,
      ];
}

function shown(
  schedule: Schedule,
  outcome: 'saved' | 'disabled' | 'deleted',
  context: ToolContext,
  notes: readonly string[],
) {
  const { name, timing, isEnabled, dueAt } = schedule;
  const { source, vmid, guest, target, node, vmids } = jobOf(schedule);
  const memory = outcome !== 'deleted' && !context.schedules().isKept ? ENDS_WITH_PROCESS : undefined;
  return {
    job: name,
    outcome,
    ...{ source, vmid, guest, target, node },
    reserved_vmids: vmids,
    schedule: timingText(timing),
    ...(isEnabled ? { next_run_at: isoTime(dueAt) } : {}),
    ...noted(...notes, memory),
  };
}
