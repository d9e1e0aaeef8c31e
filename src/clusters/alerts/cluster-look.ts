import { isObject, type Json, number, rowsOf } from '../../catalogue/json.ts';
import type { AlertConfig } from '../../config/config.ts';
import { type ApiPath, apiPath } from '../../proxmox/api-path.ts';
import type { ProxmoxCall } from '../../proxmox/call.ts';
import { toCallError } from '../../proxmox/errors.ts';
import { Limiter } from '../../proxmox/limiter.ts';
import type { Cluster } from '../cluster.ts';
import { nameOf } from '../privileges.ts';
import type { AlertBoard } from './board.ts';
import { healthFindings, nodeOffline, statusFindings, storageFindings } from './rules.ts';
import {
  BACKUPS_BACK_MS,
  backupAgeFindings,
  backupFindings,
  certificateFindings,
  tokenFindings,
} from './slow-rules.ts';

export interface LookParts {
  board: AlertBoard;
  config: AlertConfig;
  /** Epoch milliseconds. */
  now: number;
  signal: AbortSignal;
  /** Hears what could not be read, and why. */
  unread(part: string, problem: string): void;
}

const QUESTION_MS = 10_000;
/** Questions to one cluster at once: those who work with it come first. */
const AT_ONCE = 2;
/** Of one node, newest first. */
const MOST_TASKS = 500;

/**
 * Whether a cluster answers, its quorum, nodes and storages: two questions, and one where the inventory is known anyway.
 * One that is down is asked nothing.
 */
export async function lookQuickly(cluster: Cluster, parts: LookParts): Promise<void> {
  const { board, config, signal } = parts;
  const { name } = cluster;
  const health = await cluster.health(signal);
  if (signal.aborted) return;
  // That somebody limits our calls says nothing about the cluster.
  if (!health.reachable && health.code === 'RATE_LIMITED') return;
  board.take(name, 'health', { findings: healthFindings(name, health) });
  if (!health.reachable) return;
  const [rows, inventory] = await Promise.all([
    part(parts, 'status', async () => rowsOf(await read(cluster, apiPath`/cluster/status`, signal))),
    part(parts, 'inventory', () => cluster.inventory({ signal })),
  ]);
  if (signal.aborted) return;
  if (rows !== undefined) board.take(name, 'status', { findings: statusFindings(name, rows) });
  else if (inventory !== undefined) {
    // Without Sys.Audit the quorum is not told; of nodes the inventory has those that may be seen.
    const offline = inventory.nodes.filter(({ status }) => status === 'offline');
    board.take(name, 'status', { findings: offline.map(({ node }) => nodeOffline(name, node)) });
  }
  if (inventory === undefined) return;
  const findings = storageFindings(name, inventory.storages, config, (finding) => board.severityOf(finding));
  const down = inventory.nodes.filter(({ status }) => status !== 'online').map(({ node }) => node);
  board.take(name, 'storages', { findings, unread: new Set(down) });
}

/** What changes slowly: certificates, backups, the service's own token. Two questions for each node that is online. */
export async function lookSlowly(cluster: Cluster, parts: LookParts): Promise<void> {
  const { signal } = parts;
  const health = await cluster.health(signal);
  if (!health.reachable || signal.aborted) return;
  const inventory = await part(parts, 'inventory', () => cluster.inventory({ signal }));
  if (inventory === undefined || signal.aborted) return;
  const nodes = inventory.nodes.map(({ node }) => node);
  const online = inventory.nodes.filter(({ status }) => status === 'online').map(({ node }) => node);
  await lookAtCertificates(cluster, { nodes, online }, parts);
  await lookAtBackups(cluster, { nodes, online }, parts);
  await lookAtAges(cluster, parts);
  await lookAtToken(cluster, parts);
}

interface Nodes {
  nodes: readonly string[];
  online: readonly string[];
}

async function lookAtCertificates(cluster: Cluster, nodes: Nodes, parts: LookParts): Promise<void> {
  const { board, config, now, signal } = parts;
  const { answers, unread } = await perNode(nodes, parts, 'certificates', async (node) =>
    rowsOf(await read(cluster, apiPath`/nodes/${node}/certificates/info`, signal)),
  );
  if (signal.aborted) return;
  const findings = certificateFindings(cluster.name, answers, cluster.endpoints(), config, now);
  board.take(cluster.name, 'certificates', { findings, unread });
}

async function lookAtBackups(cluster: Cluster, nodes: Nodes, parts: LookParts): Promise<void> {
  const { board, now, signal } = parts;
  const parameters = {
    typefilter: 'vzdump',
    since: Math.floor((now - BACKUPS_BACK_MS) / 1000),
    limit: MOST_TASKS,
  };
  const { answers, unread } = await perNode(nodes, parts, 'tasks', async (node) =>
    rowsOf(await read(cluster, apiPath`/nodes/${node}/tasks`, signal, parameters)),
  );
  if (signal.aborted) return;
  const findings = backupFindings(cluster.name, [...answers.values()].flat(), now);
  board.take(cluster.name, 'backups', { findings, unread });
}

async function lookAtAges(cluster: Cluster, parts: LookParts): Promise<void> {
  const { board, config, now, signal } = parts;
  if (config.backupAgeDays === 0) return board.take(cluster.name, 'backup-ages', { findings: [] });
  const read = await part(parts, 'backups', async () => {
    const [backups, { guests }] = await Promise.all([
      cluster.backups({ signal }),
      cluster.inventory({ signal }),
    ]);
    return { backups, guests };
  });
  // A guest without a backup may have one on a storage that could not be read.
  if (read === undefined || read.backups.unread.length > 0 || signal.aborted) return;
  const findings = backupAgeFindings(cluster.name, read.guests, read.backups, config, now);
  board.take(cluster.name, 'backup-ages', { findings });
}

async function lookAtToken(cluster: Cluster, parts: LookParts): Promise<void> {
  const { board, config, now, signal } = parts;
  const { credentials } = cluster.config;
  if (credentials.kind !== 'token') return board.take(cluster.name, 'token', { findings: [] });
  const path = apiPath`/access/users/${credentials.user}/token/${credentials.tokenId}`;
  const token = await part(parts, 'token', () => read(cluster, path, signal));
  if (!isObject(token) || signal.aborted) return;
  const findings = tokenFindings(cluster.name, nameOf(credentials), number(token.expire) ?? 0, config, now);
  board.take(cluster.name, 'token', { findings });
}

/** Asks each node that is online; of the others, and of those that fail, nothing new is known. */
async function perNode(
  { nodes, online }: Nodes,
  parts: LookParts,
  name: string,
  ask: (node: string) => Promise<Json[]>,
): Promise<{ answers: Map<string, Json[]>; unread: Set<string> }> {
  const answers = new Map<string, Json[]>();
  const limiter = new Limiter(AT_ONCE, Number.POSITIVE_INFINITY);
  await Promise.all(
    online.map((node) =>
      part(parts, `${name} of ${node}`, async () => {
        const release = await limiter.acquire(parts.signal);
        try {
          answers.set(node, await ask(node));
        } finally {
          release();
        }
      }),
    ),
  );
  return { answers, unread: new Set(nodes.filter((node) => !answers.has(node))) };
}

async function part<T>({ unread }: LookParts, name: string, work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (thrown) {
    const { code, message } = toCallError(thrown);
    unread(name, `${code}: ${message}`);
    return undefined;
  }
}

async function read(
  cluster: Cluster,
  path: ApiPath,
  signal: AbortSignal,
  parameters: ProxmoxCall['parameters'] = {},
): Promise<unknown> {
  return (await cluster.send({ method: 'GET', path, parameters, signal, deadlineMs: QUESTION_MS })).data;
}
