import { z } from 'zod';
import type { Schedule, Timing } from '../../../access/schedules/schedule.ts';
import { CallError } from '../../../proxmox/errors.ts';
import { inQuotes } from '../../../proxmox/text.ts';
import type { ToolContext } from '../../define.ts';
import { someOf } from '../../fleet.ts';
import { formParam } from '../../params.ts';

/** The tool that the service calls when a replication is due. */
export const REPLICATING_TOOL = 'run_cluster_replication';

/** By it this service knows its own, beside the name: a guest without it is never deleted. */
export const REPLICA_TAG = 'proxmox-mcp-replica';
const SUFFIX = '-replica';

export const jobParam = formParam(
  /^[A-Za-z0-9][\w.-]*$/,
  'takes letters, digits, dots, dashes and underscores',
);

const guestType = z.enum(['qemu', 'lxc']);

const jobShape = z.object({
  source: z.string(),
  vmid: z.int(),
  /** The guest that was meant: another one may have its VMID some day. */
  guest: z.string(),
  type: guestType,
  target: z.string(),
  node: z.string(),
  /** Of the target, for the disks. */
  storage: z.string(),
  /** Where the backups are, as the source calls it and as the target does. */
  backupStorage: z.string(),
  seenAs: z.string(),
  /** Reserved for the replicas: one more than are kept, so that a new one has its place beside them. */
  vmids: z.array(z.int()),
  keep: z.int(),
  /** False: it restores what other jobs back up. */
  makesBackup: z.boolean(),
});

/** What is copied to where. */
export type ReplicationJob = z.output<typeof jobShape>;

const replicaShape = z.object({
  vmid: z.int(),
  volid: z.string(),
  /** When its backup was made, and when it was seen whole; epoch milliseconds. */
  backupAt: z.number(),
  verifiedAt: z.number(),
  /** Of its configuration then; whoever changes that makes it theirs. */
  digest: z.string().optional(),
});

/** A guest that was restored and seen whole. */
export type Replica = z.output<typeof replicaShape>;

export function jobOf({ input }: Schedule): ReplicationJob {
  return jobShape.parse(input);
}

/** Oldest first. */
export function replicasOf({ memory }: Schedule): Replica[] {
  return z.array(replicaShape).parse(memory.replicas ?? []);
}

export function replicaName({ guest }: Pick<ReplicationJob, 'guest'>): string {
  return `${guest}${SUFFIX}`;
}

/** What its runs are known by. */
export function runKey({ id, name }: Schedule): string {
  // A name may be given again, to another job.
  return `replicate ${id} ${name}`;
}

/** @throws CallError NOT_FOUND with the jobs that there are */
export function requireJob(context: ToolContext, name: string): Schedule {
  const schedules = context.schedules();
  const found = schedules.find(REPLICATING_TOOL, name);
  if (found !== undefined) return found;
  const names = schedules.list(REPLICATING_TOOL).map((one) => one.name);
  throw new CallError('NOT_FOUND', `You have no replication ${inQuotes(name)}.`, {
    hint: `There are: ${someOf(names, 30) || 'none; save_cluster_replication makes one'}. Nothing was sent.`,
  });
}

/** `every 60 minutes`, `daily at 02:30 UTC` */
export function timingText(timing: Timing): string {
  return 'everyMinutes' in timing ? `every ${timing.everyMinutes} minutes` : `daily at ${timing.dailyAt} UTC`;
}
