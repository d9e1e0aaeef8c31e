import type { ClusterSettings, GatedCluster } from '../../access/gate.ts';
import type { Target } from '../../clusters/cluster.ts';
import { ApiPath } from '../../proxmox/api-path.ts';
import { CallError } from '../../proxmox/errors.ts';
import { notKnown } from '../guest-errors.ts';
import { whySelected } from '../params.ts';

/** The places of a path that the settings of a cluster can fill. */
const DEFAULTS = {
  '{node}': { key: 'default_node', of: ({ defaultNode }: ClusterSettings) => defaultNode },
  '{storage}': { key: 'default_storage', of: ({ defaultStorage }: ClusterSettings) => defaultStorage },
} as const;
const PLACEHOLDER = /^\{[\w-]+\}$/;
const VMID = /^[1-9]\d{2,8}$/;

/**
 * The guest that a raw call is about. One that is in the path is the only one that counts: the name and the number of
 * a clone say where that goes, not where the guest is that it is made from. A call that creates a guest is about the
 * one that it will be.
 */
export function targetOf(
  path: ApiPath,
  method: string,
  data: Readonly<Record<string, unknown>> = {},
): Target {
  const { segments } = path;
  const [, , kind, vmid, ...rest] = segments;
  if (!isGuestPath(path)) return {};
  if (vmid !== undefined) return { vmid: vmidOf(vmid) };
  if (method !== 'POST' || rest.length > 0) return {};
  const name = kind === 'qemu' ? data.name : data.hostname;
  return { name: typeof name === 'string' && name !== '' ? name : undefined, vmid: vmidOf(data.vmid) };
}

/**
 * Puts the defaults of the cluster where the path has `{node}` and `{storage}`, as describe_api prints paths. The node
 * of a guest is where that is, whatever the default; one that is about to be made is nowhere yet.
 *
 * @returns the path to send, and a sentence about what was put in
 * @throws CallError INVALID_ARGUMENTS where there is no default, or another place is left open; INVALID_PATH
 */
export async function filledPath(
  path: ApiPath,
  method: string,
  cluster: GatedCluster,
): Promise<{ path: ApiPath; note?: string }> {
  if (!path.segments.some((segment) => PLACEHOLDER.test(segment))) return { path };
  const open = path.segments.filter((segment) => PLACEHOLDER.test(segment) && !isFillable(segment));
  if (open.length > 0) throw leftOpen(open, cluster, 'no default is for that');
  const vmid = vmidOf(path.segments[3]);
  // What a fallback says of its own guests must decide nothing about a write.
  const holder = method === 'GET' ? cluster : cluster.alone();
  const notes: string[] = [];
  const segments: string[] = [];
  for (const [index, segment] of path.segments.entries()) {
    if (!isFillable(segment)) {
      segments.push(segment);
      continue;
    }
    const { key, of } = DEFAULTS[segment];
    const isNodeOfGuest = index === 1 && segment === '{node}' && isGuestPath(path) && vmid !== undefined;
    const value = isNodeOfGuest ? await nodeOf(holder, vmid) : of(cluster.settings);
    if (value === undefined) throw leftOpen([segment], cluster, `the cluster has no ${key}`);
    segments.push(value);
    notes.push(
      isNodeOfGuest
        ? `${segment} is ${value}, where guest ${vmid} is.`
        : `${segment} is ${value}, the ${key} of ${cluster.name}.`,
    );
  }
  return { path: ApiPath.ofSegments(segments), note: notes.join(' ') };
}

function isGuestPath({ segments: [nodes, , kind] }: ApiPath): boolean {
  return nodes === 'nodes' && (kind === 'qemu' || kind === 'lxc');
}

function isFillable(segment: string): segment is keyof typeof DEFAULTS {
  return Object.hasOwn(DEFAULTS, segment);
}

async function nodeOf(cluster: GatedCluster, vmid: number): Promise<string> {
  for (const fresh of [false, true]) {
    const { guests } = await cluster.inventory({ fresh });
    const guest = guests.find((row) => row.vmid === vmid);
    if (guest !== undefined) return guest.node;
  }
  const { name, servedBy } = cluster;
  if (servedBy !== undefined) throw notKnown(name, servedBy, `a guest ${vmid}`);
  throw new CallError(
    'NOT_FOUND',
    `${name} has no guest ${vmid}, so {node} stays open.${whySelected(cluster)}`,
    {
      cluster: name,
      hint: 'Check the VMID, or write the node in place of {node}. The call was not sent.',
    },
  );
}

function leftOpen(places: readonly string[], cluster: GatedCluster, why: string): CallError {
  return new CallError('INVALID_ARGUMENTS', `The path leaves ${places.join(' and ')} open: ${why}.`, {
    cluster: cluster.name,
    hint: `Write the value in place of ${places.join(' and ')}. The call was not sent.`,
  });
}

function vmidOf(value: unknown): number | undefined {
  const isPlain = typeof value === 'number' || typeof value === 'string';
  return isPlain && VMID.test(String(value)) ? Number(value) : undefined;
}
