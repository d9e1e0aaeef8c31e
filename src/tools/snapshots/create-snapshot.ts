import { z } from 'zod';
import { isTrue } from '../../catalogue/json.ts';
import { CallError } from '../../proxmox/errors.ts';
import { inQuotes, quoted } from '../../proxmox/text.ts';
import { defineTool } from '../define.ts';
import { type LiveState, liveState } from '../guest-live.ts';
import {
  type GuestTarget,
  guestFields,
  guestLabel,
  guestParams,
  guestTarget,
  requireKind,
} from '../guest-target.ts';
import { noted } from '../results.ts';
import { runTask, TASK_CALLS, taskDeadline, taskField, taskSentence, waitParam } from '../task.ts';
import {
  canSnapshot,
  descriptionParam,
  expecting,
  ifReadable,
  newSnapshotParam,
  readSnapshots,
  requireUnlocked,
  snapshotCalls,
} from './snapshots.ts';

export const createSnapshot = defineTool({
  name: 'create_snapshot',
  title: 'Create snapshot',
  description: 'Takes a snapshot of a guest, the way back before a change.',
  toolset: 'snapshots',
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: true },
  calls: [
    ['GET', '/cluster/resources'],
    ...snapshotCalls(['GET', '/status/current'], ['GET', '/snapshot'], ['GET', '/feature', 'feature']),
    ['POST', '/nodes/{node}/qemu/{vmid}/snapshot', 'snapname', 'description', 'vmstate'],
    ['POST', '/nodes/{node}/lxc/{vmid}/snapshot', 'snapname', 'description'],
    ...TASK_CALLS,
  ],
  withoutCluster: 'lookup',
  input: z.strictObject({
    ...guestParams,
    name: guestParams.name.describe('Of the guest.'),
    snapshot: newSnapshotParam,
    description: descriptionParam.optional(),
    with_ram: z.boolean().optional().describe('VMs only.'),
    wait_seconds: waitParam,
  }),
  output: z.object({
    ...guestFields,
    snapshot: z.string(),
    task: taskField,
    note: z.string().optional(),
  }),
  deadlineSeconds: ({ wait_seconds }) => taskDeadline(wait_seconds),
  async run(args, context) {
    const target = await guestTarget(context, args);
    if (args.with_ram === true) requireKind(target, 'qemu', 'taken with their RAM');
    const live = await checked(target, args.snapshot);
    const withRam = args.with_ram === true && live?.row.status !== 'stopped';
    const request = {
      method: 'POST',
      path: target.at('snapshot'),
      data: {
        snapname: args.snapshot,
        description: args.description,
        ...(withRam ? { vmstate: 1 } : {}),
      },
      ...expecting(args.name),
    } as const;
    const outcome = await runTask(target.cluster, request, args.wait_seconds, context);
    return {
      ...target.fields(),
      snapshot: args.snapshot,
      ...outcome,
      ...noted(noteOn(live, target, args.with_ram === true)),
    };
  },
  summary(result) {
    const { snapshot, task, note } = result;
    const subject = `Snapshot ${quoted(snapshot)} of ${guestLabel(result)}`;
    return `${taskSentence(subject, 'taken', task)}${note ? ` ${note}` : ''}`;
  },
});

/**
 * What the task would say in few words, or only once it has begun.
 *
 * @throws CallError CONFLICT for a name that is taken or a lock, INVALID_ARGUMENTS for what can't be done
 */
async function checked(target: GuestTarget, name: string): Promise<LiveState | undefined> {
  const { cluster, guest } = target;
  if (guest.type === 'lxc' && name === 'vzdump') {
    throw refusal(target, 'Backups of containers remove a snapshot called vzdump.', 'Choose another name.');
  }
  const [live, found, isPossible] = await Promise.all([
    ifReadable(liveState(target)),
    ifReadable(readSnapshots(target)),
    ifReadable(canSnapshot(cluster, target)),
  ]);
  if (found?.all.some((snapshot) => snapshot.name === name)) {
    throw new CallError('CONFLICT', `Guest ${guest.vmid} has a snapshot ${inQuotes(name)} already.`, {
      cluster: cluster.name,
      retryable: false,
      hint: 'Choose another name, or remove that one with delete_snapshot. Nothing was sent.',
    });
  }
  if (live !== undefined) requireUnlocked(live, target);
  if (isPossible === false) {
    const why = guest.template
      ? 'it is a template'
      : 'one of its disks is on a storage without snapshots, or is a raw image or a mount point';
    throw refusal(
      target,
      `Guest ${guest.vmid} can't have snapshots: ${why}.`,
      guest.template ? 'Clone it instead.' : 'Back it up instead, or move that disk to another storage.',
    );
  }
  return live;
}

function refusal({ cluster }: GuestTarget, message: string, hint: string): CallError {
  return new CallError('INVALID_ARGUMENTS', message, {
    cluster: cluster.name,
    hint: `${hint} Nothing was sent.`,
  });
}

/** What the one who rolls back has to know, and would not expect. */
function noteOn(live: LiveState | undefined, { guest }: GuestTarget, withRam: boolean): string | undefined {
  if (live === undefined || guest.type === 'lxc') return undefined;
  if (live.row.status === 'stopped')
    return withRam ? 'It was not running, so there was no RAM to save.' : undefined;
  if (withRam) return undefined;
  return isTrue(live.row.agent)
    ? 'Without its RAM: the guest agent, where it runs, froze the file systems; rolling back leaves it stopped.'
    : 'It was running, without RAM and guest agent: rolling back finds its disks as after a power cut.';
}
