import type { GatedCluster } from '../access/gate.ts';
import { CallError } from '../proxmox/errors.ts';
import { someOf } from './fleet.ts';
import { textParam } from './params.ts';

/** The node a tool works on, where a guest does not say it; `nodeFor` fills it in. */
export const nodeParam = textParam(63).optional();
/** The storage a tool works on; `storageFor` fills it in. */
export const storageParam = textParam(100).optional();

/**
 * The node to work on: the one that is named, the `default_node` of the cluster, or its only one.
 *
 * @throws CallError INVALID_ARGUMENTS that lists the nodes where none of these says it
 */
export async function nodeFor(cluster: GatedCluster, named: string | undefined): Promise<string> {
  const known = named ?? cluster.settings.defaultNode;
  if (known !== undefined) return known;
  const { nodes } = await cluster.inventory();
  const names = nodes.map(({ node }) => node).sort();
  const [only] = names;
  if (only !== undefined && names.length === 1) return only;
  throw missing(cluster, 'node', someOf(names, 30));
}

/**
 * The storage to work on: the one that is named, the `default_storage` of the cluster, or the only one that the node
 * has for this content.
 *
 * @param content as Proxmox names it: `images`, `rootdir`, `iso`, `vztmpl`, `backup`, `snippets`, `import`
 * @throws CallError INVALID_ARGUMENTS that lists those that fit where none of these says it
 */
export async function storageFor(
  cluster: GatedCluster,
  named: string | undefined,
  { node, content }: { node: string; content: string },
): Promise<string> {
  if (named !== undefined) return named;
  const { storages } = await cluster.inventory();
  const fits = storages.filter((row) => row.node === node && row.content.includes(content));
  const names = fits.map(({ storage }) => storage).sort();
  const { defaultStorage } = cluster.settings;
  if (defaultStorage !== undefined && (names.includes(defaultStorage) || names.length === 0))
    return defaultStorage;
  const [only] = names;
  if (only !== undefined && names.length === 1) return only;
  throw missing(cluster, 'storage', `${someOf(names, 30)} can hold ${content} on ${node}`);
}

/** The bridge of a new NIC: the one that is named, the `default_bridge` of the cluster, or vmbr0. */
export function bridgeFor(cluster: GatedCluster, named: string | undefined): string {
  return named ?? cluster.settings.defaultBridge ?? 'vmbr0';
}

function missing(cluster: GatedCluster, what: string, choice: string): CallError {
  return new CallError('INVALID_ARGUMENTS', `Say which ${what} of ${cluster.name} is meant: ${choice}.`, {
    cluster: cluster.name,
    hint: `Pass \`${what}\`; the operator can set default_${what} for the cluster. Nothing was sent.`,
  });
}
