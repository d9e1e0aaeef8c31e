import { z } from 'zod';
import type { GatedCluster } from '../../access/gate.ts';
import type { EndpointState } from '../../proxmox/endpoint-state.ts';
import { defineTool, READS, type ToolContext } from '../define.ts';
import { askFleet, type FleetFailure, fleetFields, fleetSelection } from '../fleet.ts';
import { clusterParam } from '../params.ts';
import { compact, count, isoTime } from '../results.ts';
import { daysLeft, type Finding, findingsOf, nearlyFull } from './health-findings.ts';
import { type HealthParts, readHealthParts } from './health-parts.ts';

const endpointRow = z.object({
  endpoint: z.string(),
  answers: z.boolean().optional().describe('Absent before it was asked.'),
  breaker_open: z.boolean(),
  latency_ms: z.number().optional(),
  certificate_days_left: z.int().optional(),
  problem: z.string().optional(),
  checked_at: z.string().optional(),
});

const healthRow = z.object({
  cluster: z.string(),
  status: z.enum(['ok', 'warning', 'critical']),
  reachable: z.boolean(),
  problem: z.string().optional(),
  version: z.string().optional(),
  release: z.string().optional(),
  latency_ms: z.number().optional(),
  quorum: z.enum(['ok', 'lost', 'standalone']).optional(),
  nodes_online: z.int().optional(),
  nodes_total: z.int().optional(),
  nodes_offline: z.array(z.string()).optional(),
  endpoints: z.array(endpointRow).optional(),
  rights: z
    .object({ held: z.array(z.string()), partial: z.array(z.string()), missing: z.array(z.string()) })
    .optional()
    .describe('Of this service’s own token.'),
  certificate_days_left: z.int().optional().describe('The fewest of its endpoints.'),
  clock_skew_seconds: z.int().optional().describe('The largest of its nodes; positive: ahead.'),
  storages_nearly_full: z
    .array(z.object({ storage: z.string(), node: z.string().optional(), used_percent: z.number() }))
    .optional(),
  findings: z
    .array(z.object({ severity: z.enum(['warning', 'critical']), message: z.string(), fix: z.string() }))
    .describe('The worst first.'),
  findings_total: z.int(),
  unread: z
    .array(z.object({ part: z.string(), problem: z.string() }))
    .optional()
    .describe('What could not be read.'),
});
type HealthRow = z.output<typeof healthRow>;

/** What a reader can take in of one cluster; the worst come first. */
const MOST_ROWS = 20;
/** More than the probe and the parts together may take. */
const CLUSTER_MS = 16_000;

export const clusterHealth = defineTool({
  name: 'cluster_health',
  title: 'Cluster health',
  description:
    'Tells how clusters are: quorum, nodes, endpoints, certificates, clocks, storages and the token’s rights, with what to do.',
  toolset: 'inventory',
  annotations: READS,
  withoutCluster: 'all',
  calls: [
    ['GET', '/version'],
    ['GET', '/cluster/status'],
    ['GET', '/cluster/resources'],
    ['GET', '/access/permissions'],
    ['GET', '/nodes/{node}/time'],
    ['GET', '/nodes/{node}/network', 'type'],
  ],
  input: z.strictObject({ cluster: clusterParam }),
  output: z.object({ ...fleetFields, clusters: z.array(healthRow), total: z.int() }),
  async run({ cluster: name }, context) {
    const fleet = context.fleet(name);
    const { answers, failed } = await askFleet(
      fleet,
      context,
      // The health of a fallback is not that of the cluster it stands in for.
      (cluster, signal) => rowOf(cluster.alone(), signal, context),
      CLUSTER_MS,
    );
    const rows = new Map(answers.map(({ cluster, answer }) => [cluster.name, answer]));
    for (const failure of failed) rows.set(failure.cluster, failedRow(failure));
    const clusters = fleet.clusters.flatMap((cluster) => rows.get(cluster.name) ?? []);
    return { ...fleetSelection(fleet, []), clusters, total: clusters.length };
  },
  summary({ clusters, total }) {
    const fine = clusters.filter(({ status }) => status === 'ok');
    const others = clusters
      .filter(({ status }) => status !== 'ok')
      .sort((one, other) => one.status.localeCompare(other.status))
      .map((row) => `${row.cluster} ${row.status}: ${reasonOf(row)}`);
    return `${count(total, 'cluster')}: ${[`${fine.length} ok`, ...others].join('; ').replace(/\.?$/, '.')}`;
  },
});

async function rowOf(cluster: GatedCluster, signal: AbortSignal, context: ToolContext): Promise<HealthRow> {
  const before = await cluster.health();
  if (!before.reachable) return silentRow(cluster, before, context.now());
  const parts = await readHealthParts(cluster, signal, () => context.now());
  // It may have gone down since the last probe: where a call could not reach it, this asks anew.
  const health = parts.unread.length === 0 ? before : await cluster.health();
  if (!health.reachable) return silentRow(cluster, health, context.now());
  if (isNothing(parts)) return silentRow(cluster, unreadable(parts), context.now());
  const findings = findingsOf(parts, cluster.endpoints(), cluster.settings, context.now());
  const { version, release, latencyMs } = health;
  return {
    cluster: cluster.name,
    status: findings[0]?.severity ?? (parts.unread.length === 0 ? 'ok' : 'warning'),
    reachable: true,
    ...compact({ version, release, latency_ms: latencyMs }),
    ...nodeFields(parts),
    ...endpointFields(cluster.endpoints(), context.now()),
    ...partFields(parts),
    ...boundedFindings(findings),
  };
}

/** The cluster answered a probe not long ago, and no question since: that is no health to speak of. */
function isNothing({ quorum, inventory, rights }: HealthParts): boolean {
  return quorum === undefined && inventory === undefined && rights === undefined;
}

function unreadable({ unread }: HealthParts): { code: string; message: string } {
  const [, code = 'UPSTREAM_ERROR', message = ''] = /^(\w+): (.*)$/s.exec(unread[0]?.problem ?? '') ?? [];
  return { code, message: `It answers no question: ${message}` };
}

function silentRow(
  cluster: GatedCluster,
  { code, message }: { code: string; message: string },
  now: number,
): HealthRow {
  return {
    cluster: cluster.name,
    status: 'critical',
    reachable: false,
    problem: `${code}: ${message}`,
    ...endpointFields(cluster.endpoints(), now),
    ...boundedFindings([{ severity: 'critical', message, fix: FIXES[code] ?? DEFAULT_FIX }]),
  };
}

const DEFAULT_FIX =
  'Check that its nodes are up and that this machine reaches them; proxmox-mcp check tells what is wrong.';
const FIXES: Readonly<Record<string, string>> = {
  UPSTREAM_AUTH: 'Correct the token or the password of this cluster; proxmox-mcp check tells what is wrong.',
};

function failedRow({ cluster, code, message, hint }: FleetFailure): HealthRow {
  const finding: Finding = { severity: 'critical', message, fix: hint };
  const problem = `${code}: ${message}`;
  return { cluster, status: 'critical', reachable: false, problem, ...boundedFindings([finding]) };
}

function nodeFields({ quorum }: HealthParts) {
  if (quorum === undefined) return {};
  const offline = quorum.nodes.filter(({ online }) => !online).map(({ name }) => name);
  return {
    quorum: quorum.quorum,
    nodes_online: quorum.nodes.length - offline.length,
    nodes_total: quorum.nodes.length,
    ...(offline.length === 0 ? {} : { nodes_offline: offline }),
  };
}

function endpointFields(states: readonly EndpointState[], now: number) {
  const endpoints = states.map(
    ({ endpoint, answers, breakerOpen, latencyMs, certificateExpiresAt, problem, checkedAt }) => ({
      endpoint,
      breaker_open: breakerOpen,
      ...compact({
        answers,
        latency_ms: latencyMs,
        certificate_days_left:
          certificateExpiresAt === undefined ? undefined : daysLeft(certificateExpiresAt, now),
        problem,
        checked_at: checkedAt === undefined ? undefined : isoTime(checkedAt),
      }),
    }),
  );
  const days = endpoints.flatMap((row) => row.certificate_days_left ?? []);
  return { endpoints, ...(days.length === 0 ? {} : { certificate_days_left: Math.min(...days) }) };
}

function partFields({ rights, clock, inventory, unread }: HealthParts) {
  const full = nearlyFull(inventory?.storages ?? []).slice(0, MOST_ROWS);
  const held = rights && {
    held: rights.held,
    partial: rights.partial.map(({ privilege }) => privilege),
    missing: rights.missing,
  };
  return {
    ...(held === undefined ? {} : { rights: held }),
    ...(clock === undefined ? {} : { clock_skew_seconds: clock.seconds }),
    ...(full.length === 0 ? {} : { storages_nearly_full: full }),
    ...(unread.length === 0 ? {} : { unread: unread.slice(0, MOST_ROWS) }),
  };
}

function boundedFindings(findings: readonly Finding[]) {
  return { findings: findings.slice(0, MOST_ROWS), findings_total: findings.length };
}

function reasonOf({ findings, findings_total, unread }: HealthRow): string {
  const [first] = findings;
  if (first === undefined) return `not read: ${(unread ?? []).map(({ part }) => part).join(', ')}`;
  const more = findings_total > 1 ? ` (and ${count(findings_total - 1, 'finding')} more)` : '';
  return `${first.message.replace(/\.$/, '')}${more}`;
}
