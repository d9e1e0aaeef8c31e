import { z } from 'zod';
import type { GatedCluster } from '../../access/gate.ts';
import { apiPath } from '../../proxmox/api-path.ts';
import { CallError } from '../../proxmox/errors.ts';
import { defineTool, READS } from '../define.ts';
import {
  askFleet,
  type FleetFailure,
  fleetFields,
  fleetSelection,
  remarks,
  whose,
  withoutFailed,
} from '../fleet.ts';
import { checkCursor, listParams, type Order, pageOf, pagingFields } from '../paging.ts';
import { clusterParam, textParam, timeParam } from '../params.ts';
import { count, isoTime, noted, rowsOf, textOf } from '../results.ts';
import { type TaskRow, taskOf, taskRow } from './task-row.ts';

const input = z.strictObject({
  cluster: clusterParam,
  node: textParam().optional().describe('Goes back further.'),
  vmid: z.int().min(1).optional(),
  type: textParam().optional().describe('Such as qmstart, vzdump.'),
  status: z.enum(['running', 'ok', 'warnings', 'failed']).optional(),
  since: timeParam().optional(),
  ...listParams(50, 500),
});

type Filters = z.output<typeof input>;

const shownTask = taskRow.extend({ cluster: z.string() }).partial();

const COLUMNS = Object.keys(shownTask.shape);

const NEWEST_FIRST: Order<TaskRow> = {
  value: ({ started_at }) => started_at ?? null,
  id: ({ upid }) => upid,
  descending: true,
};

export const listTasks = defineTool({
  name: 'list_tasks',
  title: 'List tasks',
  description:
    'Lists tasks (starts, backups, migrations …) of all clusters or of one, newest first: what runs, and how the others ended.',
  toolset: 'tasks',
  annotations: READS,
  calls: [
    ['GET', '/cluster/tasks'],
    ['GET', '/nodes/{node}/tasks', 'source', 'limit', 'vmid', 'typefilter', 'since'],
    ['GET', '/cluster/resources'],
  ],
  withoutCluster: 'all',
  input,
  output: z.object({
    ...fleetFields,
    tasks: z.array(shownTask),
    total: z.int().describe('Tasks that match, of which `tasks` may be a part.'),
    running: z.int(),
    failed_tasks: z.int(),
    clusters: z
      .array(z.object({ cluster: z.string(), total: z.int(), running: z.int(), failed_tasks: z.int() }))
      .optional(),
    as_of: z.string(),
    ...pagingFields,
  }),
  async run(args, context) {
    checkCursor(args);
    const fleet = context.fleet(args.cluster);
    const { isAll } = fleet;
    const askedAt = context.now();
    const { answers, failed } = await askFleet(fleet, context, async (cluster, signal) => {
      if (isAll && args.node !== undefined && !(await hasNode(cluster, args.node, signal))) return undefined;
      return tasksOf(cluster, args, signal);
    });
    const told = answers.flatMap(({ cluster, answer }) => (answer ? [{ cluster, answer }] : []));
    if (told.length === 0) throw noSuchNode(args.node, failed);
    const all = told.flatMap(({ answer }) => answer.tasks);
    const clusters = told.map(({ cluster, answer }) => ({
      cluster: cluster.name,
      ...totalsOf(answer.tasks),
    }));
    const { rows, next_cursor, note } = pageOf(
      told.map(({ cluster, answer }) => ({ cluster: cluster.name, rows: answer.tasks })),
      NEWEST_FIRST,
      { args, isAll, columns: COLUMNS, beside: { failed, totals: clusters } },
      (row) => row,
    );
    return {
      ...fleetSelection(fleet, failed),
      tasks: rows,
      ...totalsOf(all),
      ...(isAll ? { clusters } : {}),
      as_of: isoTime(askedAt),
      ...(next_cursor === undefined ? {} : { next_cursor }),
      ...noted(...told.map(({ cluster, answer }) => uncounted(cluster.name, args.node, answer)), note),
    };
  },
  summary(answer) {
    const { tasks, total, running, failed_tasks, next_cursor } = answer;
    const shown = tasks.length < total ? `, showing ${tasks.length}` : '';
    const more = next_cursor === undefined ? '' : ' Go on with next_cursor.';
    return `${whose(answer)}: ${count(total, 'task')}${shown}; ${running} running, ${failed_tasks} failed.${more}${remarks(answer)}`;
  },
});

/** The tasks of one cluster that fit, of the `read` newest of the `there` that its node has. */
interface Told {
  tasks: TaskRow[];
  read: number;
  there: number;
}

async function tasksOf(cluster: GatedCluster, args: Filters, signal: AbortSignal): Promise<Told> {
  const request = args.node === undefined ? { path: apiPath`/cluster/tasks` } : ofNode(args.node, args);
  const { data, total } = await cluster.request({ method: 'GET', ...request, signal });
  const rows = rowsOf(data);
  const tasks = rows.map((row) => taskOf(row, textOf(row.status))).filter((task) => fits(task, args));
  return { tasks, read: rows.length, there: total ?? rows.length };
}

/** Totals over a part of a log must not read as if they were those of the whole. */
function uncounted(cluster: string, node: string | undefined, { read, there }: Told): string | undefined {
  if (node === undefined || read >= there) return undefined;
  return `Only the newest ${read} of ${there} tasks on ${node} of ${cluster} were read: pass vmid, type or a later \`since\` to narrow them.`;
}

/** Names of nodes are alike in many clusters; one that lacks the node has nothing to say, and does not fail. */
async function hasNode(cluster: GatedCluster, node: string, signal: AbortSignal): Promise<boolean> {
  const { nodes } = await cluster.inventory({ signal });
  return nodes.some((row) => row.node === node);
}

function totalsOf(tasks: readonly TaskRow[]) {
  return {
    total: tasks.length,
    running: countOf(tasks, 'running'),
    failed_tasks: countOf(tasks, 'failed'),
  };
}

function countOf(tasks: readonly TaskRow[], status: TaskRow['status']): number {
  return tasks.filter((task) => task.status === status).length;
}

/** The node filters before it counts; without this, 50 tasks of other guests would hide the one asked for. */
function ofNode(node: string, { vmid, type, since }: Filters) {
  const since_seconds = since === undefined ? undefined : Math.floor(Date.parse(since) / 1000);
  return {
    path: apiPath`/nodes/${node}/tasks`,
    data: { source: 'all', limit: 500, vmid, typefilter: type, since: since_seconds },
  };
}

function fits(task: TaskRow, { vmid, type, status, since }: Filters): boolean {
  return (
    (vmid === undefined || task.id === String(vmid)) &&
    (type === undefined || task.type === type) &&
    (status === undefined || task.status === status) &&
    (since === undefined || Date.parse(task.started_at ?? '') >= Date.parse(since))
  );
}

function noSuchNode(node: string | undefined, failed: readonly FleetFailure[]): CallError {
  const missing = withoutFailed(failed);
  return new CallError(
    'NOT_FOUND',
    `No cluster that answered has a node ${JSON.stringify(node)}.${missing}`,
    {
      hint: 'list_nodes gives the nodes of all clusters.',
      retryable: failed.length > 0,
    },
  );
}
