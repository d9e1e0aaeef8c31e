import { pino } from 'pino';
import type { EffectivePermissions } from '../catalogue/permissions.ts';
import type { Cluster } from '../clusters/cluster.ts';
import { judgePrivileges, nameOf, type PrivilegeReport, type Problem } from '../clusters/privileges.ts';
import { createCluster } from '../clusters/single-cluster.ts';
import type { ClusterConfig, Endpoint } from '../config/config.ts';
import { formatEndpoint } from '../config/endpoint.ts';
import { apiPath } from '../proxmox/api-path.ts';
import { toCallError } from '../proxmox/errors.ts';
import { fetchCertificate, type ShownCertificate } from './certificate.ts';

export interface EndpointReport {
  endpoint: string;
  version?: string;
  /** Of `GET /version` on an open connection. */
  latencyMs?: number;
  certificate?: ShownCertificate;
  problem?: Problem;
}

export interface ClusterReport {
  name: string;
  /** Who the service is to this cluster: `user@realm!token`. */
  identity: string;
  endpoints: EndpointReport[];
  privileges: PrivilegeReport | undefined;
  problems: Problem[];
  notes: string[];
}

const CALL_MS = 10_000;
const DAY_MS = 86_400_000;
const EXPIRY_NOTE_DAYS = 30;

/** Asks every endpoint of a cluster on its own, and one that answers for what the credentials may do. */
export async function checkCluster(config: ClusterConfig, readOnly: boolean): Promise<ClusterReport> {
  const endpoints = await Promise.all(config.endpoints.map((endpoint) => checkEndpoint(config, endpoint)));
  const answering = config.endpoints.find((_endpoint, index) => endpoints[index]?.problem === undefined);
  const found = answering === undefined ? undefined : await askPrivileges(config, answering, readOnly);
  const privileges = found !== undefined && 'held' in found ? found : undefined;
  const refused = found !== undefined && 'message' in found ? [found] : [];
  return {
    name: config.name,
    identity: nameOf(config.credentials),
    endpoints,
    privileges,
    problems: withoutRepeats([
      ...endpoints.flatMap(({ problem }) => problem ?? []),
      ...refused,
      ...(privileges?.problems ?? []),
    ]),
    notes: [
      ...config.endpoints.flatMap((endpoint, index) => certificateNotes(config, endpoint, endpoints[index])),
      ...(privileges?.partial ?? []).map(
        ({ privilege, paths }) => `${privilege} is held for a part only: ${paths.join(', ')}`,
      ),
    ],
  };
}

async function checkEndpoint(config: ClusterConfig, endpoint: Endpoint): Promise<EndpointReport> {
  const report = { endpoint: formatEndpoint(endpoint) };
  const [version, certificate] = await Promise.all([
    withEndpoint(config, endpoint, askVersion).catch(problemOf),
    // Where there is none, the call beside it says why.
    fetchCertificate(endpoint).catch(() => undefined),
  ]);
  const shown = certificate === undefined ? {} : { certificate };
  return 'message' in version
    ? { ...report, ...shown, problem: version }
    : { ...report, ...shown, ...version };
}

async function askVersion(cluster: Cluster): Promise<{ version: string; latencyMs: number }> {
  const call = { method: 'GET' as const, path: apiPath`/version`, parameters: {}, deadlineMs: CALL_MS };
  // The first call opens the connection; the second one is what later calls will take.
  const { data } = await cluster.send(call);
  const startedAt = performance.now();
  await cluster.send(call);
  const { version } = (data ?? {}) as { version?: unknown };
  return { version: String(version ?? 'unknown'), latencyMs: Math.round(performance.now() - startedAt) };
}

async function askPrivileges(
  config: ClusterConfig,
  endpoint: Endpoint,
  readOnly: boolean,
): Promise<PrivilegeReport | Problem> {
  const call = {
    method: 'GET' as const,
    path: apiPath`/access/permissions`,
    parameters: {},
    deadlineMs: CALL_MS,
  };
  try {
    const { data } = await withEndpoint(config, endpoint, (cluster) => cluster.send(call));
    return judgePrivileges((data ?? {}) as EffectivePermissions, config, readOnly || config.readOnly);
  } catch (thrown) {
    return problemOf(thrown);
  }
}

/** Opens a cluster that consists of this one endpoint, so that no other one answers in its place. */
async function withEndpoint<T>(
  config: ClusterConfig,
  endpoint: Endpoint,
  ask: (cluster: Cluster) => Promise<T>,
): Promise<T> {
  const cluster = createCluster({ ...config, endpoints: [endpoint] }, DEPS);
  try {
    return await ask(cluster);
  } finally {
    await cluster.close();
  }
}

/** What the engine would log stands in the report, and an endpoint that fails is not asked again. */
const DEPS = { logger: pino({ level: 'silent' }), limits: { readAttempts: 1 } };

/** A wrong secret is refused by each endpoint in the same words. */
function withoutRepeats(problems: readonly Problem[]): Problem[] {
  return [...new Map(problems.map((problem) => [problem.message, problem])).values()];
}

/** The engine speaks of a cluster that it goes on asking; here each endpoint was asked by itself, and once. */
function problemOf(thrown: unknown): Problem {
  const { message, hint } = toCallError(thrown);
  const here = message
    .replace(/^The cluster can't be reached: /, '')
    .replace(/ It is not asked again before [\d:]+ UTC\./, '');
  return { message: here, fix: hint };
}

function certificateNotes(
  { tls }: ClusterConfig,
  { fingerprint }: Endpoint,
  report: EndpointReport | undefined,
): string[] {
  const certificate = report?.certificate;
  if (certificate === undefined) return [];
  const days = Math.floor((certificate.expiresAt - Date.now()) / DAY_MS);
  const isPinned = (fingerprint ?? tls.fingerprint) !== undefined;
  return [
    ...(days < EXPIRY_NOTE_DAYS
      ? [`the certificate of ${report?.endpoint} ${days < 0 ? 'has expired' : `expires in ${days} days`}`]
      : []),
    ...(!tls.verify && !isPinned
      ? [`any certificate is accepted; the one of ${report?.endpoint} is SHA-256 ${certificate.fingerprint}`]
      : []),
  ];
}
