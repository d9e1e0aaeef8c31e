import { PERIODS, type Period, type Retention } from '../retention.ts';

interface Dated {
  volid: string;
  /** Epoch milliseconds. */
  madeAt: number;
  /** As Proxmox marked it. */
  mark: string;
}

/**
 * Works out which part of the rule keeps each backup of one guest, as PVE::PruneBackups marks them: a period counts
 * only what no shorter one keeps already.
 *
 * @returns by volid, as `daily`; undefined where it comes to other marks than Proxmox did, whose days are those of the
 *   node's time zone and not of UTC
 */
export function reasonsOf(
  backups: readonly Dated[],
  rule: Retention,
): ReadonlyMap<string, Period> | undefined {
  const open = backups
    .filter(({ mark }) => mark === 'keep' || mark === 'remove')
    .toSorted((a, b) => b.madeAt - a.madeAt);
  if (rule.all) return new Map();
  const kept = new Map<string, Period>();
  const gone = new Set<string>();
  for (const period of PERIODS) {
    const bucket = (row: Dated): string => bucketOf(row, period);
    const covered = new Set(open.filter(({ volid }) => kept.has(volid)).map(bucket));
    const taken = new Set<string>();
    for (const row of open) {
      const name = bucket(row);
      if (kept.has(row.volid) || gone.has(row.volid) || covered.has(name)) continue;
      if (taken.has(name)) {
        gone.add(row.volid);
        continue;
      }
      if (taken.size >= (rule[period] ?? 0)) break;
      taken.add(name);
      kept.set(row.volid, period);
    }
  }
  const agrees = open.every(({ volid, mark }) => kept.has(volid) === (mark === 'keep'));
  return agrees ? kept : undefined;
}

function bucketOf({ volid, madeAt }: Dated, period: Period): string {
  const iso = new Date(madeAt).toISOString();
  switch (period) {
    case 'last':
      return volid;
    case 'hourly':
      return iso.slice(0, 13);
    case 'daily':
      return iso.slice(0, 10);
    case 'weekly': {
      // ISO weeks begin on Monday.
      const monday = new Date(madeAt);
      monday.setUTCDate(monday.getUTCDate() - ((monday.getUTCDay() + 6) % 7));
      return monday.toISOString().slice(0, 10);
    }
    case 'monthly':
      return iso.slice(0, 7);
    case 'yearly':
      return iso.slice(0, 4);
  }
}
