import { z } from 'zod';
import type { GatedCluster } from '../../access/gate.ts';
import type { Json } from '../../catalogue/json.ts';
import { apiPath } from '../../proxmox/api-path.ts';
import { toCallError } from '../../proxmox/errors.ts';
import { defineTool, READS } from '../define.ts';
import { clusterParam, limitParam, selectedFields, selectionOf, textParam } from '../params.ts';
import { count, noted, rowsOf } from '../results.ts';
import {
  kindOf,
  readKind,
  requireKind,
  SDN_KINDS,
  type SdnKind,
  sdnCalls,
  shownObject,
} from './sdn-kinds.ts';

const READ_CALLS = sdnCalls('GET', false, (kind) => (kindOf(kind).isApplied ? ['pending'] : []));

export const listSdn = defineTool({
  name: 'list_sdn',
  title: 'List SDN',
  description:
    'Lists software-defined networking as configured, with what is not applied yet (state, pending); zones with their state on each node. `address`: what an IPAM has given out.',
  toolset: 'network',
  annotations: READS,
  calls: [
    ...READ_CALLS,
    ['GET', '/cluster/sdn/ipams/{ipam}/status'],
    ['GET', '/nodes/{node}/sdn/zones'],
    ['GET', '/cluster/resources'],
  ],
  input: z.strictObject({
    cluster: clusterParam,
    kind: z.enum([...SDN_KINDS, 'address']),
    parent: textParam(64).optional().describe('VNet, fabric or IPAM (default pve) of what is listed.'),
    limit: limitParam(100, 1000),
  }),
  output: z.object({
    ...selectedFields,
    objects: z.array(z.record(z.string(), z.unknown())),
    total: z.int(),
    pending: z.int(),
    note: z.string().optional(),
  }),
  async run({ cluster: named, kind, parent, limit }, context) {
    const cluster = context.cluster(named);
    const problems: string[] = [];
    const rows =
      kind === 'address' ? await addresses(cluster, parent) : await objectsOf(cluster, kind, parent);
    const states = kind === 'zone' ? await zoneStates(cluster, problems) : undefined;
    const objects = rows.slice(0, limit).map((row) => ({
      ...shownObject(row),
      ...(states === undefined ? {} : { node_states: states.get(String(row.zone)) ?? {} }),
    }));
    const pending = rows.filter(({ state }) => typeof state === 'string').length;
    const waiting =
      pending > 0 && kind !== 'address'
        ? `${count(pending, 'change')} not applied yet: apply_sdn.`
        : undefined;
    return { ...selectionOf(cluster), objects, total: rows.length, pending, ...noted(waiting, ...problems) };
  },
  summary({ cluster, objects, total, note }) {
    const part = objects.length < total ? `, showing ${objects.length}` : '';
    return `${cluster}: ${count(total, 'SDN object')}${part}.${note ? ` ${note}` : ''}`;
  },
});

async function objectsOf(cluster: GatedCluster, kind: SdnKind, parent: string | undefined): Promise<Json[]> {
  const { parent: of } = kindOf(kind);
  if (of === undefined || parent !== undefined) {
    await requireKind(cluster, kind, parent);
    return readKind(cluster, kind, parent);
  }
  await requireKind(cluster, kind, '*');
  const above = kind === 'subnet' ? 'vnet' : 'fabric';
  const parents = (await readKind(cluster, above)).filter(({ state }) => state !== 'deleted');
  const lists = await Promise.all(
    parents.map((row) => readKind(cluster, kind, String(row[kindOf(above).key]))),
  );
  return lists.flat();
}

async function addresses(cluster: GatedCluster, ipam = 'pve'): Promise<Json[]> {
  const path = apiPath`/cluster/sdn/ipams/${ipam}/status`;
  return rowsOf((await cluster.request({ method: 'GET', path })).data);
}

/** By zone: what each node says of it. A node that does not answer costs its own part. */
async function zoneStates(cluster: GatedCluster, problems: string[]) {
  const states = new Map<string, Record<string, string>>();
  const { nodes } = await cluster.inventory();
  await Promise.all(
    nodes.map(async ({ node }) => {
      try {
        const path = apiPath`/nodes/${node}/sdn/zones`;
        for (const { zone, status } of rowsOf((await cluster.request({ method: 'GET', path })).data)) {
          states.set(String(zone), { ...states.get(String(zone)), [node]: String(status) });
        }
      } catch (error) {
        problems.push(`${node} could not be asked: ${toCallError(error).message}`);
      }
    }),
  );
  return states;
}
