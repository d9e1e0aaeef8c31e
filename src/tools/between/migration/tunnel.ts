import type { GatedCluster } from '../../../access/gate.ts';
import { apiPath } from '../../../proxmox/api-path.ts';
import { quoted } from '../../../proxmox/text.ts';
import { parseUpid } from '../../../proxmox/upid.ts';
import type { ToolContext } from '../../define.ts';
import { rowsOf, textOf } from '../../results.ts';
import { logTail, progressOf } from '../../tasks/task-log.ts';
import { type TaskRow, taskOf } from '../../tasks/task-row.ts';
import type { Journey } from './journey.ts';

/** The target's clock may be behind by so much, in seconds. */
const SKEW_SECONDS = 60;
const QUESTION_MS = 10_000;
const LOG_LINES = 5;

/** The task of the target that takes the guest in, as far as it is seen. @param begunAt epoch milliseconds */
export async function tunnelOf(
  to: GatedCluster,
  { type, target_node: node, target_vmid: vmid }: Journey,
  begunAt: number,
): Promise<TaskRow | undefined> {
  const typefilter = type === 'qemu' ? 'qmtunnel' : 'vzmtunnel';
  const since = Math.floor(begunAt / 1000) - SKEW_SECONDS;
  const { data } = await to.request({
    method: 'GET',
    path: apiPath`/nodes/${node}/tasks`,
    data: { since, source: 'all', limit: 50, vmid, typefilter },
    deadlineMs: QUESTION_MS,
  });
  const rows = rowsOf(data).filter((row) => row.type === typefilter && String(row.id) === String(vmid));
  const [newest] = rows.sort((a, b) => Number(b.starttime) - Number(a.starttime));
  return newest && taskOf({ node, ...newest }, textOf(newest.status));
}

/** Tells the client how far both tasks are; what can't be asked is not told. */
export async function tellProgress(
  source: GatedCluster,
  upid: string,
  tunnel: Promise<TaskRow | undefined>,
  { context, waited, total }: { context: ToolContext; waited: number; total: number },
): Promise<void> {
  const { node } = parseUpid(upid);
  const [log, other] = await Promise.all([
    logTail(source, { node, upid }, LOG_LINES).catch(() => undefined),
    tunnel.catch(() => undefined),
  ]);
  context.signal.throwIfAborted();
  const { percent } = progressOf(log?.lines ?? [], LOG_LINES);
  const share = percent === undefined ? '' : `, ${percent} %`;
  const there =
    other === undefined
      ? 'the task of the target is not seen'
      : `${quoted(other.type)} on ${quoted(other.node)}: ${other.status}`;
  context.progress({
    progress: waited,
    total,
    message: `the move runs on ${quoted(node)}${share}; ${there}`,
  });
}
