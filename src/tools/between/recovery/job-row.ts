import { z } from 'zod';
import type { Run } from '../../../access/runs/runs.ts';
import type { CallError } from '../../../proxmox/errors.ts';
import { compact, isoTime, textOf } from '../../results.ts';
import { isDone, type Job, leftOf, stepOf } from './job.ts';

const RESULTS = ['started', 'restored', 'backed_up', 'failed', 'running', 'left'] as const;

export const jobRow = z.object({
  vmid: z.int(),
  name: z.string().optional(),
  target_vmid: z.int(),
  node: z.string(),
  result: z.enum(RESULTS),
  made_at: z.string().optional(),
  problem: z.string().optional(),
  upid: z.string().optional(),
  left: z.array(z.string()).optional(),
});

export type JobRow = z.output<typeof jobRow>;

/** How a job stands. @param failure of this call; without it, what the run remembers */
export function rowOf(run: Run, job: Job, failure?: CallError): JobRow {
  const left = leftOf(run, job);
  const [next] = left;
  const step = next && run.step(stepOf(job, next.kind));
  const remembered = step?.state === 'failed' ? (textOf(step.data.problem) ?? 'it failed') : undefined;
  const problem = failure === undefined ? remembered : `${failure.code}: ${failure.message}`;
  return {
    vmid: job.vmid,
    target_vmid: job.targetVmid,
    node: job.node,
    result: problem === undefined ? outcomeOf(run, job, step?.state === 'begun') : 'failed',
    ...compact({
      name: job.name,
      made_at: job.madeAt === undefined ? undefined : isoTime(job.madeAt),
      problem,
      upid: step?.upid,
      left: left.length === 0 ? undefined : left.map(({ kind }) => kind),
    }),
  };
}

function outcomeOf(run: Run, job: Job, isBegun: boolean): JobRow['result'] {
  if (isBegun) return 'running';
  if (leftOf(run, job).length > 0) return 'left';
  if (isDone(run, job, 'start')) return 'started';
  return isDone(run, job, 'restore') ? 'restored' : 'backed_up';
}
