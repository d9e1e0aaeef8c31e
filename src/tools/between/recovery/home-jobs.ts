import { z } from 'zod';
import type { Run } from '../../../access/runs/runs.ts';
import { CallError } from '../../../proxmox/errors.ts';
import { quoted } from '../../../proxmox/text.ts';
import { parseUpid } from '../../../proxmox/upid.ts';
import type { ToolContext } from '../../define.ts';
import { compact } from '../../results.ts';
import { type RestorePoint, restorePoints, savedConfigOf } from '../backup/restore-points.ts';
import { restorePlan } from '../backup/restore-request.ts';
import { readRestoreTarget } from '../backup/restore-target.ts';
import type { FailbackInput, HomeWish } from './failback-input.ts';
import { type HomeClusters, pathOf } from './failback-plan.ts';
import { isDone, type Job, plainJob, plainOf, restoreWrites, stepOf } from './job.ts';

const STEP = 'home';
/** A file on NFS shows on the other side with a delay. */
const LOOK_MS = 30_000;
const PAUSE_MS = 1000;

const remembered = z.object({ jobs: z.array(plainJob) });

/**
 * What is to be done at home for each guest that was backed up. It is worked out once: what a later call does is what
 * was approved.
 *
 * @throws CallError NOT_FOUND where a backup does not show; what either cluster answers
 */
export async function homeJobs(
  run: Run,
  clusters: HomeClusters,
  input: FailbackInput,
  context: ToolContext,
): Promise<Job[]> {
  const known = remembered.safeParse(run.step(STEP)?.data).data;
  if (known !== undefined) return known.jobs;
  const there = await readRestoreTarget(clusters.home, context.signal);
  const jobs: Job[] = [];
  for (const [index, job] of input.jobs.entries()) {
    const wish = input.wishes[index];
    if (wish === undefined || !isDone(run, job, 'backup')) continue;
    const point = await pointOf(run, job, { clusters, input, context });
    const saved = await savedConfigOf(clusters.home, point);
    const { node, storage, bridges, start, vmid } = wish;
    const plan = restorePlan(there, { point, saved, vmid, node, storage, bridgeMap: bridges, start });
    jobs.push({
      ...{ vmid: job.vmid, type: job.type, targetVmid: vmid, node, volid: point.volid, madeAt: point.madeAt },
      ...compact({ name: job.name, storage, upSeconds: job.upSeconds }),
      writes: [...deletion(wish), ...restoreWrites(plan)],
    });
  }
  await run.begin(STEP);
  await run.done(STEP, { jobs });
  return jobs;
}

function deletion({ original, replace }: HomeWish) {
  if (!replace || original === undefined) return [];
  const { node, type, vmid, name } = original;
  const types = [type === 'qemu' ? 'qmdestroy' : 'vzdestroy'];
  const request = { method: 'DELETE' as const, path: pathOf(original), expectName: name };
  return [plainOf('delete', request, { node, types, id: String(vmid) })];
}

/** The backup that this run has made, as home sees it. Times are compared on the cluster that wrote it alone. */
async function pointOf(
  run: Run,
  job: Job,
  { clusters, input, context }: { clusters: HomeClusters; input: FailbackInput; context: ToolContext },
): Promise<RestorePoint> {
  const { away, home } = clusters;
  const { storages } = input;
  const { upid } = run.step(stepOf(job, 'backup')) ?? {};
  const since = upid === undefined ? run.startedAt : parseUpid(upid).startTime * 1000;
  const { points } = await restorePoints(away, { storage: storages.away, vmids: [job.vmid] });
  // Newest first: what somebody backed up behind it is another one.
  const made = points.filter(({ madeAt }) => madeAt >= since).at(-1);
  const volid = made && `${storages.home}${made.volid.slice(storages.away.length)}`;
  const until = context.now() + LOOK_MS;
  while (made !== undefined) {
    const seen = await restorePoints(home, { storage: storages.home, vmids: [job.vmid] });
    const found = seen.points.find((point) => point.volid === volid);
    if (found !== undefined) return { ...found, madeAt: made.madeAt };
    if (context.now() + PAUSE_MS > until) break;
    await context.sleep(PAUSE_MS);
  }
  const where =
    made === undefined
      ? `${quoted(storages.away)} of ${away.name}`
      : `${quoted(storages.home)} of ${home.name}`;
  throw new CallError(
    'NOT_FOUND',
    `The backup of ${job.name ?? job.vmid} was made, and ${where} does not show it.`,
    {
      cluster: made === undefined ? away.name : home.name,
      hint: 'Call again once list_backups shows it there: it goes on. The token has to see backups of its VMID (VM.Backup, Datastore.AllocateSpace).',
      retryable: true,
    },
  );
}
