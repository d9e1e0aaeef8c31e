import { apiPath } from '../proxmox/api-path.ts';
import type { Ending } from '../proxmox/ending.ts';
import { CallError } from '../proxmox/errors.ts';
import { exitStatusOf } from '../proxmox/task.ts';
import { parseUpid } from '../proxmox/upid.ts';
import type { Cluster } from './cluster.ts';

/** Without an answer by then, the question is asked again later. */
const QUESTION_MS = 10_000;

/**
 * Asks a cluster for the service itself how a task stands.
 *
 * @returns the exit status; undefined while it runs
 * @throws CallError NOT_FOUND where the cluster knows no such task or node any more; the signal's reason
 */
export async function askTask(cluster: Cluster, upid: string, signal: Ending): Promise<string | undefined> {
  const path = apiPath`/nodes/${parseUpid(upid).node}/tasks/${upid}/status`;
  const { data } = await cluster.send({
    method: 'GET',
    path,
    parameters: {},
    signal,
    deadlineMs: QUESTION_MS,
  });
  if (typeof data === 'object' && data !== null) return exitStatusOf(data);
  throw new CallError('UPSTREAM_ERROR', 'The answer to the status of a task is no object.', {
    cluster: cluster.name,
    hint: 'Check `url` of this cluster: it must be a node of Proxmox VE.',
    retryable: true,
  });
}
