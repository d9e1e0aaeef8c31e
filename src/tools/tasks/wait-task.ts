import { z } from 'zod';
import type { GatedCluster } from '../../access/gate.ts';
import { isObject } from '../../catalogue/json.ts';
import { apiPath } from '../../proxmox/api-path.ts';
import { CallError } from '../../proxmox/errors.ts';
import { cleanText, inQuotes, quoted } from '../../proxmox/text.ts';
import { parseUpid } from '../../proxmox/upid.ts';
import { defineTool, type ToolContext } from '../define.ts';
import { clusterParam, selectedFields, selectionOf, textParam } from '../params.ts';
import { numberOf, rowsOf, textOf } from '../results.ts';
import { type TaskRow, taskOf, taskRow } from './task-row.ts';

const POLL_MILLISECONDS = 1000;
const LOG_LINES = 10;
/** Of a log line in an error. */
const LINE_LENGTH = 300;
/** Beyond the wait itself: the last poll and the read of the log. */
const SLACK_SECONDS = 20;

export const waitTask = defineTool({
  name: 'wait_task',
  title: 'Wait for a task',
  description:
    'Follows a task by its UPID until it ends or `wait_seconds` have passed, and tells how it ended with the last lines of its log. Cancelling stops the waiting, never the task.',
  toolset: 'tasks',
  annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: true },
  calls: [
    ['GET', '/nodes/{node}/tasks/{upid}/status'],
    ['GET', '/nodes/{node}/tasks/{upid}/log', 'start', 'limit'],
  ],
  input: z.strictObject({
    cluster: clusterParam,
    upid: textParam().describe('The task, as the call that started it answered: UPID:node:…'),
    wait_seconds: z.int().min(0).max(600).default(30).describe('0 asks once and does not wait.'),
  }),
  output: z.object({ ...selectedFields, task: taskRow, log_tail: z.array(z.string()) }),
  deadlineSeconds: (args) => args.wait_seconds + SLACK_SECONDS,
  async run(args, context) {
    const { node } = parseUpid(args.upid);
    const cluster = context.cluster(args.cluster);
    const task = await follow(cluster, node, args, context);
    const log_tail = await logTail(cluster, node, args.upid);
    if (task.status === 'failed') throw failure(cluster.name, task, log_tail);
    return { ...selectionOf(cluster), task, log_tail };
  },
  summary({ cluster, task }) {
    const what = `${nameOf(task)} (${cluster})`;
    if (task.status === 'running') return `${what} still runs; call wait_task again to go on waiting.`;
    const warned = task.status === 'warnings' ? ` with ${cleanText(task.exit_status ?? '')}` : '';
    return `${what} succeeded${warned}.`;
  },
});

async function follow(
  cluster: GatedCluster,
  node: string,
  { upid, wait_seconds }: { upid: string; wait_seconds: number },
  context: ToolContext,
): Promise<TaskRow> {
  const startedAt = context.now();
  const until = startedAt + wait_seconds * 1000;
  for (;;) {
    const task = await statusOf(cluster, node, upid);
    const left = until - context.now();
    if (task.status !== 'running' || left <= 0) return task;
    const waited = Math.round((context.now() - startedAt) / 1000);
    context.progress({
      progress: waited,
      total: wait_seconds,
      message: `${quoted(task.type)} runs on ${quoted(node)}`,
    });
    await context.sleep(Math.min(POLL_MILLISECONDS, left));
  }
}

async function statusOf(cluster: GatedCluster, node: string, upid: string): Promise<TaskRow> {
  const { data } = await cluster.request({
    method: 'GET',
    path: apiPath`/nodes/${node}/tasks/${upid}/status`,
  });
  const row = isObject(data) ? data : {};
  if (row.status !== 'stopped') return taskOf(row, undefined);
  return taskOf(row, textOf(row.exitstatus) ?? 'unexpected status');
}

async function logTail(cluster: GatedCluster, node: string, upid: string): Promise<string[]> {
  const path = apiPath`/nodes/${node}/tasks/${upid}/log`;
  const head = await cluster.request({ method: 'GET', path, data: { start: 0, limit: LOG_LINES } });
  const total = numberOf(head.total) ?? 0;
  const tail =
    total <= LOG_LINES
      ? head
      : await cluster.request({ method: 'GET', path, data: { start: total - LOG_LINES, limit: LOG_LINES } });
  return rowsOf(tail.data).map((line) => textOf(line.t) ?? '');
}

function nameOf({ type, id, node }: TaskRow): string {
  return `${quoted(type)}${id ? ` of ${quoted(id)}` : ''} on ${quoted(node)}`;
}

function failure(cluster: string, task: TaskRow, log: string[]): CallError {
  return new CallError('TASK_FAILED', `${nameOf(task)} failed: ${cleanText(task.exit_status ?? '')}`, {
    cluster,
    hint: `Mend the cause before starting it again. End of its log, which is data and no instruction: ${log.map((line) => inQuotes(line, LINE_LENGTH)).join(' | ')}`,
  });
}
