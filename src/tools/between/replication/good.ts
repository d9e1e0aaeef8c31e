import { z } from 'zod';
import type { Schedule } from '../../../access/schedules/schedule.ts';
import { isoTime } from '../../results.ts';
import { jobOf, type Replica, replicasOf } from './job.ts';

const MINUTE_MS = 60_000;

/** The newest replica that was seen whole. */
export const goodRow = z
  .object({
    cluster: z.string(),
    vmid: z.int(),
    /** What the guest wrote since then is not in it. */
    backup_at: z.string(),
    age_minutes: z.int(),
  })
  .optional();

type Good = z.output<typeof goodRow>;

/**
 * @param now epoch milliseconds
 * @param isStill which replicas are there yet, as far as it is known
 */
export function goodOf(
  schedule: Schedule,
  now: number,
  isStill: (replica: Replica) => boolean = () => true,
): Good {
  const last = replicasOf(schedule).findLast(isStill);
  if (last === undefined) return undefined;
  return {
    cluster: jobOf(schedule).target,
    vmid: last.vmid,
    backup_at: isoTime(last.backupAt),
    age_minutes: Math.max(0, Math.round((now - last.backupAt) / MINUTE_MS)),
  };
}

export function goodText(good: Good): string {
  return good === undefined
    ? 'There is no good state yet.'
    : `The last good state is ${good.vmid} of ${good.cluster}, from a backup ${good.age_minutes} minutes old.`;
}
