import { z } from 'zod';
import { defineTool } from '../define.ts';
import { LIVE_CALLS, liveState } from '../guest-live.ts';
import { guestFields, guestLabel, guestParams, guestTarget } from '../guest-target.ts';
import { wholeParam } from '../params.ts';
import { compact } from '../results.ts';
import { runTask, TASK_CALLS, taskDeadline, taskField, taskSentence, waitParam } from '../task.ts';
import { DONE, haNote, POWER_ACTIONS, POWER_CALLS, planPower } from './power.ts';

export const powerGuest = defineTool({
  name: 'power_guest',
  title: 'Power a guest',
  description:
    'Starts, shuts down, stops (hard), reboots, resets, suspends (in RAM), hibernates (to disk) or resumes a guest.',
  toolset: 'guests',
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: true },
  calls: [...POWER_CALLS, ...LIVE_CALLS, ...TASK_CALLS],
  withoutCluster: 'lookup',
  input: z.strictObject({
    ...guestParams,
    action: z.enum(POWER_ACTIONS),
    timeout_seconds: wholeParam(0, 3600).optional(),
    force: z.boolean().optional().describe('shutdown: stop it after the timeout; stop: break off a shutdown'),
    wait_seconds: waitParam,
  }),
  output: z.object({
    ...guestFields,
    action: z.enum(POWER_ACTIONS),
    note: z.string().optional(),
    task: taskField,
  }),
  deadlineSeconds: (args) => taskDeadline(args.wait_seconds),
  async run(args, context) {
    const target = await guestTarget(context, args);
    const live = await liveState(target);
    const plan = planPower(target, live, args);
    const { action } = args;
    if ('already' in plan) {
      return { ...target.fields(), action, note: `It is ${plan.already} already; nothing was sent.` };
    }
    const request = { ...plan.request, expectName: args.name };
    const outcome = await runTask(target.cluster, request, args.wait_seconds, context);
    return { ...target.fields(), action, ...outcome, ...compact({ note: haNote(live, action) }) };
  },
  summary(answer) {
    const { action, note, task } = answer;
    const subject = guestLabel(answer);
    // Whoever asked HA has no guest that is started yet.
    if (note !== undefined) return `${subject}, ${action}: ${note}`;
    return taskSentence(subject, DONE[action], task);
  },
});
