import type { GatedCluster } from '../../access/gate.ts';
import type { Json } from '../../catalogue/json.ts';
import { apiPath } from '../../proxmox/api-path.ts';
import { toCallError } from '../../proxmox/errors.ts';
import { inQuotes, quoted } from '../../proxmox/text.ts';
import type { ToolContext } from '../define.ts';
import { someOf } from '../fleet.ts';
import { refuser } from '../refusals.ts';
import { rowsOf, textOf } from '../results.ts';
import { guestTargets } from './guest-list.ts';
import type { JobArgs } from './job-input.ts';

/** The members of a job that say whom it backs up. */
export interface JobSelection {
  all?: true;
  pool?: string;
  vmid?: string;
  exclude?: string;
}

/**
 * Whom the job shall back up; undefined where nothing is said of it.
 *
 * @throws CallError INVALID_ARGUMENTS where it is said in two ways, NOT_FOUND where a guest or the pool is not there
 */
export async function selectionOfGuests(
  cluster: GatedCluster,
  { all, pool, guests, exclude }: JobArgs,
  context: ToolContext,
): Promise<JobSelection | undefined> {
  const refuse = refuser(cluster.name);
  const ways = [all === true, pool !== undefined, guests !== undefined].filter(Boolean).length;
  if (all === false && ways === 0 && exclude === undefined) {
    throw refuse('INVALID_ARGUMENTS', '`all: false` names no guests.', 'Pass `pool` or `guests` instead.');
  }
  if (ways > 1 || (exclude !== undefined && (pool !== undefined || guests !== undefined))) {
    throw refuse(
      'INVALID_ARGUMENTS',
      'Guests are selected in several ways.',
      'Pass one of all (with or without exclude), pool, guests.',
    );
  }
  const vmidsOf = async (list: readonly (number | string)[]): Promise<string> => {
    const found = await guestTargets(context, cluster.name, list);
    return found.map(({ guest }) => guest.vmid).join(',');
  };
  if (guests !== undefined) return { vmid: await vmidsOf(guests) };
  if (exclude !== undefined) return { all: true, exclude: await vmidsOf(exclude) };
  if (pool !== undefined) {
    await requirePool(cluster, pool);
    return { pool };
  }
  return all ? { all } : undefined;
}

async function requirePool(cluster: GatedCluster, pool: string): Promise<void> {
  const { data } = await cluster.request({ method: 'GET', path: apiPath`/pools` });
  const pools = rowsOf(data).map(({ poolid }) => String(poolid));
  if (pools.includes(pool)) return;
  throw refuser(cluster.name)(
    'NOT_FOUND',
    `${cluster.name} has no pool ${inQuotes(pool)}.`,
    `It has: ${someOf(pools.map(quoted), 30) || 'none that the token sees'}.`,
  );
}

/**
 * Refuses what Proxmox would take and then fail at every night: no guests, no such storage, a schedule it can't read,
 * notifications that go nowhere.
 *
 * @param job as it is now; undefined for a new one
 * @returns the storage of a new job: the one that is named, or the only one that fits
 * @throws CallError INVALID_ARGUMENTS
 */
export async function requireSensible(
  cluster: GatedCluster,
  args: JobArgs & { selection: JobSelection | undefined },
  job: Json | undefined,
): Promise<string | undefined> {
  const refuse = refuser(cluster.name);
  if (job === undefined && args.selection === undefined) {
    throw refuse('INVALID_ARGUMENTS', 'No guests are selected.', 'Pass one of all, pool, guests, exclude.');
  }
  if (job === undefined && args.schedule === undefined) {
    throw refuse('INVALID_ARGUMENTS', 'A new job needs a `schedule`.', 'Such as 02:30 or "sat 03:00".');
  }
  await Promise.all([
    requireNotifications(cluster, args, job),
    args.schedule === undefined ? undefined : requireSchedule(cluster, args.schedule),
  ]);
  return args.storage === undefined && job !== undefined ? textOf(job.storage) : storageOf(cluster, args);
}

async function requireSchedule(cluster: GatedCluster, schedule: string): Promise<void> {
  try {
    const path = apiPath`/cluster/jobs/schedule-analyze`;
    await cluster.request({ method: 'GET', path, data: { schedule, iterations: 1 } });
  } catch (thrown) {
    const { code, message } = toCallError(thrown);
    if (code !== 'INVALID_ARGUMENTS') throw thrown;
    throw refuser(cluster.name)(
      'INVALID_ARGUMENTS',
      `The schedule ${inQuotes(schedule)} is no calendar event: ${message}`,
      'Such as 02:30, "mon..fri 22:00", "sat 03:00", "*/6:00", daily or weekly.',
    );
  }
}

/** Mail addresses are for sendmail alone; which of the two a job uses can be said since Proxmox VE 8.2. */
async function requireNotifications(
  cluster: GatedCluster,
  { notify, mailto, mail_on }: JobArgs,
  job: Json | undefined,
): Promise<void> {
  const refuse = refuser(cluster.name);
  const mode = notify ?? textOf(job?.['notification-mode']);
  if (mode === 'notification-system' && (mailto ?? mail_on) !== undefined) {
    throw refuse(
      'INVALID_ARGUMENTS',
      'mailto and mail_on mean nothing to the notification system.',
      'Set its targets and matchers in the datacenter, or pass notify: "legacy-sendmail".',
    );
  }
  if (notify === undefined) return;
  const catalogue = await cluster.catalogue();
  const method = catalogue.get('POST', '/cluster/backup');
  if (method === undefined || 'notification-mode' in method.parameters) return;
  throw refuse(
    'INVALID_ARGUMENTS',
    `\`notify\` needs Proxmox VE 8.2; ${cluster.name} has ${catalogue.version ?? 'an older one'}.`,
    'Leave it out: mailto and mail_on say where mail goes.',
  );
}

async function storageOf(cluster: GatedCluster, { storage, node }: JobArgs): Promise<string> {
  const { storages } = await cluster.inventory();
  const here = storages.filter(
    (row) => row.content.includes('backup') && (node === undefined || row.node === node),
  );
  const names = [...new Set(here.map((row) => row.storage))].sort();
  const wanted = storage ?? cluster.settings.defaultStorage;
  if (wanted !== undefined && names.includes(wanted)) return wanted;
  const [only] = names;
  if (storage === undefined && only !== undefined && names.length === 1) return only;
  throw refuser(cluster.name)(
    'INVALID_ARGUMENTS',
    storage === undefined
      ? 'It has to be said where the backups go.'
      : `${cluster.name} has no storage ${inQuotes(storage)} that takes backups${node === undefined ? '' : ` on ${quoted(node)}`}.`,
    `Pass \`storage\`, one of: ${someOf(names, 30) || 'none takes backups'}.`,
  );
}
