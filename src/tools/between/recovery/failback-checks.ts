import type { GatedCluster } from '../../../access/gate.ts';
import { CallError } from '../../../proxmox/errors.ts';
import type { ToolContext } from '../../define.ts';
import { Halt } from './carry-out.ts';
import type { FailbackInput } from './failback-input.ts';
import type { HomeClusters } from './failback-plan.ts';
import type { Job, PlainWrite } from './job.ts';
import { labelOf } from './plan-findings.ts';
import { standingOf } from './standing.ts';

type Check = (job: Job, write: PlainWrite) => Promise<void>;

/** What is backed up to go home must be down: what it wrote behind the backup would be lost. */
export function atAway(away: GatedCluster, { signal }: ToolContext): Check {
  return async (job, { kind }) => {
    if (kind !== 'backup') return;
    await requireDown(away, job, signal, 'It was not backed up.');
  };
}

/** What goes is down, and of one guest only one runs. */
export function atHome(
  { home, away }: HomeClusters,
  { jobs, wishes }: FailbackInput,
  { signal }: ToolContext,
): Check {
  return async (job, { kind }) => {
    const { original, replace } = wishes[jobs.findIndex(({ vmid }) => vmid === job.vmid)] ?? {};
    if (kind === 'delete' && original !== undefined)
      await requireDown(home, original, signal, 'It was not deleted.');
    if (kind !== 'start') return;
    const notStarted = `Its copy ${job.targetVmid} on ${home.name} was not started.`;
    await requireDown(away, job, signal, notStarted);
    if (original !== undefined && !replace) await requireDown(home, original, signal, notStarted);
  };
}

/** @throws CallError CONFLICT where it runs; Halt where nobody can tell */
async function requireDown(
  cluster: GatedCluster,
  guest: { vmid: number; name?: string | undefined },
  signal: AbortSignal,
  consequence: string,
): Promise<void> {
  const standing = await standingOf(cluster, guest, signal);
  if (standing === 'running') {
    throw new CallError('CONFLICT', `${labelOf(guest)} runs on ${cluster.name} now. ${consequence}`, {
      cluster: cluster.name,
      hint: 'Decide which one is to run, and shut the other down: two of one guest must never run.',
    });
  }
  if (standing === 'unknown')
    throw new Halt(`Whether ${labelOf(guest)} runs on ${cluster.name} is not known. ${consequence}`);
}
