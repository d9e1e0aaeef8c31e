import { isObject } from '../../catalogue/json.ts';
import { textParam } from '../params.ts';

const PERIODS = ['last', 'hourly', 'daily', 'weekly', 'monthly', 'yearly'] as const;

export type Period = (typeof PERIODS)[number];

/** How many backups stay for each period; `all` keeps every one. */
export type Retention = Partial<Record<Period, number>> & { all?: true };

/**
 * Reads a rule as people and Proxmox write it: `keep-last=3,keep-daily=7`, or without `keep-`.
 *
 * @returns undefined for what is none, or says at once that all stay and that some do
 */
export function parseRetention(text: string): Retention | undefined {
  const rule: Retention = {};
  for (const part of text.split(',')) {
    const [, name, figure = ''] = /^\s*(?:keep-)?([a-z]+)=(\d{1,5})\s*$/.exec(part) ?? [];
    const period = PERIODS.find((known) => known === name);
    if (name === 'all') {
      if (figure !== '1') return undefined;
      rule.all = true;
    } else if (period === undefined || rule[period] !== undefined) return undefined;
    else rule[period] = Number(figure);
  }
  const counts = PERIODS.filter((period) => (rule[period] ?? 0) > 0);
  // With nothing but zeros Proxmox keeps all, which is the contrary of what it reads like.
  if (rule.all ? counts.length > 0 : counts.length === 0) return undefined;
  return rule;
}

/** As Proxmox writes it. */
export function writeRetention(rule: Retention): string {
  if (rule.all) return 'keep-all=1';
  return PERIODS.filter((period) => (rule[period] ?? 0) > 0)
    .map((period) => `keep-${period}=${rule[period]}`)
    .join(',');
}

export const keepParam = textParam(200)
  .refine(
    (text) => parseRetention(text) !== undefined,
    'is no rule such as keep-last=3,keep-daily=7,keep-weekly=4,keep-monthly=6 or keep-all=1',
  )
  .transform((text) => writeRetention(parseRetention(text) ?? { all: true }));

/** The rule of a job or a storage, which Proxmox gives as a text or as an object. */
export function retentionText(value: unknown): string | undefined {
  if (typeof value === 'string') return value === '' ? undefined : value;
  if (!isObject(value)) return undefined;
  const pairs = Object.entries(value).map(([key, item]) => `${key}=${item === true ? 1 : String(item)}`);
  return pairs.length === 0 ? undefined : pairs.join(',');
}

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
