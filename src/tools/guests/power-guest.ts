import { z } from 'zod';
import { defineTool } from '../define.ts';
import { guestFields, guestLabel, guestParams, guestTarget } from '../guest-target.ts';
import { runTask, TASK_CALLS, taskDeadline, taskField, taskSentence, waitParam } from '../task.ts';
import { LIVE_CALLS, liveState } from './live.ts';
import { DONE, POWER_ACTIONS, POWER_CALLS, type PowerAction, planPower } from './power.ts';
import { wholeParam } from './words.ts';

/** HA takes the wish, and acts by itself. */
const BY_HA: readonly PowerAction[] = ['start', 'shutdown', 'stop'];
const BY_HA_NOTE = 'HA was asked, and will do it; get_guest shows when it is done.';

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
    force: z.boolean().optional().describe('shutdown: stop it after the timeout'),
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
    const byHa = live.isHa && BY_HA.includes(action);
    return { ...target.fields(), action, ...outcome, ...(byHa ? { note: BY_HA_NOTE } : {}) };
  },
  summary(answer) {
    const { action, note, task } = answer;
    const subject = guestLabel(answer);
    // Whoever asked HA has no guest that is started yet.
    if (note !== undefined) return `${subject}, ${action}: ${note}`;
    return taskSentence(subject, DONE[action], task);
  },
});
