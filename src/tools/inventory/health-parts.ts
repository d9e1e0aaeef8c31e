import type { GatedCluster } from '../../access/gate.ts';
import type { Inventory } from '../../clusters/inventory.ts';
import type { PrivilegeReport } from '../../clusters/privileges.ts';
import { apiPath } from '../../proxmox/api-path.ts';
import { abortable, Deadline, DeadlineExpired } from '../../proxmox/deadline.ts';
import { CallError, toCallError } from '../../proxmox/errors.ts';
import { someOf } from '../fleet.ts';
import { numberOf, rowsOf, textOf } from '../results.ts';
import { bridgeRows } from './default-bridge.ts';

/** For all parts together, in milliseconds: the probe before them and the deadline of a fleet leave room for it. */
const PARTS_MS = 9_000;

export interface QuorumState {
  /** A host that is in no cluster has none that could be lost. */
  quorum: 'ok' | 'lost' | 'standalone';
  nodes: { name: string; online: boolean }[];
}

export interface ClockSkew {
  node: string;
  /** By how much the node is ahead of this service; negative where it is behind. Within a second or so. */
  seconds: number;
}

/** What a cluster tells of its health; what could not be read is absent, and `unread` says why. */
export interface HealthParts {
  quorum: QuorumState | undefined;
  inventory: Inventory | undefined;
  rights: PrivilegeReport | undefined;
  /** The largest of the nodes that are online. */
  clock: ClockSkew | undefined;
  /** Names of the bridges of one node; only where there is a default bridge to look for. */
  bridges: { node: string; names: string[] } | undefined;
  unread: { part: string; problem: string }[];
}

/**
 * Reads everything at once; a part that fails costs itself alone.
 *
 * @throws the signal's reason, and nothing else
 */
export async function readHealthParts(
  cluster: GatedCluster,
  outer: AbortSignal,
  now: () => number,
): Promise<HealthParts> {
  using deadline = new Deadline(PARTS_MS, [outer]);
  const { signal } = deadline;
  const unread: HealthParts['unread'] = [];
  const part = async <T>(name: string, work: Promise<T>): Promise<T | undefined> => {
    try {
      return await abortable(work, signal);
    } catch (thrown) {
      outer.throwIfAborted();
      unread.push({ part: name, problem: inWords(thrown) });
      return undefined;
    }
  };
  const reading = part('quorum and nodes', readQuorum(cluster, signal));
  const listing = part('inventory', cluster.inventory({ signal }));
  const online = Promise.all([reading, listing]).then(([quorum, inventory]) => onlineOf(quorum, inventory));
  const [quorum, inventory, rights, clocks, bridges] = await Promise.all([
    reading,
    listing,
    part('rights', cluster.rights()),
    online.then((nodes) => readClocks(cluster, nodes, signal, now)),
    online.then((nodes) => part('bridges', readBridges(cluster, nodes, signal))),
  ]);
  outer.throwIfAborted();
  const { widest: clock, failed } = clocks;
  if (failed !== undefined) {
    unread.push({ part: `clock of ${someOf(failed.nodes)}`, problem: inWords(failed.why) });
  }
  return { quorum, inventory, rights, clock, bridges, unread };
}

/** @throws CallError */
export async function readQuorum(cluster: GatedCluster, signal: AbortSignal): Promise<QuorumState> {
  const { data } = await cluster.request({ method: 'GET', path: apiPath`/cluster/status`, signal });
  const rows = rowsOf(data);
  const nodes = rows
    .filter(({ type }) => type === 'node')
    .map(({ name, online }) => ({ name: String(name), online: Number(online) === 1 }));
  const whole = rows.find(({ type }) => type === 'cluster');
  if (whole === undefined) return { quorum: 'standalone', nodes };
  return { quorum: Number(whole.quorate) === 1 ? 'ok' : 'lost', nodes };
}

function onlineOf(quorum: QuorumState | undefined, inventory: Inventory | undefined): string[] {
  if (quorum !== undefined) return quorum.nodes.filter(({ online }) => online).map(({ name }) => name);
  return (inventory?.nodes ?? []).filter(({ status }) => status === 'online').map(({ node }) => node);
}

interface Clocks {
  widest: ClockSkew | undefined;
  failed: { nodes: string[]; why: unknown } | undefined;
}

/** Without a node to ask nothing is known and nothing said. Never throws: one clock is worth no less for another. */
async function readClocks(
  cluster: GatedCluster,
  nodes: readonly string[],
  signal: AbortSignal,
  now: () => number,
): Promise<Clocks> {
  const failures: { node: string; why: unknown }[] = [];
  const skews = await Promise.all(
    nodes.map((node) =>
      abortable(readClock(cluster, node, signal, now), signal).catch((why: unknown) => {
        failures.push({ node, why });
        return undefined;
      }),
    ),
  );
  const [widest] = skews
    .filter((skew) => skew !== undefined)
    .toSorted((one, other) => Math.abs(other.seconds) - Math.abs(one.seconds));
  const names = nodes.filter((node) => failures.some((failure) => failure.node === node));
  return { widest, failed: names.length === 0 ? undefined : { nodes: names, why: failures[0]?.why } };
}

async function readClock(
  cluster: GatedCluster,
  node: string,
  signal: AbortSignal,
  now: () => number,
): Promise<ClockSkew> {
  const before = now();
  const { data } = await cluster.request({ method: 'GET', path: apiPath`/nodes/${node}/time`, signal });
  // Half of the way there and back; and PVE cuts the fraction of its second off.
  const asked = before + (now() - before) / 2;
  const told = numberOf((data as Record<string, unknown> | null)?.time);
  if (told === undefined) {
    throw new CallError('UPSTREAM_ERROR', 'The answer holds no time.', { hint: 'Look at that node.' });
  }
  return { node, seconds: Math.round(told + 0.5 - asked / 1000) };
}

async function readBridges(
  cluster: GatedCluster,
  online: readonly string[],
  signal: AbortSignal,
): Promise<HealthParts['bridges']> {
  const { defaultBridge, defaultNode } = cluster.settings;
  const node = defaultNode !== undefined && online.includes(defaultNode) ? defaultNode : online[0];
  if (defaultBridge === undefined || node === undefined) return undefined;
  const rows = await bridgeRows(cluster, node, signal);
  return { node, names: rows.flatMap(({ iface }) => textOf(iface) ?? []) };
}

function inWords(thrown: unknown): string {
  if (thrown instanceof DeadlineExpired) return `TIMEOUT: no answer within ${PARTS_MS / 1000} s.`;
  const { code, message } = toCallError(thrown);
  return `${code}: ${message}`;
}
