import { z } from 'zod';
import { defineTool, type ToolContext } from '../../define.ts';
import { selectedFields, selectionOf, switchParam } from '../../params.ts';
import { count, noted } from '../../results.ts';
import { clustersOf, failoverParams } from './args.ts';
import { CARRY_CALLS, PLAN_CALLS } from './calls.ts';
import { failOver, openRun } from './failover.ts';
import { planSentence } from './failover-plan.ts';
import { type JobRow, jobRow } from './job-row.ts';
import { planFailover } from './plan.ts';
import { planFields, shownPlan } from './shown.ts';

/** Behind the waiting, for the reads before it and the last answers. */
const SLACK_SECONDS = 240;

const input = z.strictObject({
  ...failoverParams,
  dry_run: z.boolean().default(true),
  anew: switchParam().describe('Gives up an unfinished run.'),
  wait_seconds: z.int().min(1).max(1800).default(900),
});

export type RunArgs = z.output<typeof input>;

export const failoverRun = defineTool({
  name: 'failover_run',
  title: 'Fail over',
  description:
    'Carries out a failover_plan: restores and starts guest by guest in their order, with one approval. dry_run only shows it. Refuses while the originals run. Repeat the same call to go on where it was interrupted.',
  toolset: 'between',
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: true },
  calls: [...PLAN_CALLS, ...CARRY_CALLS],
  input,
  output: z.object({
    ...selectedFields,
    to: z.string(),
    status: z.enum(['planned', 'done', 'unfinished']),
    run: z.int().optional(),
    results: z.array(jobRow).optional(),
    ...z.object(planFields).partial().shape,
    note: z.string().optional(),
  }),
  deadlineSeconds: ({ wait_seconds }) => wait_seconds + SLACK_SECONDS,
  async run(args, context) {
    const clusters = clustersOf(args, context);
    const about = { ...selectionOf(clusters.source), to: clusters.target.name };
    if (!args.dry_run) return { ...about, ...(await failOver(clusters, args, context)) };
    const plan = await planFailover(clusters, args, context);
    const note = unfinishedNote(clusters, args, context);
    return { ...about, status: 'planned' as const, ...shownPlan(plan, 0), ...noted(note) };
  },
  summary(answer) {
    const { cluster, to, status, results = [], note } = answer;
    const more = note === undefined ? '' : ` ${note}`;
    const { source_answers, total, left_out, findings } = answer;
    if (
      source_answers !== undefined &&
      total !== undefined &&
      left_out !== undefined &&
      findings !== undefined
    ) {
      const plan = { ...answer, source_answers, total, left_out, findings };
      return `Nothing was sent. ${planSentence(plan)}${more} dry_run: false carries it out.`;
    }
    return `${cluster} to ${to}: ${resultsInWords(results)}.${status === 'done' ? '' : ' Not finished.'}${more}`;
  },
});

function unfinishedNote(
  clusters: ReturnType<typeof clustersOf>,
  args: RunArgs,
  context: ToolContext,
): string | undefined {
  const open = openRun(clusters, args, context);
  if (open === undefined) return undefined;
  return `Run ${open.id}, begun ${new Date(open.startedAt).toISOString()}, is unfinished: dry_run: false goes on with it and its backups, anew: true gives it up for this plan.`;
}

/** `2 started, 1 failed`. */
export function resultsInWords(rows: readonly JobRow[]): string {
  const counts = Map.groupBy(rows, ({ result }) => result);
  const parts = [...counts].map(([result, some]) => `${some.length} ${result.replace('_', ' ')}`);
  const failed = counts.get('failed')?.map(({ vmid, name, problem }) => `${name ?? vmid}: ${problem}`) ?? [];
  const all = `${count(rows.length, 'guest')}: ${parts.join(', ') || 'none'}`;
  return failed.length === 0 ? all : `${all}; ${failed.join('; ')}`;
}
