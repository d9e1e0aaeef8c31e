import { z } from 'zod';
import { quoted } from '../../proxmox/text.ts';
import { defineTool } from '../define.ts';
import { guestFields, guestLabel, guestParams, guestTarget } from '../guest-target.ts';
import { textParam } from '../params.ts';
import { count } from '../results.ts';
import { runTask, TASK_CALLS, taskDeadline, taskField, taskSentence, waitParam } from '../task.ts';
import { BY_HA_NOTE, MIGRATION_CALLS, planMigration } from './migrate.ts';

export const migrateGuest = defineTool({
  name: 'migrate_guest',
  title: 'Move a guest to a node',
  description: 'Moves a guest to another node, a running VM live, once nothing is in the way.',
  toolset: 'guests',
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: true, openWorldHint: true },
  calls: [...MIGRATION_CALLS, ...TASK_CALLS],
  withoutCluster: 'lookup',
  input: z.strictObject({
    ...guestParams,
    target: textParam(63),
    restart: z.boolean().optional().describe('For a running container.'),
    target_storage: textParam(100).optional(),
    wait_seconds: waitParam,
  }),
  output: z.object({
    ...guestFields,
    target: z.string(),
    copied_disks: z.array(z.string()).optional(),
    note: z.string().optional(),
    task: taskField,
  }),
  deadlineSeconds: (args) => taskDeadline(args.wait_seconds),
  async run(args, context) {
    const found = await guestTarget(context, args);
    const { target } = args;
    const plan = await planMigration(found, args);
    if ('already' in plan)
      return { ...found.fields(), target, note: 'It is there already; nothing was sent.' };
    const { request, copies, byHa } = plan;
    const { task } = await runTask(
      found.cluster,
      { ...request, expectName: args.name },
      args.wait_seconds,
      context,
    );
    const { guest, ...fields } = found.fields();
    const isThere = !byHa && (task === undefined || task.status === 'ok' || task.status === 'warnings');
    return {
      ...fields,
      guest: isThere ? { ...guest, node: target } : guest,
      target,
      ...(copies.length === 0 ? {} : { copied_disks: [...copies] }),
      ...(byHa ? { note: BY_HA_NOTE } : {}),
      ...(task === undefined ? {} : { task }),
    };
  },
  summary(answer) {
    const { target, copied_disks = [], note, task } = answer;
    const subject = guestLabel(answer);
    if (note !== undefined) return `${subject}, to ${quoted(target)}: ${note}`;
    const disks = copied_disks.length === 0 ? '' : ` with ${count(copied_disks.length, 'local disk')}`;
    return taskSentence(subject, `moved to ${quoted(target)}${disks}`, task);
  },
});
