import { z } from 'zod';
import { defineTool } from '../define.ts';
import { LIVE_CALLS, liveState } from '../guest-live.ts';
import type { GuestTarget } from '../guest-target.ts';
import { selectionOf, wholeParam } from '../params.ts';
import { TASK_CALLS, taskDeadline } from '../task.ts';
import { bulkOutput, bulkSentence, bulkWaitParam, runBulk } from './bulk.ts';
import { bulkParams, selectGuests } from './bulk-selection.ts';
import { checkOptions, DONE, haNote, POWER_ACTIONS, POWER_CALLS, planPower } from './power.ts';

export const bulkPower = defineTool({
  name: 'bulk_power',
  title: 'Power many guests',
  description: 'power_guest for many guests of one cluster, with one approval and a result for each.',
  toolset: 'guests',
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: true },
  calls: [...POWER_CALLS, ...LIVE_CALLS, ...TASK_CALLS, ['GET', '/cluster/resources']],
  input: z.strictObject({
    ...bulkParams,
    action: z.enum(POWER_ACTIONS),
    timeout_seconds: wholeParam(0, 3600).optional(),
    force: z.boolean().optional(),
    wait_seconds: bulkWaitParam,
  }),
  output: z.object({ ...bulkOutput, action: z.enum(POWER_ACTIONS) }),
  deadlineSeconds: (args) => taskDeadline(args.wait_seconds),
  async run(args, context) {
    checkOptions(args);
    // Another cluster's guests are none to act on, so no fallback may answer.
    const cluster = context.cluster(args.cluster).alone();
    const { action } = args;
    // A pattern that fits a template means the guests made of it.
    const guests = await selectGuests(cluster, args, { templates: false });
    const plan = async (target: GuestTarget) => {
      const live = await liveState(target);
      const made = planPower(target, live, args);
      if ('already' in made) return made;
      return { request: { ...made.request, expectName: target.guest.name }, note: haNote(live, action) };
    };
    const results = await runBulk(cluster, guests, { waitSeconds: args.wait_seconds, plan }, context);
    return { ...selectionOf(cluster), action, ...results };
  },
  summary: (answer) => bulkSentence(answer, DONE[answer.action]),
});
