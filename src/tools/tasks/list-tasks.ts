import { z } from 'zod';
import { apiPath } from '../../proxmox/api-path.ts';
import { defineTool } from '../define.ts';
import { clusterParam, limitParam, selectedFields, selectionOf, textParam } from '../params.ts';
import { count, rowsOf, textOf } from '../results.ts';
import { type TaskRow, taskOf, taskRow } from './task-row.ts';

const input = z.strictObject({
  cluster: clusterParam,
  node: textParam()
    .optional()
    .describe('Read the log of this node, which goes back further than the cluster-wide list.'),
  vmid: z.int().min(1).optional().describe('Only tasks of this guest.'),
  type: textParam().optional().describe('Task type, for example qmstart, vzdump, qmclone.'),
  status: z.enum(['running', 'ok', 'warnings', 'failed']).optional(),
  since: z.iso
    .datetime({ offset: true })
    .optional()
    .describe('Only tasks started at this time or later, such as 2026-11-21T08:00:00Z.'),
  limit: limitParam(50, 500),
});

export const listTasks = defineTool({
  name: 'list_tasks',
  title: 'List tasks',
  description:
    'Lists tasks (starts, backups, clones, migrations …) of a cluster, newest first: what runs now and how the others ended. Without `node` it shows the recent tasks of all nodes.',
  toolset: 'tasks',
  annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: true },
  calls: [
    ['GET', '/cluster/tasks'],
    ['GET', '/nodes/{node}/tasks', 'source', 'limit', 'vmid', 'typefilter', 'since'],
  ],
  input,
  output: z.object({
    ...selectedFields,
    tasks: z.array(taskRow),
    total: z.int().describe('Tasks that match, of which `tasks` may be a part.'),
    running: z.int(),
    failed: z.int(),
  }),
  async run(args, context) {
    const cluster = context.cluster(args.cluster);
    const request = args.node === undefined ? { path: apiPath`/cluster/tasks` } : ofNode(args.node, args);
    const reply = await cluster.request({ method: 'GET', ...request });
    const tasks = rowsOf(reply.data)
      .map((row) => taskOf(row, textOf(row.status)))
      .filter((task) => fits(task, args))
      .sort((a, b) => (b.started_at ?? '').localeCompare(a.started_at ?? ''));
    return {
      ...selectionOf(cluster),
      tasks: tasks.slice(0, args.limit),
      total: tasks.length,
      running: countOf(tasks, 'running'),
      failed: countOf(tasks, 'failed'),
    };
  },
  summary({ cluster, tasks, total, running, failed }) {
    const shown = tasks.length < total ? `, showing ${tasks.length}` : '';
    return `${cluster}: ${count(total, 'task')}${shown}; ${running} running, ${failed} failed.`;
  },
});

function countOf(tasks: TaskRow[], status: TaskRow['status']): number {
  return tasks.filter((task) => task.status === status).length;
}

/** The node filters before it counts; without this, 50 tasks of other guests would hide the one asked for. */
function ofNode(node: string, { vmid, type, since }: z.output<typeof input>) {
  const since_seconds = since === undefined ? undefined : Math.floor(Date.parse(since) / 1000);
  return {
    path: apiPath`/nodes/${node}/tasks`,
    data: { source: 'all', limit: 500, vmid, typefilter: type, since: since_seconds },
  };
}

function fits(task: TaskRow, { vmid, type, status, since }: z.output<typeof input>): boolean {
  return (
    (vmid === undefined || task.id === String(vmid)) &&
    (type === undefined || task.type === type) &&
    (status === undefined || task.status === status) &&
    (since === undefined || Date.parse(task.started_at ?? '') >= Date.parse(since))
  );
}
