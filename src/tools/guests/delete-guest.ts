import { z } from 'zod';
import { isTrue } from '../../catalogue/json.ts';
import { defineTool } from '../define.ts';
import { CONFIG_CALLS, readConfig } from '../guest-config.ts';
import { LIVE_CALLS, liveState } from '../guest-live.ts';
import { guestFields, guestLabel, guestParams, guestTarget } from '../guest-target.ts';
import { notNow } from '../refusals.ts';
import { compact } from '../results.ts';
import { runTask, TASK_CALLS, taskDeadline, taskField, taskSentence, waitParam } from '../task.ts';

const PARAMETERS = ['purge', 'destroy-unreferenced-disks'];

export const deleteGuest = defineTool({
  name: 'delete_guest',
  title: 'Delete a guest',
  description: 'Deletes a stopped guest with its disks and snapshots; its backups stay.',
  toolset: 'guests',
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: true },
  calls: [
    ['DELETE', '/nodes/{node}/qemu/{vmid}', ...PARAMETERS],
    ['DELETE', '/nodes/{node}/lxc/{vmid}', ...PARAMETERS],
    ...LIVE_CALLS,
    ...CONFIG_CALLS,
    ...TASK_CALLS,
  ],
  withoutCluster: 'lookup',
  input: z.strictObject({
    ...guestParams,
    purge: z.boolean().optional().describe('Also from jobs and HA'),
    unreferenced_disks: z.boolean().optional().describe('Any of its VMID'),
    wait_seconds: waitParam,
  }),
  output: z.object({ ...guestFields, task: taskField }),
  deadlineSeconds: (args) => taskDeadline(args.wait_seconds),
  async run(args, context) {
    const target = await guestTarget(context, args);
    const { cluster, guest, at } = target;
    const [live, { values }] = await Promise.all([liveState(target), readConfig(target)]);
    const { vmid } = guest;
    if (isTrue(values.protection)) {
      throw notNow(
        cluster,
        `Guest ${vmid} is protected.`,
        'Its owner sets protection=false with update_guest first.',
      );
    }
    if (live.state === 'running' || live.state === 'paused') {
      throw notNow(cluster, `Guest ${vmid} is ${live.state}.`, 'Shut it down first (power_guest).');
    }
    if (live.isHa && args.purge !== true) {
      throw notNow(cluster, `Guest ${vmid} is under HA.`, 'Pass purge=true to take it out of HA as well.');
    }
    const data = compact({ purge: args.purge, 'destroy-unreferenced-disks': args.unreferenced_disks });
    // The guest that was looked at must be the one that goes, by whatever it was called.
    const request = { method: 'DELETE', path: at(), data, expectName: args.name ?? guest.name } as const;
    return { ...target.fields(), ...(await runTask(cluster, request, args.wait_seconds, context)) };
  },
  summary: (answer) => taskSentence(guestLabel(answer), 'deleted', answer.task),
});
