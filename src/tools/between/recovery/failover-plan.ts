import { z } from 'zod';
import { defineTool, READS } from '../../define.ts';
import { selectedFields, selectionOf, wholeParam } from '../../params.ts';
import { count } from '../../results.ts';
import { blockers } from '../finding.ts';
import { clustersOf, failoverParams } from './args.ts';
import { PLAN_CALLS } from './calls.ts';
import { planFailover } from './plan.ts';
import { planFields, shownPlan } from './shown.ts';

/** Each backup is opened for what it holds. */
const DEADLINE_SECONDS = 240;

export const failoverPlan = defineTool({
  name: 'failover_plan',
  title: 'Plan a failover',
  description:
    'Plans how the guests of a cluster, tag or pool come back on its fallback cluster from their newest backups: order, age of each backup (the data lost), place, room, what can not come along. Works while the cluster is down; plans made before remember its guests and pools for then.',
  toolset: 'between',
  annotations: READS,
  calls: PLAN_CALLS,
  input: z.strictObject({ ...failoverParams, offset: wholeParam(0, 1000).default(0) }),
  output: z.object({ ...selectedFields, to: z.string(), ...planFields }),
  deadlineSeconds: () => DEADLINE_SECONDS,
  async run(args, context) {
    const clusters = clustersOf(args, context);
    const plan = await planFailover(clusters, args, context);
    return { ...selectionOf(clusters.source), to: clusters.target.name, ...shownPlan(plan, args.offset) };
  },
  summary: planSentence,
});

/** A plan in one or two sentences. */
export function planSentence(answer: {
  cluster: string;
  to: string;
  source_answers: boolean;
  total: number;
  left_out: readonly unknown[];
  left_out_total?: number | undefined;
  data_loss?: { worst_hours: number; median_hours: number; worst_guest: string } | undefined;
  findings: readonly { severity: 'blocks' | 'warns'; what: string; do: string }[];
}): string {
  const { cluster, to, total, left_out, left_out_total = left_out.length, data_loss: loss } = answer;
  const blocking = blockers(answer.findings);
  const parts = [
    `${cluster}${answer.source_answers ? '' : ', which does not answer,'} to ${to}: ${count(total, 'guest')} can come back, ${left_out_total} can not.`,
    ...(loss === undefined
      ? []
      : [
          `Data loss: ${loss.worst_hours} h at worst (${loss.worst_guest}), ${loss.median_hours} h in the median.`,
        ]),
    ...blocking.map(({ what, do: advice }) => `In the way: ${what} ${advice}`),
  ];
  return parts.join(' ');
}
