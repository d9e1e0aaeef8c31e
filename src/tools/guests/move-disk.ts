import { z } from 'zod';
import { quoted } from '../../proxmox/text.ts';
import { defineTool } from '../define.ts';
import { CONFIG_CALLS, diskOf, readConfig } from '../guest-config.ts';
import { LIVE_CALLS, liveState } from '../guest-live.ts';
import { guestFields, guestLabel, guestParams, guestTarget } from '../guest-target.ts';
import { textParam } from '../params.ts';
import { notNow, unfitting } from '../refusals.ts';
import { compact } from '../results.ts';
import { runTask, TASK_CALLS, taskDeadline, taskField, taskSentence, waitParam } from '../task.ts';
import { refuseWords } from './words.ts';

export const moveDisk = defineTool({
  name: 'move_disk',
  title: 'Move a disk',
  description:
    'Moves a disk to another storage; a VM may run. Its old volume stays as unused0 unless delete_source.',
  toolset: 'guests',
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: true },
  calls: [
    ['POST', '/nodes/{node}/qemu/{vmid}/move_disk', 'disk', 'storage', 'format', 'delete', 'digest'],
    ['POST', '/nodes/{node}/lxc/{vmid}/move_volume', 'volume', 'storage', 'delete', 'digest'],
    ...CONFIG_CALLS,
    ...LIVE_CALLS,
    ...TASK_CALLS,
  ],
  withoutCluster: 'lookup',
  input: z.strictObject({
    ...guestParams,
    disk: textParam(20),
    storage: textParam(100),
    format: z.enum(['raw', 'qcow2', 'vmdk']).optional(),
    delete_source: z.boolean().optional(),
    wait_seconds: waitParam,
  }),
  output: z.object({
    ...guestFields,
    disk: z.string(),
    storage: z.string(),
    source_kept: z.literal(true).optional(),
    note: z.string().optional(),
    task: taskField,
  }),
  deadlineSeconds: (args) => taskDeadline(args.wait_seconds),
  async run(args, context) {
    const target = await guestTarget(context, args);
    const { cluster, guest, at } = target;
    const { disk, storage, format } = args;
    const isVm = guest.type === 'qemu';
    if (!isVm) refuseWords(args, ['format'], 'volumes of containers have none');
    const [live, config] = await Promise.all([liveState(target), readConfig(target)]);
    const value = diskOf(config, disk, cluster.name);
    if (!value.includes(':')) throw unfitting(`${disk} holds no volume of a storage`);
    if (value.startsWith(`${storage}:`) && format === undefined) {
      return { ...target.fields(), disk, storage, note: 'It is there already; nothing was sent.' };
    }
    if (!isVm && live.state === 'running') {
      throw notNow(
        cluster,
        `Container ${guest.vmid} is running.`,
        'Shut it down first: volumes of containers move offline.',
      );
    }
    const data = {
      [isVm ? 'disk' : 'volume']: disk,
      ...compact({ storage, format, delete: args.delete_source, digest: config.digest }),
    };
    const path = at(isVm ? 'move_disk' : 'move_volume');
    const request = { method: 'POST', path, data, expectName: args.name } as const;
    return {
      ...target.fields(),
      disk,
      storage,
      ...(args.delete_source ? {} : { source_kept: true as const }),
      ...(await runTask(cluster, request, args.wait_seconds, context)),
    };
  },
  summary(answer) {
    const { disk, storage, source_kept, note, task } = answer;
    const subject = `${disk} of ${guestLabel(answer)}`;
    if (note !== undefined) return `${subject}, to ${quoted(storage)}: ${note}`;
    const sentence = taskSentence(subject, `moved to ${quoted(storage)}`, task);
    return source_kept
      ? `${sentence} Its old volume stays as an unused disk; detach_disk with delete frees the space.`
      : sentence;
  },
});
