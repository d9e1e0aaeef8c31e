import Table from 'cli-table3';
import { count } from '../tools/results.ts';
import type { ClusterReport, EndpointReport } from './check-cluster.ts';
import { styled } from './output.ts';

/** Everything `check` found. */
export interface CheckReport {
  clusters: ClusterReport[];
  /** What is wrong with the configuration beside the clusters. */
  problems: { message: string; fix: string }[];
  notes: string[];
}

export function problemsOf({
  clusters,
  problems,
}: CheckReport): { where: string; message: string; fix: string }[] {
  return [
    ...problems.map((problem) => ({ where: 'configuration', ...problem })),
    ...clusters.flatMap(({ name, problems: own }) => own.map((problem) => ({ where: name, ...problem }))),
  ];
}

/** The report as a person reads it: a table on a terminal, the same in plain lines elsewhere. */
export function reportText(report: CheckReport, isTerminal: boolean): string {
  const problems = problemsOf(report);
  const notes = [
    ...report.notes,
    ...report.clusters.flatMap(({ name, notes: own }) => own.map((note) => `${name}: ${note}`)),
  ];
  const sections = [
    [endpointTable(report.clusters, isTerminal)],
    report.clusters.flatMap(privilegeLine),
    notes.length === 0 ? [] : [styled('bold', 'Notes'), ...notes.map((note) => `  ${note}`)],
    problems.length === 0 ? [] : [styled('bold', 'To fix'), ...problems.flatMap(problemLines)],
    [verdict(report.clusters, problems.length)],
  ];
  return sections
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n');
}

function problemLines({ where, message, fix }: ReturnType<typeof problemsOf>[number]): string[] {
  return [`  ${styled('red', where)}: ${message}`, `    ${fix}`];
}

/** The report for machines, in snake_case as everything that leaves the service. */
export function reportJson(report: CheckReport): object {
  const problems = problemsOf(report);
  return {
    ok: problems.length === 0,
    clusters: report.clusters.map(({ name, identity, endpoints, privileges, notes }) => ({
      name,
      identity,
      endpoints: endpoints.map(({ endpoint, version, latencyMs, certificate, problem }) => ({
        endpoint,
        reachable: problem === undefined,
        version,
        latency_ms: latencyMs,
        certificate_sha256: certificate?.fingerprint,
        certificate_expires_at: certificate && new Date(certificate.expiresAt).toISOString(),
      })),
      privileges: privileges && { held: privileges.held, partial: privileges.partial },
      notes,
    })),
    problems,
    notes: report.notes,
  };
}

function endpointTable(clusters: readonly ClusterReport[], isTerminal: boolean): string {
  const head = ['Cluster', 'Endpoint', 'State', 'Version', 'Latency', 'Certificate'];
  const rows = clusters.flatMap(({ name, endpoints }) =>
    endpoints.map((endpoint) => cellsOf(name, endpoint)),
  );
  if (!isTerminal) return rows.map((row) => row.join('  ')).join('\n');
  const table = new Table({ head, style: { head: [], border: [], compact: true } });
  table.push(...rows);
  return table.toString();
}

function cellsOf(
  name: string,
  { endpoint, version, latencyMs, certificate, problem }: EndpointReport,
): string[] {
  return [
    name,
    endpoint,
    problem === undefined ? styled('green', 'ok') : styled('red', 'failed'),
    version === undefined ? '-' : `PVE ${version}`,
    latencyMs === undefined ? '-' : `${latencyMs} ms`,
    certificate === undefined ? '-' : `until ${new Date(certificate.expiresAt).toISOString().slice(0, 10)}`,
  ];
}

function privilegeLine({ name, identity, privileges }: ClusterReport): string[] {
  if (privileges === undefined || privileges.held.length === 0) return [];
  return [`${name}: ${identity} holds ${privileges.held.join(', ')}.`];
}

function verdict(clusters: readonly ClusterReport[], problems: number): string {
  if (problems > 0) return styled('red', `${count(problems, 'problem')} to fix.`);
  const endpoints = clusters.flatMap((cluster) => cluster.endpoints).length;
  return styled(
    'green',
    `All is well: ${count(clusters.length, 'cluster')}, ${count(endpoints, 'endpoint')}.`,
  );
}
