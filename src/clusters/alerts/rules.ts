import type { AlertConfig } from '../../config/config.ts';
import { quoted } from '../../proxmox/text.ts';
import type { ClusterHealth } from '../cluster.ts';
import type { StorageRow } from '../inventory.ts';
import type { Finding, Severity } from './alert.ts';
import { inDays, timeText } from './texts.ts';

const DAY_MS = 86_400_000;
/** Below the threshold, in percent: so far down a full storage has to come before it counts as one no more. */
const STORAGE_MARGIN = 2;
/** Days before its end at which what expires is critical. */
const CRITICAL_DAYS = 3;

/** How bad an alert with this kind and subject is already. */
export type Before = (finding: Pick<Finding, 'kind' | 'cluster' | 'subject'>) => Severity | undefined;

export function healthFindings(cluster: string, health: ClusterHealth): Finding[] {
  if (health.reachable) return [];
  const isRefused = health.code === 'UPSTREAM_AUTH';
  const todo = isRefused
    ? `Check its token: proxmox-mcp check ${cluster} says what is wrong.`
    : `Look at its nodes and at the network between; proxmox-mcp check ${cluster} tries each address.`;
  const what = isRefused
    ? 'refuses the credentials of this service'
    : 'does not answer at any of its addresses';
  return [
    {
      kind: 'cluster_down',
      severity: 'critical',
      cluster,
      subject: 'cluster',
      message: `The cluster ${cluster} ${what} (${health.code}). ${todo}`,
    },
  ];
}

/** From `GET /cluster/status`; a host that is in no cluster has no quorum that could be lost. */
export function statusFindings(
  cluster: string,
  rows: readonly Readonly<Record<string, unknown>>[],
): Finding[] {
  const nodes = rows.filter(({ type }) => type === 'node');
  const offline = nodes.filter(({ online }) => Number(online) !== 1).map(({ name }) => String(name));
  const whole = rows.find(({ type }) => type === 'cluster');
  const isLost = whole !== undefined && Number(whole.quorate) !== 1;
  return [
    ...(isLost ? [quorumLost(cluster, nodes.length, offline.length)] : []),
    ...offline.map((node) => nodeOffline(cluster, node)),
  ];
}

function quorumLost(cluster: string, nodes: number, offline: number): Finding {
  return {
    kind: 'quorum_lost',
    severity: 'critical',
    cluster,
    subject: 'quorum',
    message:
      `The cluster ${cluster} has lost its quorum (${nodes - offline} of ${nodes} nodes are online): Proxmox refuses every ` +
      'change there. Bring its nodes or the network between them back; pvecm status on a node says who is missing.',
  };
}

export function nodeOffline(cluster: string, node: string): Finding {
  const name = quoted(node);
  return {
    kind: 'node_offline',
    severity: 'critical',
    cluster,
    subject: `node ${name}`,
    node,
    message: `The node ${name} of ${cluster} is offline: its guests are down unless HA has moved them. Look at its power and network.`,
  };
}

/** One for each shared storage, and one for each node that has one of its own. */
export function storageFindings(
  cluster: string,
  storages: readonly StorageRow[],
  { storagePercent }: Pick<AlertConfig, 'storagePercent'>,
  before: Before,
): Finding[] {
  const fullest = new Map<string, { row: StorageRow; percent: number }>();
  for (const row of storages) {
    const { usedBytes, totalBytes, status, shared, storage, node } = row;
    if (status !== 'available' || usedBytes === undefined || !totalBytes) continue;
    const name = shared ? `storage ${quoted(storage)}` : `storage ${quoted(storage)} on ${quoted(node)}`;
    const percent = (usedBytes / totalBytes) * 100;
    if (percent > (fullest.get(name)?.percent ?? -1)) fullest.set(name, { row, percent });
  }
  return [...fullest].flatMap(([subject, { row, percent }]) => {
    const severity = levelOf(percent, storagePercent, before({ kind: 'storage_full', cluster, subject }));
    if (severity === undefined) return [];
    const limit = storagePercent[severity];
    const message =
      `The ${subject} of ${cluster} is ${percent.toFixed(1)} % full (the limit is ${limit} %). Remove old backups, snapshots or ` +
      'unused disks, move disks elsewhere, or make it larger: guests stop when it is full.';
    const place = row.shared ? {} : { node: row.node };
    return [{ kind: 'storage_full', severity, cluster, subject, storage: row.storage, message, ...place }];
  });
}

function levelOf(
  percent: number,
  { warning, critical }: AlertConfig['storagePercent'],
  before: Severity | undefined,
): Severity | undefined {
  if (percent >= critical - (before === 'critical' ? STORAGE_MARGIN : 0)) return 'critical';
  return percent >= warning - (before === undefined ? 0 : STORAGE_MARGIN) ? 'warning' : undefined;
}

/** Something that ends at a time, said so many days before; undefined while that is far off. */
export function expiring(
  about: Omit<Finding, 'severity' | 'message'>,
  { at, days, now }: { at: number; days: number; now: number },
  message: (when: string) => string,
): Finding | undefined {
  if (!Number.isFinite(at) || at - now > days * DAY_MS) return undefined;
  const severity = at - now <= CRITICAL_DAYS * DAY_MS ? 'critical' : 'warning';
  const when = `${at <= now ? 'ended' : 'ends'} ${inDays(at, now)} (${timeText(at)})`;
  return { ...about, severity, message: message(when) };
}
