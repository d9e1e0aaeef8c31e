import type { ClusterState, ServiceState } from './service-state.ts';

/** A value that is read when Prometheus asks. */
export interface GaugeSpec {
  name: string;
  help: string;
  labels?: readonly string[];
  /** Values of the labels, in their order, and the value. */
  rows(state: ServiceState): readonly (readonly [labels: readonly string[], value: number])[];
}

type Read = (cluster: ClusterState) => number | undefined;

/** One value of each cluster that has one. */
function ofClusters(read: Read): GaugeSpec['rows'] {
  return ({ clusters }) =>
    clusters().flatMap((state) => {
      const value = read(state);
      return value === undefined ? [] : [[[state.cluster], value] as const];
    });
}

function byKey(read: (state: ServiceState) => Readonly<Record<string, number>>): GaugeSpec['rows'] {
  return (state) => Object.entries(read(state)).map(([key, value]) => [[key], value] as const);
}

function alone(value: number | undefined): ReturnType<GaugeSpec['rows']> {
  return value === undefined ? [] : [[[], value]];
}

function flag(value: boolean | undefined): number | undefined {
  return value === undefined ? undefined : Number(value);
}

const OF_CLUSTERS: readonly GaugeSpec[] = [
  {
    name: 'proxmox_mcp_cluster_up',
    help: '1 where an endpoint of the cluster answered the last time it was asked, else 0.',
    labels: ['cluster'],
    rows: ofClusters(({ isUp }) => flag(isUp)),
  },
  {
    name: 'proxmox_mcp_cluster_endpoints',
    help: 'Configured endpoints of the cluster, by state: answering, failing, unknown (not asked yet).',
    labels: ['cluster', 'state'],
    rows: ({ clusters }) =>
      clusters().flatMap(({ cluster, endpoints }) =>
        Object.entries(endpoints).map(([state, count]) => [[cluster, state], count] as const),
      ),
  },
  {
    name: 'proxmox_mcp_breakers_open',
    help: 'Endpoints that failed so often in a row that they are asked last.',
    labels: ['cluster'],
    rows: ofClusters(({ breakersOpen }) => breakersOpen),
  },
  {
    name: 'proxmox_mcp_upstream_connections',
    help: 'Open connections to the nodes of the cluster.',
    labels: ['cluster'],
    rows: ofClusters(({ connections }) => connections),
  },
  {
    name: 'proxmox_mcp_upstream_requests_running',
    help: 'Requests that the nodes of the cluster work on.',
    labels: ['cluster'],
    rows: ofClusters(({ running }) => running),
  },
  {
    name: 'proxmox_mcp_upstream_requests_queued',
    help: 'Requests that wait here until a node of the cluster has a place for them.',
    labels: ['cluster'],
    rows: ofClusters(({ queued }) => queued),
  },
  {
    name: 'proxmox_mcp_inventory_age_seconds',
    help: 'Age of the inventory of the cluster that is kept.',
    labels: ['cluster'],
    rows: ofClusters(({ inventoryAsOf }) =>
      inventoryAsOf === undefined ? undefined : Math.max(0, Date.now() - inventoryAsOf) / 1000,
    ),
  },
  {
    name: 'proxmox_mcp_certificate_expiry_timestamp_seconds',
    help: 'When the first of the certificates that the endpoints of the cluster show ends, in Unix time.',
    labels: ['cluster'],
    rows: ofClusters(({ certificateExpiresAt: at }) => (at === undefined ? undefined : at / 1000)),
  },
];

const OF_SERVICE: readonly GaugeSpec[] = [
  {
    name: 'proxmox_mcp_sessions',
    help: 'Open sessions of clients.',
    labels: ['door'],
    rows: byKey(({ sessions }) => sessions()),
  },
  {
    name: 'proxmox_mcp_open_streams',
    help: 'Streams on which the service speaks first.',
    labels: ['door'],
    rows: byKey(({ streams }) => streams()),
  },
  {
    name: 'proxmox_mcp_tool_calls_running',
    help: 'Calls of tools under way.',
    rows: ({ callsRunning }) => alone(callsRunning()),
  },
  {
    name: 'proxmox_mcp_jobs_running',
    help: 'Tasks of Proxmox VE that this replica follows to their end.',
    rows: ({ jobsRunning }) => alone(jobsRunning()),
  },
  {
    name: 'proxmox_mcp_approval_plans',
    help: 'Plans that are kept (about an hour), by state: pending, approved, denied, used, expired. The same for all replicas.',
    labels: ['state'],
    rows: byKey(({ plans }) => plans()),
  },
  {
    name: 'proxmox_mcp_audit_up',
    help: '1 where calls can be recorded, 0 where the audit record can not be written; missing without AUDIT_FILE.',
    rows: ({ audit }) => alone(flag(audit?.().isHealthy)),
  },
  {
    name: 'proxmox_mcp_audit_lines',
    help: 'Number of the last line of the audit record that is on disk.',
    rows: ({ audit }) => alone(audit?.().lines),
  },
  {
    name: 'proxmox_mcp_redis_up',
    help: '1 where the Redis that replicas share answers, else 0; missing without REDIS_URL.',
    rows: ({ isRedisUp }) => alone(flag(isRedisUp?.())),
  },
  {
    name: 'proxmox_mcp_alerts',
    help: 'Alerts that hold, as docs/alerts.md describes them; the cluster is empty where they are about the service itself.',
    labels: ['kind', 'severity', 'cluster'],
    rows: ({ alerts }) =>
      [
        ...Map.groupBy(alerts(), ({ kind, severity, cluster }) => JSON.stringify([kind, severity, cluster])),
      ].map(([labels, those]) => [JSON.parse(labels), those.length]),
  },
  {
    name: 'proxmox_mcp_build_info',
    help: 'Always 1; says which version runs.',
    labels: ['version'],
    rows: ({ version }) => [[[version], 1]],
  },
];

export const GAUGES: readonly GaugeSpec[] = [...OF_CLUSTERS, ...OF_SERVICE];
