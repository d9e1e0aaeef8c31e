import { z } from 'zod';
import { quoted } from '../../proxmox/text.ts';
import { defineTool } from '../define.ts';
import type { GuestTarget } from '../guest-target.ts';
import { selectionOf, textParam } from '../params.ts';
import { TASK_CALLS, taskDeadline } from '../task.ts';
import { bulkOutput, bulkSentence, bulkWaitParam, runBulk } from './bulk.ts';
import { bulkParams, selectGuests } from './bulk-selection.ts';
import { BY_HA_NOTE, checkNode, MIGRATION_CALLS, planMigration } from './migrate.ts';

export const bulkMigrate = defineTool({
  name: 'bulk_migrate',
  title: 'Move many guests to a node',
  description: 'migrate_guest for many, such as all on `node`, with one approval and a result for each.',
  toolset: 'guests',
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: true, openWorldHint: true },
  calls: [...MIGRATION_CALLS, ...TASK_CALLS],
  input: z.strictObject({
    ...bulkParams,
    target: textParam(63),
    restart: z.boolean().optional(),
    target_storage: textParam(100).optional(),
    wait_seconds: bulkWaitParam,
  }),
  output: z.object({ ...bulkOutput, target: z.string() }),
  deadlineSeconds: (args) => taskDeadline(args.wait_seconds),
  async run(args, context) {
    // Another cluster's guests are none to act on, so no fallback may answer.
    const cluster = context.cluster(args.cluster).alone();
    await checkNode(cluster, args.target);
    const guests = await selectGuests(cluster, args, { templates: true });
    const plan = async (found: GuestTarget) => {
      const made = await planMigration(found, args);
      if ('already' in made) return made;
      const note = made.byHa ? BY_HA_NOTE : undefined;
      return { request: { ...made.request, expectName: found.guest.name }, note };
    };
    const results = await runBulk(cluster, guests, { waitSeconds: args.wait_seconds, plan }, context);
    return { ...selectionOf(cluster), target: args.target, ...results };
  },
  summary: (answer) => bulkSentence(answer, `moved to ${quoted(answer.target)}`),
});
