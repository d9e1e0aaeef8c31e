import type { GatedCluster } from '../../access/gate.ts';
import type { Json } from '../../catalogue/json.ts';
import type { Backups, GuestRow, Inventory } from '../../clusters/inventory.ts';
import { apiPath } from '../../proxmox/api-path.ts';
import { toCallError } from '../../proxmox/errors.ts';
import { ageDays, compact, isoTime, rowsOf } from '../results.ts';
import { type Included, includedGuests } from './included.ts';
import { jobOf, readJobs } from './job-row.ts';

/** Jobs whose guests are asked for; who has more has few guests in each. */
const MOST_JOBS = 40;

/** What is known of the backups of one cluster; what could not be asked is undefined and has a sentence in `missing`. */
export interface CoverageFacts {
  inventory: Inventory;
  backups: Backups | undefined;
  jobs: readonly { job: Json; guests: readonly Included[] | undefined }[] | undefined;
  /** VMIDs that no enabled job backs up. */
  notBackedUp: ReadonlySet<number> | undefined;
  missing: string[];
}

/** Asks for everything at once; a part that fails costs its part alone. @throws CallError without the guests */
export async function coverageFacts(cluster: GatedCluster, signal: AbortSignal): Promise<CoverageFacts> {
  const missing: string[] = [];
  const part = async <T>(what: string, work: Promise<T>): Promise<T | undefined> => {
    try {
      return await work;
    } catch (thrown) {
      signal.throwIfAborted();
      const { code, message } = toCallError(thrown);
      missing.push(`${what} of ${cluster.name} could not be read (${code}: ${message})`);
      return undefined;
    }
  };
  const [inventory, backups, jobs, rows] = await Promise.all([
    cluster.inventory({ signal }),
    part('The backups', cluster.backups({ signal })),
    part('The backup jobs', readJobs(cluster)),
    part(
      'Who is in no job',
      cluster.request({ method: 'GET', path: apiPath`/cluster/backup-info/not-backed-up`, signal }),
    ),
  ]);
  const included = await Promise.all(
    (jobs ?? []).map(async (job, index) => ({
      job,
      guests:
        index < MOST_JOBS
          ? await part(
              `The guests of the job ${String(job.id)}`,
              includedGuests(cluster, String(job.id), signal),
            )
          : undefined,
    })),
  );
  if ((jobs?.length ?? 0) > MOST_JOBS) {
    missing.push(`The guests of the first ${MOST_JOBS} jobs of ${cluster.name} alone were looked at`);
  }
  return {
    inventory,
    backups,
    jobs: jobs && included,
    notBackedUp: rows && new Set(rowsOf(rows.data).map(({ vmid }) => Number(vmid))),
    missing,
  };
}

export interface CoverageRow extends Record<string, unknown> {
  vmid: number;
  /** Why the guest is listed; the first weighs most. */
  reasons: string[];
  age_days?: number;
}

/**
 * The guests whose backups leave something to be wished for.
 *
 * @param maxAgeDays older backups count as none
 * @param now epoch milliseconds
 */
export function coverageRows(facts: CoverageFacts, maxAgeDays: number, now: number): CoverageRow[] {
  const guests = facts.inventory.guests.filter(({ template }) => !template);
  return guests
    .map((guest) => rowOf(guest, facts, maxAgeDays, now))
    .filter(({ reasons }) => reasons.length > 0);
}

function rowOf(guest: GuestRow, facts: CoverageFacts, maxAgeDays: number, now: number): CoverageRow {
  const { vmid, name, type, node } = guest;
  const { backups, jobs, notBackedUp } = facts;
  const newest = backups?.newest.get(vmid);
  const isHidden = backups?.hidden?.has(vmid) === true;
  const age = ageDays(newest, now);
  const mine = (jobs ?? []).flatMap(({ job, guests }) => {
    const found = guests?.find((included) => included.vmid === vmid);
    return found === undefined ? [] : [{ ...jobOf(job), excluded: found.excluded }];
  });
  const enabled = mine.filter((job) => job.enabled);
  const off = mine.filter((job) => !job.enabled).map(({ id }) => id);
  const excluded = unique(enabled.flatMap((job) => job.excluded.map(({ disk, why }) => `${disk} (${why})`)));
  const isInNone = notBackedUp?.has(vmid) ?? (jobs !== undefined && enabled.length === 0);
  const reasons = [
    ...(backups === undefined || isHidden || newest !== undefined ? [] : ['no backup']),
    ...(age !== undefined && age > maxAgeDays ? [`last backup ${age} days ago`] : []),
    ...(isInNone ? [off.length > 0 ? `job disabled: ${off.join(', ')}` : 'no job'] : []),
    ...(excluded.length > 0 ? [`disks left out: ${excluded.join(', ')}`] : []),
    ...(isHidden ? ['backups not visible to the token'] : []),
  ];
  return {
    vmid,
    ...compact({
      name,
      type,
      node,
      last_backup_at: newest === undefined ? undefined : isoTime(newest),
      age_days: age,
      jobs: enabled.length === 0 ? undefined : enabled.map(({ id }) => String(id)),
    }),
    reasons,
  };
}

function unique(texts: readonly string[]): string[] {
  return [...new Set(texts)];
}
