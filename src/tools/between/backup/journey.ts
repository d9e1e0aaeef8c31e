import { z } from 'zod';
import type { GatedCluster } from '../../../access/gate.ts';
import type { Run, Runs } from '../../../access/runs/runs.ts';
import { CallError } from '../../../proxmox/errors.ts';
import { parseVolid, volidParam } from '../../backups/volid.ts';
import { modeParam } from '../../backups/vzdump.ts';
import { addressesParam } from '../../cloudinit/cloudinit.ts';
import { nodeParam, storageParam } from '../../defaults.ts';
import type { ToolContext } from '../../define.ts';
import { type GuestTarget, guestParams, guestTarget, vmidParam } from '../../guest-target.ts';
import { newNameParam } from '../../guests/settings.ts';
import { switchParam, textParam } from '../../params.ts';
import { unfitting } from '../../refusals.ts';

export const backupInput = z.strictObject({
  action: z.enum(['check', 'start', 'forget']).default('check'),
  ...guestParams,
  volid: volidParam.optional().describe('Restore only: as list_backups of `to` gives it.'),
  to: textParam().describe('Cluster.'),
  backup_storage: storageParam.describe('Of the source.'),
  mode: modeParam.default('snapshot'),
  stop_source: switchParam().describe('A move: shut it down first.'),
  target_node: nodeParam,
  target_vmid: vmidParam.optional(),
  storage: storageParam.describe('For the disks.'),
  bridge_map: z.record(textParam(15), textParam(15)).optional(),
  addresses: addressesParam,
  new_name: newNameParam.optional(),
  start: z.boolean().optional().describe('The copy, if its source is stopped. Default: stop_source.'),
  wait_seconds: z.int().min(0).max(1800).default(300),
});

export type BackupArgs = z.output<typeof backupInput>;

/** Who goes where, before anything of it is read. */
export interface Journey {
  /** Absent where a backup alone is named, and no guest that it is of is found. */
  source: GuestTarget | undefined;
  target: GatedCluster;
  /** The work of an earlier call that did not come to its end. */
  run: Run | undefined;
  /** The newest run that did. */
  ended: Run | undefined;
  runs: Runs;
  key: string;
  /** Whether the copy is to run in the end. */
  start: boolean;
}

/** Steps of a run, in their order; `archive` and `chosen` are remembered alone. */
export const STEP = {
  shutdown: 'shutdown',
  backup: 'backup',
  archive: 'archive',
  chosen: 'chosen',
  restore: 'restore',
  settle: 'settle',
  start: 'start',
} as const;

/** @throws CallError as the selection of a cluster and of a guest do; INVALID_ARGUMENTS for what does not fit together */
export async function journeyOf(args: BackupArgs, context: ToolContext): Promise<Journey> {
  const target = context.cluster(args.to).alone();
  const source = await sourceOf(args, context);
  if (source?.cluster.name === target.name) {
    throw unfitting(
      `${target.name} is both where the guest is and where it is to go. clone_guest copies it there.`,
    );
  }
  if (args.volid !== undefined && (args.stop_source || args.backup_storage !== undefined)) {
    throw unfitting(
      'volid names a backup that is there; stop_source and backup_storage are for one that is made.',
    );
  }
  const runs = context.runs();
  const what = args.volid ?? `${source?.cluster.name}/${source?.guest.vmid}`;
  const key = `backup ${what} to ${target.name}`;
  const last = runs.last(key);
  return {
    source,
    target,
    run: last?.state === 'open' ? last : undefined,
    ended: last?.state === 'done' ? last : undefined,
    runs,
    key,
    start: args.start ?? args.stop_source,
  };
}

async function sourceOf(args: BackupArgs, context: ToolContext): Promise<GuestTarget | undefined> {
  const { cluster, vmid, name, volid } = args;
  if (volid === undefined || vmid !== undefined || name !== undefined) {
    return guestTarget(context, { cluster, vmid, name });
  }
  if (cluster === undefined) return undefined;
  try {
    return await guestTarget(context, { cluster, vmid: parseVolid(volid).vmid });
  } catch (thrown) {
    // The guest may be gone: its backup is what is left of it.
    if (thrown instanceof CallError && thrown.code === 'NOT_FOUND' && !thrown.retryable) return undefined;
    throw thrown;
  }
}

/** How far a run is: what is next. */
export function stageOf({ run }: Pick<Journey, 'run'>, { volid }: Pick<BackupArgs, 'volid'>) {
  const restore = run?.step(STEP.restore)?.state;
  if (restore === 'begun' || restore === 'done') return 'finish';
  return volid !== undefined || run?.step(STEP.archive)?.state === 'done' ? 'restore' : 'backup';
}
