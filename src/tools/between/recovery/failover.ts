import { z } from 'zod';
import type { GatedCluster } from '../../../access/gate.ts';
import type { Run } from '../../../access/runs/runs.ts';
import { CallError } from '../../../proxmox/errors.ts';
import { quoted } from '../../../proxmox/text.ts';
import type { ToolContext } from '../../define.ts';
import { refuser } from '../../refusals.ts';
import { compact, count, isoTime, noted } from '../../results.ts';
import { blockers, type Finding } from '../finding.ts';
import type { FailoverArgs } from './args.ts';
import { type Carried, carryOut, Halt } from './carry-out.ts';
import { type Job, leftOf, plainJob, readInput, requestOf, restoreWrites, unsentOf } from './job.ts';
import { type Failover, type PlannedGuest, planFailover } from './plan.ts';
import { labelOf, standingFindings } from './plan-findings.ts';
import { ageInWords, notesOf, shownLeftOut } from './shown.ts';
import { type Standing, standingOf } from './standing.ts';

/** What a run remembers of a failover. No secrets. */
export const failoverInput = z.object({
  from: z.string(),
  to: z.string(),
  jobs: z.array(plainJob),
  leftOut: z.array(z.object({ vmid: z.int(), name: z.string().optional(), why: z.string() })),
});

interface Clusters {
  source: GatedCluster;
  target: GatedCluster;
}

interface FailoverArguments extends FailoverArgs {
  anew: boolean;
  wait_seconds: number;
}

/** All failovers of a cluster to another one begin so. */
function keyOfFailovers({ source, target }: { source: { name: string }; target: { name: string } }): string {
  return `failover ${source.name} to ${target.name}`;
}

/** One of a scope is open at a time. */
export function openRun(
  clusters: Clusters,
  { tag, pool }: FailoverArgs,
  context: ToolContext,
): Run | undefined {
  const last = context.runs().last(scopedKey(clusters, { tag, pool }));
  return last?.state === 'open' ? last : undefined;
}

function scopedKey(clusters: Clusters, { tag, pool }: Pick<FailoverArgs, 'tag' | 'pool'>): string {
  return [
    keyOfFailovers(clusters),
    ...(tag === undefined ? [] : [`tag ${tag}`]),
    ...(pool === undefined ? [] : [`pool ${pool}`]),
  ].join(', ');
}

/**
 * Carries a failover out, or goes on with the one that is unfinished, with one approval for all that is left.
 *
 * @throws CallError CONFLICT with everything that is in the way; of the approval; of the policy
 */
export async function failOver(clusters: Clusters, args: FailoverArguments, context: ToolContext) {
  const open = openRun(clusters, args, context);
  const run =
    open === undefined || args.anew
      ? await begun(clusters, args, open, context)
      : await taken(open, clusters, context);
  const { jobs, leftOut } = readInput(failoverInput, run.run);
  const until = context.now() + args.wait_seconds * 1000;
  const carried = await context.runs().hold(run.run, context.signal, async () => {
    const before = originalsCheck(clusters.source, run.standings, context);
    const result = await carryOut(run.run, jobs, { cluster: clusters.target, until, before, context });
    if (result.halted === undefined) await run.run.close('done');
    return result;
  });
  return answerOf(run.run, carried, leftOut.map(shownLeftOut));
}

interface Ready {
  run: Run;
  /** How the originals stood when the plan was approved, by VMID. */
  standings: ReadonlyMap<number, Standing>;
}

async function begun(
  clusters: Clusters,
  args: FailoverArguments,
  open: Run | undefined,
  context: ToolContext,
): Promise<Ready> {
  const plan = await planFailover(clusters, args, context);
  requireUnblocked(clusters.source, plan.findings);
  const jobs = plan.guests.map(jobOf);
  const requests = jobs.flatMap(({ writes }) => writes.map(requestOf));
  await clusters.target.approve(requests, { notes: notesOf(plan), atLeast: 'self' });
  await open?.close('cancelled');
  const input = {
    from: plan.source.name,
    to: plan.target.name,
    jobs,
    leftOut: plan.leftOut.map(shownLeftOut),
  };
  return { run: await context.runs().begin(scopedKey(clusters, args), input), standings: standingsOf(plan) };
}

function standingsOf({ guests }: Failover): Map<number, Standing> {
  return new Map(guests.map(({ guest, standing }) => [guest.vmid, standing]));
}

function jobOf({ guest, point, startup, restore }: PlannedGuest): Job {
  return {
    vmid: guest.vmid,
    type: point.type,
    targetVmid: restore.guest.vmid,
    node: restore.guest.node,
    volid: point.volid,
    madeAt: point.madeAt,
    writes: restoreWrites(restore),
    ...compact({ name: guest.name, storage: restore.storage, upSeconds: startup.upSeconds }),
  };
}

/** What is left of a run is looked at and approved anew: the originals may have come back meanwhile. */
async function taken(run: Run, { source, target }: Clusters, context: ToolContext): Promise<Ready> {
  const { jobs } = readInput(failoverInput, run);
  const left = jobs.filter((job) => leftOf(run, job).length > 0);
  const starting = left.filter((job) => unsentOf(run, job).some(({ kind }) => kind === 'start'));
  const standings = new Map<number, Standing>();
  for (const job of starting) standings.set(job.vmid, await standingOf(source, job, context.signal));
  const findings = standingFindings(
    source,
    starting.map((job) => ({ guest: job, standing: standings.get(job.vmid) ?? 'unknown' })),
  );
  requireUnblocked(source, findings);
  const requests = left.flatMap((job) => unsentOf(run, job).map(requestOf));
  const notes = [
    `This goes on with run ${run.id}, the failover of ${source.name} to ${target.name} begun ${isoTime(run.startedAt)}: ${count(left.length, 'guest')} of ${jobs.length} left, in this order.`,
    ...left.map((job) => leftLine(run, job, context.now())),
    ...findings.map(({ what, do: advice }) => `${what} ${advice}`),
  ];
  if (requests.length > 0) await target.approve(requests, { notes, atLeast: 'self' });
  return { run, standings };
}

function leftLine(run: Run, job: Job, now: number): string {
  const { madeAt, targetVmid, node } = job;
  const age =
    madeAt === undefined ? '' : ` from the backup of ${isoTime(madeAt)} (${ageInWords(now - madeAt)} old)`;
  const left = leftOf(run, job).map(({ kind }) => kind);
  return `${labelOf(job)}${age} to ${targetVmid} on ${quoted(node)}: ${left.join(', ')}.`;
}

/** Looks once more before each start: two of one guest must never run. */
function originalsCheck(source: GatedCluster, approved: Ready['standings'], context: ToolContext) {
  return async (job: Job, { kind }: Job['writes'][number]): Promise<void> => {
    if (kind !== 'start') return;
    const standing = await standingOf(source, job, context.signal);
    if (standing === 'running') {
      throw new CallError(
        'CONFLICT',
        `${labelOf(job)} runs on ${source.name} now; its copy ${job.targetVmid} was not started.`,
        {
          cluster: source.name,
          hint: 'Decide which of the two is to run: two of one guest must never.',
        },
      );
    }
    // Who approved it was told that the original is down, and nobody can tell now.
    if (standing === 'unknown' && approved.get(job.vmid) !== 'unknown') {
      throw new Halt(
        `${source.name} no longer answers for ${labelOf(job)}, and the approval rests on its answer.`,
      );
    }
  };
}

/** @throws CallError CONFLICT with all that is in the way */
export function requireUnblocked(cluster: Pick<GatedCluster, 'name'>, findings: readonly Finding[]): void {
  const blocking = blockers(findings);
  if (blocking.length === 0) return;
  const all = blocking.map(({ what, do: advice }, index) => `(${index + 1}) ${what} ${advice}`);
  throw refuser(cluster.name)(
    'CONFLICT',
    `${count(blocking.length, 'thing')} in the way: ${all.join(' ')}`,
    'dry_run shows the whole plan.',
  );
}

function answerOf(run: Run, { rows, halted }: Carried, left_out: ReturnType<typeof shownLeftOut>[]) {
  const isFinished = halted === undefined;
  const failed = rows.filter(({ result }) => result === 'failed').length;
  const next = isFinished ? undefined : `${halted} Repeat the same call: it goes on where it stands.`;
  const again =
    isFinished && failed > 0
      ? 'Mend what failed, then repeat the call: it plans anew for guests that are not there yet; those that are there and stopped, power_guest starts.'
      : undefined;
  return {
    status: isFinished ? ('done' as const) : ('unfinished' as const),
    run: run.id,
    results: rows,
    ...(left_out.length === 0 ? {} : { left_out }),
    ...noted(next, again),
  };
}
