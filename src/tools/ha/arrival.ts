import type { GatedCluster } from '../../access/gate.ts';
import { CallError } from '../../proxmox/errors.ts';
import type { ToolContext } from '../define.ts';
import { textOf } from '../results.ts';
import { readHa, serviceOf } from './ha.ts';

const PAUSE_MS = 2000;
/** What a resource is in once it has arrived. */
const SETTLED: readonly string[] = ['started', 'stopped', 'disabled'];

interface Wait {
  sid: string;
  to: string;
  waitSeconds: number;
}

/** Asks until it is there: HA has no task to follow. @throws CallError TASK_FAILED where it ends in error */
export async function arrivalByHa(
  cluster: GatedCluster,
  { sid, to, waitSeconds }: Wait,
  context: ToolContext,
): Promise<{ moved: boolean; state: string }> {
  const startedAt = context.now();
  for (;;) {
    const service = await askedAgain(cluster, sid, context);
    if (service === undefined) return { moved: false, state: 'unknown' };
    const state = textOf(service.state) ?? 'queued';
    if (service.node === to && SETTLED.includes(state)) return { moved: true, state };
    if (state === 'error') {
      throw new CallError('TASK_FAILED', `HA could not move ${sid}: it is in error.`, {
        cluster: cluster.name,
        hint: 'Look at list_tasks for the migration, and at list_ha.',
      });
    }
    const left = startedAt + waitSeconds * 1000 - context.now();
    if (left <= 0) return { moved: false, state };
    const waited = Math.round((context.now() - startedAt) / 1000);
    context.progress({ progress: waited, total: waitSeconds, message: `${sid} is in ${state}` });
    await context.sleep(Math.min(PAUSE_MS, left));
  }
}

/** The move is asked for: an error in the place of its answer would have it repeated. */
async function askedAgain(cluster: GatedCluster, sid: string, { signal }: ToolContext) {
  try {
    return serviceOf(await readHa(cluster), sid) ?? {};
  } catch (error) {
    if (signal.aborted) throw error;
    return undefined;
  }
}
