import { z } from 'zod';
import { type CallError, toCallError } from '../../proxmox/errors.ts';
import { quoted } from '../../proxmox/text.ts';
import { nodeParam } from '../defaults.ts';
import { defineTool, READS } from '../define.ts';
import { someOf } from '../fleet.ts';
import { requireNode } from '../nodes.ts';
import { clusterParam, limitParam, selectedFields, selectionOf } from '../params.ts';
import { count } from '../results.ts';
import { INTERFACE_CALLS, interfaceRow, readNetwork, shownInterface } from './interfaces.ts';

const TYPES = ['bridge', 'bond', 'vlan', 'eth'] as const;
/** A diff as PVE writes it; a longer one is of a whole new file. */
const MOST_OF_DIFF = 8000;

export const listNetworks = defineTool({
  name: 'list_networks',
  title: 'List node networks',
  description:
    'Lists bridges, bonds, VLANs and NICs of a node, or of all, as configured, and the diff of what is not applied yet.',
  toolset: 'network',
  annotations: READS,
  calls: [...INTERFACE_CALLS, ['GET', '/cluster/resources']],
  input: z.strictObject({
    cluster: clusterParam,
    node: nodeParam,
    type: z.enum(TYPES).optional(),
    limit: limitParam(100, 1000),
  }),
  output: z.object({
    ...selectedFields,
    interfaces: z.array(z.object({ node: z.string(), ...interfaceRow.shape })),
    total: z.int(),
    pending: z.array(z.object({ node: z.string(), changes: z.string() })).optional(),
    unread: z.array(z.object({ node: z.string(), problem: z.string() })).optional(),
  }),
  async run({ cluster: named, node, type, limit }, context) {
    const cluster = context.cluster(named);
    if (node !== undefined) await requireNode(cluster, node);
    const { nodes } = await cluster.inventory();
    const wanted = node === undefined ? nodes.map((row) => row.node).sort() : [node];
    const unread: { node: string; problem: string; error: CallError }[] = [];
    const networks = await Promise.all(
      wanted.map(async (one) => {
        try {
          return [await readNetwork(cluster, one)];
        } catch (thrown) {
          const error = toCallError(thrown);
          unread.push({ node: one, problem: `${error.code}: ${error.message}`, error });
          return [];
        }
      }),
    );
    const [first] = unread;
    if (first !== undefined && unread.length === wanted.length) throw first.error;
    const rows = networks
      .flat()
      .flatMap(({ node: of, raw }) =>
        raw
          .map((row) => ({ node: of, ...shownInterface(row) }))
          .filter((row) => type === undefined || row.type.toLowerCase().endsWith(type)),
      );
    const pending = networks
      .flat()
      .flatMap(({ node: of, pending: changes }) =>
        changes === undefined ? [] : [{ node: of, changes: changes.slice(0, MOST_OF_DIFF) }],
      );
    return {
      ...selectionOf(cluster),
      interfaces: rows.slice(0, limit),
      total: rows.length,
      ...(pending.length === 0 ? {} : { pending }),
      ...(unread.length === 0
        ? {}
        : { unread: unread.map(({ node: of, problem }) => ({ node: of, problem })) }),
    };
  },
  summary({ cluster, interfaces, total, pending = [], unread = [] }) {
    const part =
      interfaces.length < total ? `, showing ${interfaces.length}; pass node, type or a higher limit` : '';
    const waiting =
      pending.length === 0
        ? ''
        : ` Not applied yet on ${someOf(pending.map(({ node }) => quoted(node)))}: apply_network or revert_network.`;
    const without =
      unread.length === 0 ? '' : ` Not read: ${someOf(unread.map(({ node }) => quoted(node)))}.`;
    return `${cluster}: ${count(total, 'interface')}${part}.${waiting}${without}`;
  },
});
