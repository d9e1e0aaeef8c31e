import type { Alert } from '../../clusters/alerts/alert.ts';
import type { Cluster } from '../../clusters/cluster.ts';
import { type Asking, judgeRead, type Rules, SERVICE_READS } from '../judge.ts';

/** Where the alerts come from. */
export interface AlertSource {
  active(): readonly Alert[];
  /** Whether a cluster was looked at since the start. */
  hasLookedAt(cluster: string): boolean;
}

/** The alerts as one caller may see them. */
export interface VisibleAlerts {
  /** The oldest first; asks no cluster. */
  list(): readonly Alert[];
  /** Clusters of which nothing is known yet. */
  notLookedAt(): readonly string[];
  sees(alert: Alert): boolean;
}

/**
 * Shows a caller what it could have read itself: an alert about a storage to those who may read that storage. Tenants
 * hear of their clusters alone and nothing of nodes, storages and backups; of the service itself only administrators do.
 *
 * @param clusters those of the door that the caller came through
 */
export function visibleAlerts(
  { alerts, ...rules }: Rules & { alerts: AlertSource },
  asking: Asking,
  clusters: readonly Cluster[],
): VisibleAlerts {
  const byName = new Map(clusters.map((cluster) => [cluster.name, cluster]));
  const { principal } = asking;
  const isTenant = rules.policy.tenantOf(principal) !== undefined;
  const isAdministrator = !isTenant && rules.policy.tenantsFor(principal) !== undefined;
  const may = (cluster: Cluster, path: string): boolean => judgeRead(rules, asking, cluster, path).allowed;
  const sees = (alert: Alert): boolean => {
    if (alert.cluster === undefined) return isAdministrator;
    const cluster = byName.get(alert.cluster);
    if (cluster === undefined || !may(cluster, SERVICE_READS.version)) return false;
    if (alert.kind === 'cluster_down') return true;
    return !isTenant && may(cluster, pathOf(alert, cluster));
  };
  return {
    sees,
    list: () => alerts.active().filter(sees),
    notLookedAt: () =>
      clusters
        .filter((cluster) => may(cluster, SERVICE_READS.version) && !alerts.hasLookedAt(cluster.name))
        .map(({ name }) => name),
  };
}

/** The read that would tell the same. */
function pathOf({ kind, node = '', storage = '' }: Alert, { config }: Cluster): string {
  switch (kind) {
    case 'storage_full':
      return `/storage/${storage}`;
    case 'certificate_expiring':
      return node === '' ? SERVICE_READS.status : `/nodes/${node}/certificates/info`;
    case 'backup_failed':
      return `/nodes/${node}/tasks`;
    case 'backup_old':
      return SERVICE_READS.resources;
    case 'token_expiring': {
      const { credentials } = config;
      return credentials.kind === 'token'
        ? `/access/users/${credentials.user}/token/${credentials.tokenId}`
        : SERVICE_READS.status;
    }
    default:
      return SERVICE_READS.status;
  }
}
