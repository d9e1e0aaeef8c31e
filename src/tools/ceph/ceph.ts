import type { GatedCluster } from '../../access/gate.ts';
import { apiPath } from '../../proxmox/api-path.ts';
import { CallError } from '../../proxmox/errors.ts';
import { quoted } from '../../proxmox/text.ts';
import { nodeFor } from '../defaults.ts';
import { someOf } from '../fleet.ts';
import { requireVersion } from '../versions.ts';

/** Ceph may be on some of the nodes alone; so many are asked at most. */
const MOST_ASKED = 8;
/** What PVE::Ceph::Tools says of a node without Ceph, or where it was never set up. */
const NOT_THERE = /binary not installed|not fully configured|configuration not initialized/i;

/** What a node with Ceph answered. */
interface CephAnswer<T> {
  node: string;
  answer: T;
}

/** The nodes that may be asked for Ceph: all nodes with it know the same. */
async function candidates(cluster: GatedCluster): Promise<string[]> {
  const { nodes } = await cluster.inventory();
  const online = nodes.filter(({ status }) => status !== 'offline').map(({ node }) => node);
  // A token with too few rights sees no nodes at all.
  if (online.length === 0) return [await nodeFor(cluster, undefined)];
  const { defaultNode } = cluster.settings;
  return online.sort((a, b) => Number(b === defaultNode) - Number(a === defaultNode) || (a < b ? -1 : 1));
}

/**
 * Asks a node that has Ceph; which one does not matter, so that no tool has to be told.
 *
 * @param ask reads alone: it is called for the next node where one has no Ceph
 * @throws CallError NOT_FOUND where none has Ceph; what `ask` throws
 */
export async function askCeph<T>(
  cluster: GatedCluster,
  ask: (node: string) => Promise<T>,
): Promise<CephAnswer<T>> {
  const nodes = (await candidates(cluster)).slice(0, MOST_ASKED);
  for (const node of nodes) {
    try {
      return { node, answer: await ask(node) };
    } catch (error) {
      if (!(error instanceof CallError) || !NOT_THERE.test(error.message)) throw inWords(cluster, error);
    }
  }
  throw new CallError(
    'NOT_FOUND',
    `Ceph is not installed on ${someOf(nodes.map(quoted))} of ${cluster.name}.`,
    {
      cluster: cluster.name,
      hint: 'This cluster keeps its guests elsewhere: list_storage shows where. An administrator sets Ceph up with pveceph.',
    },
  );
}

/** Ceph that is there and does not answer is another matter than Ceph that is not there. */
function inWords(cluster: GatedCluster, error: unknown): unknown {
  if (!(error instanceof CallError) || !/rados_connect failed|connect to cluster/i.test(error.message))
    return error;
  return new CallError('UPSTREAM_ERROR', `Ceph of ${cluster.name} does not answer. ${error.message}`, {
    cluster: cluster.name,
    hint: 'Most of its monitors have to run: list_ceph_services shows them.',
    retryable: true,
  });
}

/** @throws CallError */
export async function readCeph(cluster: GatedCluster, node: string, what: string): Promise<unknown> {
  return (await cluster.request({ method: 'GET', path: apiPath`/nodes/${node}/ceph/${what}` })).data;
}

/** Up to 7.x pools were elsewhere. @throws CallError INVALID_ARGUMENTS */
export async function requirePools(cluster: GatedCluster): Promise<void> {
  const what = { what: 'Ceph pools of this server', since: '8.0' };
  await requireVersion(cluster, 'GET', '/nodes/{node}/ceph/pool', what);
}
