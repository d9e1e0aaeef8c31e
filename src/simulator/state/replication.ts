import type { ClusterState } from './cluster-state.ts';

/** One guest's replication to one other node. */
export interface ReplicationJob {
  /** `100-0` */
  id: string;
  guest: number;
  jobnum: number;
  type: 'local';
  target: string;
  schedule?: string;
  rate?: number;
  comment?: string;
  disable?: number;
  remove_job?: string;
  source?: string;
  /** epoch seconds */
  created: number;
  /** epoch seconds of the last run that was asked for by hand */
  requested?: number;
}

const DEFAULT_STEP = 15 * 60;

/** Seconds between two runs, for the simple calendar events: every n minutes, hourly, daily. */
export function stepOf({ schedule = '*/15' }: ReplicationJob): number {
  const minutes = /^(?:\*:)?(?:\*|0+)\/(\d+)$/.exec(schedule)?.[1];
  if (minutes !== undefined && Number(minutes) > 0) return Number(minutes) * 60;
  if (schedule === 'hourly' || schedule === '*:00') return 3600;
  return schedule === 'daily' || /^\d+:\d+$/.test(schedule) ? 86_400 : DEFAULT_STEP;
}

export interface ReplicationRun {
  /** epoch seconds; 0 before the first run */
  last: number;
  next: number;
  /** seconds */
  duration: number;
}

/** Runs keep to the schedule as long as the job is on and the target can be reached. */
export function runsOf(state: ClusterState, job: ReplicationJob): ReplicationRun {
  const now = Math.floor(state.clock() / 1000);
  const step = stepOf(job);
  const slot = Math.floor(now / step) * step;
  const last = Math.max(slot > job.created && !job.disable ? slot : 0, job.requested ?? 0);
  return { last, next: job.disable ? 0 : slot + step, duration: last === 0 ? 0 : 3.2 + (job.guest % 7) };
}
