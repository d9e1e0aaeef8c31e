import { CallError } from '../../../proxmox/errors.ts';
import { inQuotes, quoted } from '../../../proxmox/text.ts';
import { type SavedConfig, savedName } from '../../backups/guest-config.ts';
import { someOf } from '../../fleet.ts';
import { type RestorePoint, restorePoints, savedConfigOf } from '../backup/restore-points.ts';
import { backupRequest } from './requests.ts';
import type { Work } from './work.ts';

/** A file that one node wrote may take seconds to be seen by another one. */
const LOOKS = 8;
const PAUSE_MS = 3_000;
/** Backups of a guest that has the same VMID on the other cluster may lie among those that are looked for. */
const MOST_OPENED = 10;

export interface SavedPoint {
  point: RestorePoint;
  saved: SavedConfig;
}

/**
 * The backup that this run restores: the one it makes, or the newest that others made.
 *
 * @returns undefined where there is none newer than the last good state
 * @throws CallError; StillRunning
 */
export async function backedUp(work: Work): Promise<SavedPoint | undefined> {
  if (!work.job.makesBackup) return newest(work);
  await backUp(work);
  const point = await seen(work);
  return { point, saved: await savedConfigOf(work.target, point) };
}

async function backUp(work: Work): Promise<void> {
  const { job, source, run } = work;
  const before = run.step('backup');
  if (before?.state === 'done') return;
  // A backup whose answer was lost is looked for where it was begun, wherever the guest is by now.
  const begunOn = before?.state === 'begun' ? run.step('node')?.data.node : undefined;
  const node = typeof begunOn === 'string' ? begunOn : await nodeOfGuest(work);
  await run.done('node', { node });
  await work.write('the backup', {
    name: 'backup',
    cluster: source,
    request: backupRequest(job, node, work.mark),
    task: { node, types: ['vzdump'], id: String(job.vmid) },
    isDone: async () => (await marked(work)).point !== undefined,
  });
}

/** Where the guest is now, that still has to be the one that was meant. @throws CallError */
async function nodeOfGuest({ job, source }: Work): Promise<string> {
  const { guests } = await source.inventory({ fresh: true });
  const guest = guests.find(({ vmid }) => vmid === job.vmid);
  if (guest?.name === job.guest) return guest.node;
  const what =
    guest === undefined
      ? `has no guest ${job.vmid}`
      : `calls ${job.vmid} ${quoted(guest.name ?? guest.type)}`;
  throw new CallError(
    guest === undefined ? 'NOT_FOUND' : 'CONFLICT',
    `${source.name} ${what} now; the replication is for ${quoted(job.guest)}.`,
    {
      cluster: source.name,
      hint: 'Nothing was sent. If it was renamed, delete this replication and save another.',
      retryable: false,
    },
  );
}

/** The backup of this run, as the target sees it. @throws CallError */
async function seen(work: Work): Promise<RestorePoint> {
  const { job, run, target, context } = work;
  for (let look = 1; ; look += 1) {
    const { point, unread } = await marked(work);
    if (point !== undefined) return point;
    if (look === LOOKS) {
      const why = unread === '' ? '' : ` ${unread}`;
      // One that can't be seen is no use: the next run makes another.
      if (unread === '') await run.failed('backup', 'the target does not see it');
      throw new CallError('UPSTREAM_ERROR', `${target.name} does not see the new backup.${why}`, {
        cluster: target.name,
        hint: `Look whether ${quoted(job.backupStorage)} of ${job.source} and ${quoted(job.seenAs)} are one place still (list_backups).`,
        retryable: unread !== '',
      });
    }
    await context.sleep(PAUSE_MS);
  }
}

async function marked({ job, target, context, mark }: Work) {
  const { signal } = context;
  const { points, unread } = await restorePoints(target, { storage: job.seenAs, vmids: [job.vmid], signal });
  return {
    point: points.find(({ notes }) => notes?.includes(mark)),
    unread: someOf(unread.map(({ storage, problem }) => `${quoted(storage)}: ${problem}`)),
  };
}

async function newest(work: Work): Promise<SavedPoint | undefined> {
  const { job, target, context } = work;
  const { signal } = context;
  const { points, unread } = await restorePoints(target, { storage: job.seenAs, vmids: [job.vmid], signal });
  const last = work.replicas().at(-1);
  const newer = points.filter(
    ({ type, madeAt }) => type === job.type && madeAt > (last?.backupAt ?? Number.NEGATIVE_INFINITY),
  );
  for (const point of newer.slice(0, MOST_OPENED)) {
    const saved = await savedConfigOf(target, point);
    if (savedName(saved) === job.guest) return { point, saved };
  }
  const [problem] = unread;
  if (last !== undefined && problem === undefined) return undefined;
  const why = problem === undefined ? '' : ` ${quoted(problem.storage)}: ${problem.problem}`;
  throw new CallError(
    'NOT_FOUND',
    `${target.name} sees no ${last === undefined ? '' : 'newer '}backup of ${inQuotes(job.guest)} on ${quoted(job.seenAs)}.${why}`,
    {
      cluster: target.name,
      hint: `Have a backup job of ${job.source} write to ${quoted(job.backupStorage)}, or save the replication with backup: true. Nothing was sent.`,
      retryable: problem !== undefined,
    },
  );
}
