import { z } from 'zod';
import type { GatedCluster } from '../../access/gate.ts';
import { type ApiPath, apiPath } from '../../proxmox/api-path.ts';
import { CallError } from '../../proxmox/errors.ts';
import { quoted } from '../../proxmox/text.ts';
import { nodeFor } from '../defaults.ts';
import type { ToolContext } from '../define.ts';
import { someOf } from '../fleet.ts';
import { guestTarget } from '../guest-target.ts';

/** What was measured. */
export const subjectField = z.object({
  type: z.enum(['qemu', 'lxc', 'storage', 'node']),
  vmid: z.int().optional(),
  name: z.string().optional(),
  storage: z.string().optional(),
  node: z.string(),
});

export interface Subject {
  cluster: GatedCluster;
  path: ApiPath;
  /** As the API's own description has the path. */
  template: string;
  shown: z.output<typeof subjectField>;
}

interface Wanted {
  cluster?: string | undefined;
  vmid?: number | undefined;
  name?: string | undefined;
  node?: string | undefined;
  storage?: string | undefined;
}

/**
 * Finds what is meant: a guest, the storage of a node, or a node.
 *
 * @throws CallError as `guestTarget` and `nodeFor` do; INVALID_ARGUMENTS where several are meant
 */
export async function subjectOf(context: ToolContext, wanted: Wanted): Promise<Subject> {
  const { vmid, name, node, storage } = wanted;
  if (vmid !== undefined || name !== undefined) {
    if (node === undefined && storage === undefined) return ofGuest(context, wanted);
    throw new CallError('INVALID_ARGUMENTS', 'Both a guest and a node or storage are named.', {
      hint: 'Pass vmid or name for a guest, storage (with its node) for a storage, node alone for a node. Nothing was sent.',
    });
  }
  const cluster = context.cluster(wanted.cluster);
  if (storage !== undefined) return ofStorage(cluster, storage, node);
  const found = await nodeFor(cluster, node);
  return {
    cluster,
    path: apiPath`/nodes/${found}/rrddata`,
    template: '/nodes/{node}/rrddata',
    shown: { type: 'node', node: found },
  };
}

async function ofGuest(context: ToolContext, wanted: Wanted): Promise<Subject> {
  const { cluster, guest, at } = await guestTarget(context, wanted);
  const { type, vmid, name, node } = guest;
  return {
    cluster,
    path: at('rrddata'),
    template: `/nodes/{node}/${type}/{vmid}/rrddata`,
    shown: { type, vmid, ...(name === undefined ? {} : { name }), node },
  };
}

/** A shared storage is the same on each node; of another one, its node has to be known. */
async function ofStorage(
  cluster: GatedCluster,
  storage: string,
  named: string | undefined,
): Promise<Subject> {
  const node = named ?? (await nodeOf(cluster, storage));
  return {
    cluster,
    path: apiPath`/nodes/${node}/storage/${storage}/rrddata`,
    template: '/nodes/{node}/storage/{storage}/rrddata',
    shown: { type: 'storage', storage, node },
  };
}

async function nodeOf(cluster: GatedCluster, storage: string): Promise<string> {
  const { storages } = await cluster.inventory();
  const rows = storages.filter((row) => row.storage === storage);
  const { defaultNode } = cluster.settings;
  const usual = rows.find(({ node }) => node === defaultNode);
  const [first] = rows;
  if (usual !== undefined) return usual.node;
  if (first === undefined) {
    throw new CallError('NOT_FOUND', `${cluster.name} has no storage ${quoted(storage)}.`, {
      cluster: cluster.name,
      hint: 'list_storage gives those there are. Nothing was sent.',
    });
  }
  if (rows.length === 1) return first.node;
  if (first.shared) return (rows.find(({ status }) => status === 'available') ?? first).node;
  const nodes = someOf(rows.map(({ node }) => node).sort());
  throw new CallError('INVALID_ARGUMENTS', `Each of ${nodes} has its own storage ${quoted(storage)}.`, {
    cluster: cluster.name,
    hint: 'Pass the `node` whose storage is meant. Nothing was sent.',
  });
}
