/** What an alert may be about. Stable names: webhooks, metrics and the documentation carry them. */
const ALERT_KINDS = [
  'cluster_down',
  'quorum_lost',
  'node_offline',
  'storage_full',
  'certificate_expiring',
  'backup_failed',
  'backup_old',
  'token_expiring',
  'credential_expiring',
  'audit_failing',
  'state_failing',
  'redis_failing',
] as const;
export type AlertKind = (typeof ALERT_KINDS)[number];

export type Severity = 'warning' | 'critical';

/** A condition as one look found it. */
export interface Finding {
  kind: AlertKind;
  severity: Severity;
  /** Absent where it is about the service itself. */
  cluster?: string;
  /** What it is about, the same in each look: with kind and cluster it says which alert this is. */
  subject: string;
  /** What is wrong, and what to do. */
  message: string;
  /** Where it is: what is not known while that node can't be asked. */
  node?: string;
  storage?: string;
}

/** A condition that has held for long enough. Times are epoch milliseconds. */
export interface Alert extends Finding {
  /** The same for as long as it lasts, and again when it comes back. */
  id: string;
  since: number;
  lastSeen: number;
}

/** What became of an alert; `changed` is another severity. */
export interface AlertChange {
  event: 'raised' | 'changed' | 'resolved';
  alert: Alert;
  /** Of a raised one its own; else what happened. */
  message: string;
  /** Epoch milliseconds. */
  at: number;
}

/**
 * What is found in one look, and is known or unknown as a whole: while a cluster can't be asked for its storages,
 * nothing is said of them.
 */
export type Group =
  | 'health'
  | 'status'
  | 'storages'
  | 'certificates'
  | 'backups'
  | 'backup-ages'
  | 'token'
  | 'credentials'
  | 'audit'
  | 'state'
  | 'redis';

const GROUPS: Readonly<Record<AlertKind, Group>> = {
  cluster_down: 'health',
  quorum_lost: 'status',
  node_offline: 'status',
  storage_full: 'storages',
  certificate_expiring: 'certificates',
  backup_failed: 'backups',
  backup_old: 'backup-ages',
  token_expiring: 'token',
  credential_expiring: 'credentials',
  audit_failing: 'audit',
  state_failing: 'state',
  redis_failing: 'redis',
};

export function groupOf({ kind }: Pick<Finding, 'kind'>): Group {
  return GROUPS[kind];
}

/** `storage_full:production:nfs`. */
export function idOf({ kind, cluster, subject }: Pick<Finding, 'kind' | 'cluster' | 'subject'>): string {
  return `${kind}:${cluster ?? ''}:${subject}`;
}
