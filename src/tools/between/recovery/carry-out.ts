import type { GatedCluster } from '../../../access/gate.ts';
import type { Run } from '../../../access/runs/runs.ts';
import { CallError, toCallError } from '../../../proxmox/errors.ts';
import { quoted } from '../../../proxmox/text.ts';
import type { ToolContext } from '../../define.ts';
import { runWrite } from '../../run-write.ts';
import { type Job, leftOf, type PlainWrite, runWriteOf, stepOf } from './job.ts';
import { type JobRow, rowOf } from './job-row.ts';

/** No guest holds up those behind it for longer, whatever its `up` says. */
const MOST_UP_SECONDS = 600;
const FULL = /no space left|not enough (?:free )?space|out of space|insufficient (?:free )?space|is full/i;

export interface Carrying {
  cluster: GatedCluster;
  /** When the call has to answer, in epoch milliseconds. */
  until: number;
  /** Called right before a write leaves. @throws CallError that fails this guest, `Halt` that ends the work for now */
  before(job: Job, write: PlainWrite): Promise<void>;
  context: ToolContext;
}

/** The work goes no further in this call; the run stays open. */
export class Halt extends Error {}

export interface Carried {
  rows: JobRow[];
  /** Why it stopped before its end; absent where every guest had its turn. */
  halted?: string;
}

/**
 * Does what is left of the jobs, guest by guest in their order; call it within `runs.hold`. A guest that fails costs
 * itself alone, unless what it failed of is the next one's, too.
 *
 * @throws CallError of the approval or the policy; the reason of the call's signal
 */
export async function carryOut(run: Run, jobs: readonly Job[], carrying: Carrying): Promise<Carried> {
  const { context } = carrying;
  const failures = new Map<number, CallError>();
  const full = new Set<string>();
  let halt: Halt | undefined;
  for (const [index, job] of jobs.entries()) {
    try {
      await oneJob(run, jobs, index, { ...carrying, full });
    } catch (thrown) {
      context.signal.throwIfAborted();
      if (thrown instanceof Halt) {
        halt = thrown;
        break;
      }
      const error = toCallError(thrown);
      if (error.code === 'APPROVAL_REQUIRED' || error.code === 'POLICY_DENIED') throw error;
      const begun = leftOf(run, job).some(({ kind }) => run.step(stepOf(job, kind))?.state === 'begun');
      if (begun) {
        halt = new Halt(`What became of ${labelOf(job)} is not known: ${error.message}`);
        break;
      }
      failures.set(job.vmid, error);
      const { storage } = job;
      if (storage !== undefined && FULL.test(`${error.message} ${error.hint}`)) full.add(storage);
    }
    context.progress({ progress: index + 1, total: jobs.length, message: `guest ${job.vmid}` });
  }
  const rows = jobs.map((job) => rowOf(run, job, failures.get(job.vmid)));
  return { rows, ...(halt === undefined ? {} : { halted: halt.message }) };
}

async function oneJob(
  run: Run,
  jobs: readonly Job[],
  index: number,
  { cluster, until, before, context, full }: Carrying & { full: ReadonlySet<string> },
): Promise<void> {
  const job = jobs[index];
  if (job === undefined) return;
  const left = leftOf(run, job);
  const { storage } = job;
  if (
    storage !== undefined &&
    full.has(storage) &&
    left.some(({ kind }) => kind === 'restore' || kind === 'backup')
  ) {
    throw new CallError('CONFLICT', `The storage ${quoted(storage)} is full.`, {
      cluster: cluster.name,
      hint: 'Make room; the guest was not begun.',
    });
  }
  for (const write of left) {
    if (write.kind === 'start') await upDelay(run, jobs.slice(0, index), until, context);
    const seconds = Math.ceil((until - context.now()) / 1000);
    if (seconds <= 0) throw new Halt('The time is over.');
    // One whose task is known has left already.
    if (run.step(stepOf(job, write.kind))?.upid === undefined) await before(job, write);
    const { task } = await runWrite(run, runWriteOf(cluster, job, write), seconds, context);
    if (task?.status === 'running') throw new Halt(`The time was over at ${labelOf(job)}.`);
    if (task?.status === 'unknown') throw new Halt(task.problem ?? 'A task could not be asked.');
  }
}

/** Waits as long as a guest that was started before has those behind it wait. */
async function upDelay(
  run: Run,
  earlier: readonly Job[],
  until: number,
  context: ToolContext,
): Promise<void> {
  const ready = earlier.flatMap((job) => {
    const step = run.step(stepOf(job, 'start'));
    const seconds = Math.min(job.upSeconds ?? 0, MOST_UP_SECONDS);
    return step?.state === 'done' ? [step.at + seconds * 1000] : [];
  });
  const wait = Math.max(0, ...ready) - context.now();
  if (wait <= 0) return;
  if (context.now() + wait >= until)
    throw new Halt('The time was over while a guest that was started came up.');
  await context.sleep(wait);
}

function labelOf({ vmid, name }: Job): string {
  return name === undefined ? String(vmid) : `${quoted(name)} (${vmid})`;
}
