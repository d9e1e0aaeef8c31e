import { z } from 'zod';
import { quoted } from '../../proxmox/text.ts';
import { nodeParam } from '../defaults.ts';
import { defineTool, READS } from '../define.ts';
import { knownNode } from '../nodes.ts';
import { clusterParam, selectedFields, selectionOf } from '../params.ts';
import { readParts, unreadField, withoutUnread } from '../parts.ts';
import { count } from '../results.ts';
import { NODE_PARTS, nodeReaders } from './node-reads.ts';

const part = z.looseObject({}).optional();

export const getNode = defineTool({
  name: 'get_node',
  title: 'Get node',
  description: 'Tells all of one node in one answer; `include` narrows it.',
  toolset: 'inventory',
  annotations: READS,
  calls: [
    ['GET', '/cluster/resources'],
    ['GET', '/nodes/{node}/status'],
    ['GET', '/nodes/{node}/version'],
    ['GET', '/nodes/{node}/services'],
    ['GET', '/nodes/{node}/apt/update'],
    ['GET', '/nodes/{node}/time'],
    ['GET', '/nodes/{node}/dns'],
  ],
  input: z.strictObject({
    cluster: clusterParam,
    node: nodeParam,
    include: z.array(z.enum(NODE_PARTS)).min(1).optional(),
  }),
  output: z.object({
    ...selectedFields,
    node: z.object({
      name: z.string(),
      status: part,
      version: part,
      services: z.looseObject({ not_running: z.array(z.looseObject({})) }).optional(),
      subscription: z.object({ active: z.boolean(), level: z.string().optional() }).optional(),
      updates: z.object({ total: z.int(), packages: z.array(z.looseObject({})) }).optional(),
      time: part.describe('`ahead_seconds`: of this server’s clock, within a second or so.'),
      dns: part,
    }),
    unread: unreadField,
  }),
  async run(args, context) {
    const cluster = context.cluster(args.cluster);
    const name = await knownNode(cluster, args.node);
    const readers = nodeReaders(cluster, name, () => context.now());
    const wanted = new Set<string>(args.include ?? NODE_PARTS);
    const chosen: Partial<typeof readers> = Object.fromEntries(
      Object.entries(readers).filter(([part]) => wanted.has(part)),
    );
    const { parts, unread } = await readParts(chosen, context.signal);
    return {
      ...selectionOf(cluster),
      node: { name, ...parts },
      ...(unread === undefined ? {} : { unread }),
    };
  },
  summary({ cluster, node, unread }) {
    const { name, version, services, subscription, updates } = node;
    const told = [
      ...(version?.version === undefined ? [] : [`Proxmox VE ${quoted(String(version.version))}`]),
      ...(services === undefined ? [] : [`${count(services.not_running.length, 'service')} not running`]),
      ...(updates === undefined ? [] : [`${count(updates.total, 'update')} to install`]),
      ...(subscription === undefined
        ? []
        : [
            subscription.active
              ? `subscription ${quoted(subscription.level ?? '')}`
              : 'no active subscription',
          ]),
    ];
    return `Node ${quoted(name)} of ${cluster}${told.length === 0 ? '' : `: ${told.join(', ')}`}.${withoutUnread(unread)}`;
  },
});
