import type { Alert, AlertKind } from './alert.ts';

/** What an alert's end means. */
const RESOLVED: Readonly<Record<AlertKind, (alert: Alert) => string>> = {
  cluster_down: ({ cluster }) => `The cluster ${cluster} answers again.`,
  quorum_lost: ({ cluster }) => `The cluster ${cluster} has its quorum again.`,
  node_offline: ({ cluster, subject }) =>
    `The ${subject} of ${cluster} is online again, or no longer part of it.`,
  storage_full: ({ cluster, subject }) => `The ${subject} of ${cluster} has room again, or is gone.`,
  certificate_expiring: ({ cluster, subject }) =>
    `The ${subject}${cluster === undefined ? '' : ` of ${cluster}`} was renewed, or is no longer in use.`,
  backup_failed: ({ cluster, subject }) =>
    `The failed backup (${subject}) of ${cluster} was made up for, or lies too far back to be spoken of.`,
  backup_old: ({ cluster, subject }) =>
    `For ${subject} of ${cluster} there is a recent backup, or it is gone.`,
  token_expiring: ({ cluster }) => `The API token for ${cluster} is valid for long enough again.`,
  credential_expiring: ({ subject }) => `The ${subject} was replaced, was revoked, or has ended.`,
  audit_failing: () => 'Calls are recorded again.',
  state_failing: () => 'The state can be read and written again.',
  redis_failing: () => 'Redis answers again: what replicas share can be changed again.',
};

export function resolvedText(alert: Alert): string {
  return RESOLVED[alert.kind](alert);
}

const DAY_MS = 86_400_000;

/** `in 3 days`, `today`, `2 days ago`. */
export function inDays(at: number, now: number): string {
  const days = Math.floor((at - now) / DAY_MS);
  if (days === 0) return 'within a day';
  if (days < 0) return days === -1 ? 'within the last day' : `${-days} days ago`;
  return `in ${days} day${days === 1 ? '' : 's'}`;
}

/** `2026-11-22 04:50 UTC`. @param at epoch milliseconds */
export function timeText(at: number): string {
  return `${new Date(at).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}
