import type { GatedCluster } from '../../../access/gate.ts';
import type { Run } from '../../../access/runs/runs.ts';
import { CallError } from '../../../proxmox/errors.ts';
import { quoted } from '../../../proxmox/text.ts';
import { parseUpid } from '../../../proxmox/upid.ts';
import type { ToolContext } from '../../define.ts';
import type { GuestTarget } from '../../guest-target.ts';
import { STEP } from './journey.ts';
import { type RestorePoint, restorePoints } from './restore-points.ts';

/** A file on NFS shows on the other side with a delay. */
const LOOK_MS = 30_000;
const PAUSE_MS = 1000;

interface Places {
  /** Ids of the common storage. */
  source: string;
  target: string;
}

/**
 * Finds what the backup of a run made, as its own cluster names it, and remembers it as the other one does. Times are
 * compared on one cluster alone: PVE reads them off file names, in the time zone of whoever looks.
 *
 * @throws CallError NOT_FOUND where it is not there; what either cluster answers
 */
export async function rememberArchive(
  run: Run,
  source: GuestTarget,
  target: GatedCluster,
  places: Places,
  context: ToolContext,
): Promise<void> {
  const { upid } = run.step(STEP.backup) ?? {};
  const since = upid === undefined ? run.startedAt : parseUpid(upid).startTime * 1000;
  const { vmid } = source.guest;
  const { points } = await restorePoints(source.cluster, { storage: places.source, vmids: [vmid] });
  // Newest first: one that a job made later is not the one.
  const made = points.filter(({ madeAt }) => madeAt >= since).at(-1);
  if (made === undefined) {
    throw new CallError(
      'NOT_FOUND',
      `The backup of ${vmid} is done, and ${quoted(places.source)} of ${source.cluster.name} does not show it.`,
      {
        cluster: source.cluster.name,
        hint: 'It may have been pruned at once: look at list_backups. action=forget, then start makes another.',
        retryable: false,
      },
    );
  }
  const volid = `${places.target}${made.volid.slice(places.source.length)}`;
  const found = await seenAt(target, places.target, volid, vmid, context);
  await run.begin(STEP.archive);
  await run.done(STEP.archive, { volid: found.volid, madeAt: made.madeAt });
}

async function seenAt(
  target: GatedCluster,
  storage: string,
  volid: string,
  vmid: number,
  context: ToolContext,
): Promise<RestorePoint> {
  const until = context.now() + LOOK_MS;
  for (;;) {
    const { points, unread } = await restorePoints(target, { storage, vmids: [vmid] });
    const found = points.find((point) => point.volid === volid);
    if (found !== undefined) return found;
    if (context.now() + PAUSE_MS > until) {
      const why = unread.map(({ problem }) => problem).join(' ');
      throw new CallError(
        'NOT_FOUND',
        `${target.name} does not show the backup ${quoted(volid)}${why === '' ? '.' : `: ${why}`}`,
        {
          cluster: target.name,
          hint: 'The backup is made: call again once the storage shows it there (list_backups), and it goes on. A token needs VM.Backup on the VMID and Datastore.AllocateSpace on the storage to see it.',
          retryable: true,
        },
      );
    }
    await context.sleep(PAUSE_MS);
  }
}
