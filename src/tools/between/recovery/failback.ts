import { z } from 'zod';
import { nodeParam, storageParam } from '../../defaults.ts';
import { defineTool, type ToolContext } from '../../define.ts';
import { clusterParam, listOf, selectedFields, selectionOf, switchParam, textParam } from '../../params.ts';
import { count, noted } from '../../results.ts';
import { blockers, findingRows } from '../finding.ts';
import { bridgeMapParam, clustersOf } from './args.ts';
import { bringHome, openFailback } from './bring-home.ts';
import { CARRY_CALLS, PLAN_CALLS } from './calls.ts';
import { type HomeClusters, planFailback } from './failback-plan.ts';
import { homecomerRow, shownHomecomer } from './failback-shown.ts';
import { resultsInWords } from './failover-run.ts';
import { jobRow } from './job-row.ts';
import { shownLeftOut } from './shown.ts';

/** Behind the waiting, for the reads before it and the last answers. */
const SLACK_SECONDS = 240;
const VZDUMP = ['vmid', 'storage', 'mode', 'compress', 'remove', 'notes-template'];

const input = z.strictObject({
  cluster: clusterParam.describe('Home.'),
  from: textParam().optional().describe('Default: its `fallback`.'),
  guests: listOf(textParam(), 200)
    .optional()
    .describe('VMIDs, names on `from`; default: what failovers brought there.'),
  backup_storage: storageParam.describe('Of `from`.'),
  storage: storageParam.describe('For the disks.'),
  target_node: nodeParam,
  bridge_map: bridgeMapParam,
  replace: switchParam().describe('Deletes the stopped originals; they stay otherwise.'),
  start: z.boolean().default(true).describe('Those that run.'),
  dry_run: z.boolean().default(true),
  anew: switchParam().describe('Gives up an unfinished run.'),
  wait_seconds: z.int().min(1).max(1800).default(900),
});

type Args = z.output<typeof input>;

export const failback = defineTool({
  name: 'failback',
  title: 'Fail back',
  description:
    'Brings guests of a failover home: shuts down and backs up on the fallback cluster, then restores and starts at home, with an approval for each half. Repeat the same call to go on. Their copies on the fallback stay, stopped.',
  toolset: 'between',
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: true },
  calls: [
    ...PLAN_CALLS,
    ...CARRY_CALLS,
    ['POST', '/nodes/{node}/vzdump', ...VZDUMP],
    ['POST', '/nodes/{node}/qemu/{vmid}/status/shutdown', 'timeout'],
    ['POST', '/nodes/{node}/lxc/{vmid}/status/shutdown', 'timeout'],
    ['DELETE', '/nodes/{node}/qemu/{vmid}'],
    ['DELETE', '/nodes/{node}/lxc/{vmid}'],
  ],
  input,
  output: z.object({
    ...selectedFields,
    from: z.string(),
    status: z.enum(['planned', 'done', 'unfinished']),
    run: z.int().optional(),
    guests: z.array(homecomerRow).optional(),
    results: z.array(jobRow).optional(),
    left_out: z.array(z.object({ vmid: z.int(), name: z.string().optional(), why: z.string() })).optional(),
    findings: findingRows.optional(),
    note: z.string().optional(),
  }),
  deadlineSeconds: ({ wait_seconds }) => wait_seconds + SLACK_SECONDS,
  async run(args, context) {
    const { source: home, target: away } = clustersOf({ cluster: args.cluster, to: args.from }, context);
    const about = { ...selectionOf(home), from: away.name };
    if (!args.dry_run) return { ...about, ...(await bringHome({ home, away }, args, context)) };
    return { ...about, ...(await shown({ home, away }, args, context)) };
  },
  summary({ cluster, from, status, guests = [], results = [], left_out = [], findings = [], note }) {
    const more = note === undefined ? '' : ` ${note}`;
    if (status !== 'planned')
      return `${from} to ${cluster}: ${resultsInWords(results)}.${status === 'done' ? '' : ' Not finished.'}${more}`;
    const blocking = blockers(findings).map(({ what, do: advice }) => ` In the way: ${what} ${advice}`);
    return `Nothing was sent. ${from} to ${cluster}: ${count(guests.length, 'guest')} can go home, ${left_out.length} can not.${blocking.join('')}${more} dry_run: false carries it out.`;
  },
});

async function shown(clusters: HomeClusters, args: Args, context: ToolContext) {
  const { guests, leftOut, findings } = await planFailback(clusters, args, context);
  const open = openFailback(clusters, context);
  const note =
    open &&
    `Run ${open.id}, begun ${new Date(open.startedAt).toISOString()}, is unfinished: dry_run: false goes on with it, anew: true gives it up for this plan.`;
  return {
    status: 'planned' as const,
    guests: guests.map(shownHomecomer),
    left_out: leftOut.map(shownLeftOut),
    findings,
    ...noted(note),
  };
}
