import { z } from 'zod';
import { defineTool } from '../define.ts';
import { LIVE_CALLS, liveState } from '../guest-live.ts';
import { guestFields, guestLabel, guestParams, guestTarget } from '../guest-target.ts';
import { notNow } from '../refusals.ts';
import { rowsOf } from '../results.ts';
import { runTask, TASK_CALLS, taskDeadline, taskField, taskSentence, waitParam } from '../task.ts';

export const convertToTemplate = defineTool({
  name: 'convert_to_template',
  title: 'Make a template',
  description: 'Turns a stopped guest without snapshots into a template, for good.',
  toolset: 'guests',
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: true },
  calls: [
    ['POST', '/nodes/{node}/qemu/{vmid}/template'],
    ['POST', '/nodes/{node}/lxc/{vmid}/template'],
    ['GET', '/nodes/{node}/qemu/{vmid}/snapshot'],
    ['GET', '/nodes/{node}/lxc/{vmid}/snapshot'],
    ...LIVE_CALLS,
    ...TASK_CALLS,
  ],
  withoutCluster: 'lookup',
  input: z.strictObject({ ...guestParams, wait_seconds: waitParam }),
  output: z.object({ ...guestFields, note: z.string().optional(), task: taskField }),
  deadlineSeconds: (args) => taskDeadline(args.wait_seconds),
  async run(args, context) {
    const target = await guestTarget(context, args);
    const { cluster, guest, at } = target;
    const [live, { data }] = await Promise.all([
      liveState(target),
      cluster.request({ method: 'GET', path: at('snapshot') }),
    ]);
    if (live.isTemplate) return { ...target.fields(), note: 'It is a template already; nothing was sent.' };
    if (live.state !== 'stopped') {
      throw notNow(cluster, `Guest ${guest.vmid} is ${live.state}.`, 'Shut it down first (power_guest).');
    }
    if (rowsOf(data).some(({ name }) => name !== 'current')) {
      throw notNow(
        cluster,
        `Guest ${guest.vmid} has snapshots.`,
        'Delete them, or clone it and convert the clone.',
      );
    }
    const request = { method: 'POST', path: at('template'), expectName: args.name } as const;
    return { ...target.fields(), ...(await runTask(cluster, request, args.wait_seconds, context)) };
  },
  summary(answer) {
    if (answer.note !== undefined) return `${guestLabel(answer)}: ${answer.note}`;
    return taskSentence(guestLabel(answer), 'made a template', answer.task);
  },
});
