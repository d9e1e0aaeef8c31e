import { z } from 'zod';
import type { GatedCluster, GateRequest } from '../../access/gate.ts';
import { toCallError } from '../../proxmox/errors.ts';
import type { ToolContext } from '../define.ts';
import { runTask, taskField } from '../task.ts';

/** The tasks of an answer, one for each node that had work. */
export const nodeTasks = z.array(
  z.object({
    node: z.string(),
    task: taskField,
    error: z.object({ code: z.string(), message: z.string(), hint: z.string() }).optional(),
  }),
);

export type NodeTask = z.output<typeof nodeTasks>[number];

export interface NodeRequest {
  node: string;
  request: GateRequest;
}

/**
 * Makes the writes of one call, each on its node, with one approval for all of them, and waits for their tasks.
 *
 * @returns one row for each; what fails on one node is in its row, as the others go on
 * @throws CallError where all failed, or where the only one did
 */
export async function runOnNodes(
  cluster: GatedCluster,
  requests: readonly NodeRequest[],
  waitSeconds: number,
  context: ToolContext,
): Promise<NodeTask[]> {
  if (requests.length > 1) await cluster.approve(requests.map(({ request }) => request));
  const failures: unknown[] = [];
  const rows = await Promise.all(
    requests.map(async ({ node, request }): Promise<NodeTask> => {
      try {
        return { node, ...(await runTask(cluster, request, waitSeconds, context)) };
      } catch (thrown) {
        failures.push(thrown);
        const { code, message, hint } = toCallError(thrown);
        return { node, error: { code, message, hint } };
      }
    }),
  );
  if (failures.length === rows.length && failures.length > 0) throw failures[0];
  context.signal.throwIfAborted();
  return rows;
}

/** `backed up on pve1; pve2 failed: …`: how the tasks ended, behind what they were for. */
export function nodesInWords(tasks: readonly NodeTask[]): string {
  const failed = tasks.filter(({ error }) => error !== undefined);
  const running = tasks.filter(({ task }) => task?.status === 'running' || task?.status === 'unknown');
  const warned = tasks.filter(({ task }) => task?.status === 'warnings');
  return [
    ...running.map(({ node, task }) => ` It still runs on ${node}: wait_task follows ${task?.upid}.`),
    ...warned.map(({ node, task }) => ` There were warnings on ${node}: wait_task shows ${task?.upid}.`),
    ...failed.map(({ node, error }) => ` It failed on ${node}: ${error?.message}`),
  ].join('');
}
