import type { Run } from '../../../access/runs/runs.ts';
import { apiPath } from '../../../proxmox/api-path.ts';
import { quoted } from '../../../proxmox/text.ts';
import { notesTemplate } from '../../backups/vzdump.ts';
import type { ToolContext } from '../../define.ts';
import { compact, count, isoTime, noted } from '../../results.ts';
import { type Carried, type Carrying, carryOut } from './carry-out.ts';
import { atAway, atHome } from './failback-checks.ts';
import { isUp } from './failback-findings.ts';
import { type FailbackInput, failbackInput } from './failback-input.ts';
import {
  type Failback,
  type FailbackWish,
  type HomeClusters,
  type Homecomer,
  pathOf,
  planFailback,
} from './failback-plan.ts';
import { requireUnblocked } from './failover.ts';
import { homeJobs } from './home-jobs.ts';
import { isDone, type Job, leftOf, plainOf, readInput, requestOf, unsentOf } from './job.ts';
import { type JobRow, rowOf } from './job-row.ts';
import { labelOf } from './plan-findings.ts';
import { shownLeftOut } from './shown.ts';

/** A guest that does not shut down in this time, in seconds, goes home another day. */
const SHUTDOWN_SECONDS = 180;

interface HomeArguments extends FailbackWish {
  anew: boolean;
  wait_seconds: number;
}

export function openFailback({ home, away }: HomeClusters, context: ToolContext): Run | undefined {
  const last = context.runs().last(keyOf(home.name, away.name));
  return last?.state === 'open' ? last : undefined;
}

function keyOf(home: string, away: string): string {
  return `failback ${away} to ${home}`;
}

/**
 * Brings guests home, or goes on with it: they are shut down and backed up where they are, with one approval; then
 * restored and started at home, with another, as nobody knows before what the backups will be called.
 *
 * @throws CallError CONFLICT with everything that is in the way; of the approvals; of the policy
 */
export async function bringHome(clusters: HomeClusters, args: HomeArguments, context: ToolContext) {
  const open = openFailback(clusters, context);
  const run =
    open === undefined || args.anew
      ? await begun(clusters, args, open, context)
      : await taken(open, clusters);
  const input = readInput(failbackInput, run);
  const until = context.now() + args.wait_seconds * 1000;
  return context.runs().hold(run, context.signal, async () => {
    const saving = await saved(run, input, { cluster: clusters.away, until, context });
    if (saving.halted !== undefined) return answerOf(run, input, saving);
    const jobs = await homeJobs(run, clusters, input, context);
    await approveHome(run, clusters, { input, jobs });
    const carried = await carryOut(run, jobs, {
      cluster: clusters.home,
      until,
      before: atHome(clusters, input, context),
      context,
    });
    if (carried.halted === undefined) await run.close('done');
    const stayed = saving.rows.filter(({ result }) => result !== 'backed_up');
    return answerOf(run, input, { ...carried, rows: [...stayed, ...carried.rows] });
  });
}

/** The half where the guests are. Once it goes on at home, who could not be saved stays. */
async function saved(
  run: Run,
  { jobs }: FailbackInput,
  carrying: Omit<Carrying, 'before'>,
): Promise<Carried> {
  if (run.step('home') !== undefined) return { rows: jobs.map((job) => rowOf(run, job)) };
  return carryOut(run, jobs, { ...carrying, before: atAway(carrying.cluster, carrying.context) });
}

async function begun(
  clusters: HomeClusters,
  args: HomeArguments,
  open: Run | undefined,
  context: ToolContext,
): Promise<Run> {
  const plan = await planFailback(clusters, args, context);
  requireUnblocked(clusters.home, plan.findings);
  const { storage } = plan;
  // A finding blocks where there is none.
  if (storage === undefined) throw new Error('a failback without a storage is blocked');
  const { home, away } = clusters;
  const input: FailbackInput = {
    ...{ from: away.name, to: home.name, storages: { away: storage.source, home: storage.target } },
    jobs: plan.guests.map((one) => jobOf(one, storage.source, home.name)),
    wishes: plan.guests.map(({ wish }) => wish),
    leftOut: plan.leftOut.map(shownLeftOut),
  };
  const requests = input.jobs.flatMap(({ writes }) => writes.map(requestOf));
  await away.approve(requests, { notes: awayNotes(plan), atLeast: 'self' });
  await open?.close('cancelled');
  return await context.runs().begin(keyOf(home.name, away.name), input);
}

/** What is left where the guests are is approved anew. */
async function taken(run: Run, { home, away }: HomeClusters): Promise<Run> {
  const { jobs } = readInput(failbackInput, run);
  const requests = jobs.flatMap((job) => unsentOf(run, job).map(requestOf));
  const left = jobs.filter((job) => leftOf(run, job).length > 0);
  if (requests.length === 0 || run.step('home') !== undefined) return run;
  const notes = [
    `This goes on with run ${run.id}, the failback of ${away.name} to ${home.name} begun ${isoTime(run.startedAt)}: ${count(left.length, 'guest')} of ${jobs.length} to be shut down and backed up.`,
    'Restoring at home is approved behind it.',
  ];
  await away.approve(requests, { notes, atLeast: 'self' });
  return run;
}

function jobOf({ guest, live, wish, upSeconds }: Homecomer, storage: string, home: string): Job {
  const { vmid, name, type, node } = guest;
  const expectName = name;
  const trace = (vm: string, container: string) => ({
    node,
    types: [type === 'qemu' ? vm : container],
    id: String(vmid),
  });
  const shutdown = {
    ...{ method: 'POST' as const, path: pathOf(guest, 'status', 'shutdown'), expectName },
    data: { timeout: SHUTDOWN_SECONDS },
  };
  const data = {
    ...{ vmid: String(vmid), storage, mode: 'stop', compress: 'zstd', remove: 0 },
    'notes-template': notesTemplate(`{{guestname}}, goes home to ${home}`),
  };
  const backup = { method: 'POST' as const, path: apiPath`/nodes/${node}/vzdump`, data, expectName };
  return {
    ...{ vmid, type, targetVmid: wish.vmid, node, storage, ...compact({ name, upSeconds }) },
    writes: [
      ...(isUp(live) ? [plainOf('shutdown', shutdown, trace('qmshutdown', 'vzshutdown'))] : []),
      plainOf('backup', backup, trace('vzdump', 'vzdump')),
    ],
  };
}

function awayNotes({ home, away, storage, guests, leftOut, findings }: Failback): string[] {
  return [
    `Failback of ${away.name} to ${home.name}: ${count(guests.length, 'guest')}.`,
    `Now, on ${away.name}: each is shut down and backed up to ${quoted(storage?.source ?? '')} (${storage?.backend}), one after the other; from then on it is down until it runs at home. power_guest starts it again here where that is given up.`,
    ...guests.map(homeLine),
    `Then, with a second approval, as the backups have no names yet: they are restored and started on ${home.name}.`,
    ...leftOut.map((one) => `Does not come along: ${labelOf(one)}: ${one.why}.`),
    ...findings.map(({ what, do: advice }) => `${what} ${advice}`),
  ];
}

function homeLine({ guest, live, wish, findings }: Homecomer, index: number): string {
  const { original, replace, start } = wish;
  const old =
    original === undefined
      ? ''
      : replace
        ? `; the original ${original.vmid} there is deleted before`
        : `; the original ${original.vmid} there stays, stopped`;
  const beware = findings.map(({ what }) => ` ${what}`).join('');
  return `${index + 1}. ${labelOf(guest)}, ${live.state}: to ${wish.vmid} on ${quoted(wish.node)} at home${start ? ', started' : ', not started'}${old}.${beware}`;
}

/** @throws CallError of the approval */
async function approveHome(
  run: Run,
  { home, away }: HomeClusters,
  { input, jobs }: { input: FailbackInput; jobs: readonly Job[] },
): Promise<void> {
  const requests = jobs.flatMap((job) => unsentOf(run, job).map(requestOf));
  if (requests.length === 0) return;
  const left = jobs.filter((job) => leftOf(run, job).length > 0);
  const notes = [
    `Failback of ${away.name} to ${home.name}, run ${run.id}: the guests are shut down on ${away.name} and backed up. Now they are restored at home, one after the other in this order.`,
    ...left.map((job) => restoreLine(job, input)),
    `The copies on ${away.name} stay, stopped: delete_guest removes them, once all is well. One with onboot starts with its node: take that away (update_guest).`,
    'Pools, permissions, HA, replication and the backup jobs of the guests do not come along; MAC addresses are new.',
  ];
  await home.approve(requests, { notes, atLeast: 'self' });
}

function restoreLine(job: Job, { jobs, wishes }: FailbackInput): string {
  const wish = wishes[jobs.findIndex(({ vmid }) => vmid === job.vmid)];
  const { original, replace } = wish ?? {};
  const old =
    original === undefined
      ? ''
      : replace
        ? ` Before that its original ${original.vmid} is deleted: what that wrote between its last backup and the failover is nowhere else.`
        : ` Its original ${original.vmid} stays, stopped, under the same name.`;
  const at = job.madeAt === undefined ? '' : ` from the backup of ${isoTime(job.madeAt)}`;
  const starts = job.writes.some(({ kind }) => kind === 'start');
  return `${labelOf(job)}${at} to ${job.targetVmid} on ${quoted(job.node)}${starts ? ', then it is started' : ''}.${old}`;
}

function answerOf(run: Run, { jobs, from, leftOut }: FailbackInput, { rows, halted }: Carried) {
  const down = rows
    .filter(({ result }) => result === 'failed' || result === 'left')
    .filter(({ vmid }) => isStopped(run, jobs, vmid));
  const stopped =
    down.length === 0
      ? undefined
      : `Down on ${from} meanwhile: ${down.map(labelOf).join(', ')}; power_guest starts them there.`;
  const next =
    halted === undefined ? undefined : `${halted} Repeat the same call: it goes on where it stands.`;
  return {
    status: halted === undefined ? ('done' as const) : ('unfinished' as const),
    run: run.id,
    results: rows satisfies JobRow[],
    ...(leftOut.length === 0 ? {} : { left_out: leftOut.map(shownLeftOut) }),
    ...noted(next, stopped),
  };
}

/** Whether this run has shut it down. */
function isStopped(run: Run, jobs: readonly Job[], vmid: number): boolean {
  return jobs.some((job) => job.vmid === vmid && isDone(run, job, 'shutdown'));
}
