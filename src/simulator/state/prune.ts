import { invalidParameters } from '../errors.ts';
import type { Volume } from './cluster-state.ts';

export type Mark = 'keep' | 'remove' | 'protected';

/** How many backups to keep per period: `{ 'keep-last': 3, 'keep-daily': 7 }`. */
export type Retention = Record<string, number>;

const date = (volume: Volume): Date => new Date(volume.ctime * 1000);
const iso = (volume: Volume, length: number): string => date(volume).toISOString().slice(0, length);

/** Weeks start on Monday. */
function week(volume: Volume): string {
  const day = date(volume);
  day.setUTCDate(day.getUTCDate() - ((day.getUTCDay() + 6) % 7));
  return day.toISOString().slice(0, 10);
}

const PERIODS: [string, (volume: Volume) => string][] = [
  ['keep-last', (volume) => volume.volid],
  ['keep-hourly', (volume) => iso(volume, 13)],
  ['keep-daily', (volume) => iso(volume, 10)],
  ['keep-weekly', week],
  ['keep-monthly', (volume) => iso(volume, 7)],
  ['keep-yearly', (volume) => iso(volume, 4)],
];

/** @param text as in a storage's definition: `keep-last=3,keep-daily=7` */
export function parseRetention(text: string): Retention {
  const pairs = text.split(',').map((pair) => pair.trim().split('='));
  for (const [key = '', value = ''] of pairs) {
    const known = key === 'keep-all' || PERIODS.some(([period]) => period === key);
    if (!known || !/^\d+$/.test(value)) {
      const unknown = `invalid format - format error\nprune-backups.${key}: property is not defined in schema`;
      throw invalidParameters({ 'prune-backups': unknown });
    }
  }
  return Object.fromEntries(pairs.map(([key = '', value = '']) => [key, Number(value)]));
}

/**
 * Says of each backup of one guest whether it stays. A period counts only backups that no shorter period
 * keeps already.
 * @param backups in any order
 */
export function markBackups(backups: Volume[], retention: Retention): Map<Volume, Mark> {
  const newestFirst = [...backups].sort((a, b) => b.ctime - a.ctime);
  const marks = new Map<Volume, Mark>();
  for (const volume of newestFirst.filter((candidate) => candidate.protected)) marks.set(volume, 'protected');
  const open = newestFirst.filter((volume) => !volume.protected);
  const limits = PERIODS.filter(([key]) => (retention[key] ?? 0) > 0);
  const keepAll = limits.length === 0 || retention['keep-all'] === 1;
  for (const [key, bucketOf] of keepAll ? [] : limits) {
    const covered = new Set(open.filter((volume) => marks.get(volume) === 'keep').map(bucketOf));
    const taken = new Set<string>();
    for (const volume of open) {
      const bucket = bucketOf(volume);
      if (marks.has(volume) || covered.has(bucket)) continue;
      if (!taken.has(bucket) && taken.size >= (retention[key] ?? 0)) break;
      // A second one of its day is gone for the longer periods too.
      marks.set(volume, taken.has(bucket) ? 'remove' : 'keep');
      taken.add(bucket);
    }
  }
  for (const volume of open) if (!marks.has(volume)) marks.set(volume, keepAll ? 'keep' : 'remove');
  return marks;
}
