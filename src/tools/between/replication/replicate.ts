import type { Run, Runs } from '../../../access/runs/runs.ts';
import { intervalOf, type Schedule } from '../../../access/schedules/schedule.ts';
import { CallError, toCallError } from '../../../proxmox/errors.ts';
import type { ToolContext } from '../../define.ts';
import { isoTime } from '../../results.ts';
import type { TaskShown } from '../../task.ts';
import { backedUp } from './backup-step.ts';
import { jobOf, runKey } from './job.ts';
import { freePlace, removeOlder } from './places.ts';
import { planRestore, restore, sentPlan, verified } from './restore-step.ts';
import { StillRunning, Work } from './work.ts';

const WRITES = ['backup', 'restore'];

export interface Replicated {
  status: 'replicated' | 'nothing_new' | 'running';
  done: string[];
  task?: TaskShown;
  note?: string;
}

/**
 * Makes a new replica and deletes the older one, or goes on where an earlier call or process ended. Until the new one
 * was seen whole nothing of what is there is touched.
 *
 * @throws CallError; what was there before is as it was
 */
export async function replicate(
  schedule: Schedule,
  waitSeconds: number,
  context: ToolContext,
): Promise<Replicated> {
  const job = jobOf(schedule);
  const [source, target] = [context.cluster(job.source).alone(), context.cluster(job.target).alone()];
  const runs = context.runs();
  const key = runKey(schedule);
  const run =
    (await openRun(runs, schedule, context.now())) ??
    (await runs.begin(key, { ...job, replication: schedule.name }));
  const until = context.now() + waitSeconds * 1000;
  const work = new Work({ schedule, job, source, target, run, context, until });
  return runs.hold(run, context.signal, async () => {
    if (runs.last(key)?.state !== 'open') throw endedMeanwhile(run);
    try {
      return await carriedOut(work);
    } catch (thrown) {
      if (thrown instanceof StillRunning) return running(work, thrown);
      if (toCallError(thrown).code !== 'APPROVAL_REQUIRED' && isFruitless(run)) await run.close('cancelled');
      throw thrown;
    }
  });
}

/** The run that is to be gone on with. One whose backup is old by now gives way to a new one. */
async function openRun(runs: Runs, schedule: Schedule, now: number): Promise<Run | undefined> {
  const run = runs.last(runKey(schedule));
  if (run?.state !== 'open') return undefined;
  const isUnderWay =
    run.step('restore')?.state === 'done' || run.steps().some(({ state }) => state === 'begun');
  if (isUnderWay || now - run.startedAt < intervalOf(schedule.timing) / 2) return run;
  await run.close('cancelled');
  return undefined;
}

/** Nothing that was begun, and nothing that came to an end: there is nothing to go on with. */
function isFruitless(run: Run): boolean {
  const isUnderWay = run.steps().some(({ state }) => state === 'begun');
  return !isUnderWay && WRITES.every((name) => run.step(name)?.state !== 'done');
}

async function carriedOut(work: Work): Promise<Replicated> {
  const { run, context, schedule, job } = work;
  let plan = sentPlan(work);
  if (plan === undefined) {
    // Before the backup: one that can't be restored would only fill the storage.
    await removeOlder(work);
    const vmid = await freePlace(work);
    const found = await backedUp(work);
    if (found === undefined) return nothingNew(work);
    plan = await planRestore(work, vmid, found);
  }
  await restore(work, plan);
  const { vmid: placed, volid } = plan;
  const known = work.replicas().find((one) => one.vmid === placed && one.volid === volid);
  // One that was seen whole already may be somebody else's by now: it is not looked at anew.
  const replica = known ?? (await verified(work, plan));
  await work.remember([...work.replicas().filter(({ vmid }) => vmid !== replica.vmid), replica]);
  await removeOlder(work);
  await run.close('done');
  const text = `${replica.vmid} on ${job.target} holds the backup of ${isoTime(replica.backupAt)}.`;
  await context.schedules().ended(schedule, { isOk: true, text: [text, ...work.notes].join(' ') });
  return { status: 'replicated', ...said(work) };
}

async function nothingNew(work: Work): Promise<Replicated> {
  await work.run.close('done');
  const text = 'There is no backup newer than the last good state.';
  await work.context.schedules().ended(work.schedule, { isOk: true, text });
  work.notes.push(text);
  return { status: 'nothing_new', ...said(work) };
}

function running(work: Work, { doing, task }: StillRunning): Replicated {
  work.notes.push(`The time was over while ${doing} ran: a repetition of this call goes on with it.`);
  return { status: 'running', task, ...said(work) };
}

function said({ done, notes }: Work): Pick<Replicated, 'done' | 'note'> {
  return { done, ...(notes.length === 0 ? {} : { note: notes.join(' ') }) };
}

function endedMeanwhile({ id }: Run): CallError {
  return new CallError('CONFLICT', `Another call has just ended run ${id}; nothing was sent.`, {
    hint: 'list_cluster_replication shows what it brought.',
  });
}
