import { z } from 'zod';
import { apiPath } from '../../proxmox/api-path.ts';
import { nodeParam } from '../defaults.ts';
import { defineTool, READS } from '../define.ts';
import { clusterParam, limitParam, selectedFields, selectionOf } from '../params.ts';
import { compact, count, noted, rowsOf } from '../results.ts';
import { perNode, unreadNodes, withoutNodes } from './per-node.ts';
import { mergedUpdates } from './updates.ts';

export const listUpdates = defineTool({
  name: 'list_updates',
  title: 'List package updates',
  description:
    'Lists package updates of a node or all, by the lists of the last refresh_updates; `installed` gives the versions in use instead, to find nodes that differ.',
  toolset: 'system',
  annotations: READS,
  calls: [
    ['GET', '/nodes/{node}/apt/update'],
    ['GET', '/nodes/{node}/apt/versions'],
    ['GET', '/cluster/resources'],
  ],
  input: z.strictObject({
    cluster: clusterParam,
    node: nodeParam,
    installed: z.boolean().default(false),
    limit: limitParam(100, 1000),
  }),
  output: z.object({
    ...selectedFields,
    packages: z.array(
      z
        .object({
          package: z.string(),
          from: z.string(),
          to: z.string(),
          version: z.string(),
          title: z.string(),
          origin: z.string(),
          security: z.literal(true),
          restart: z.literal('node').describe('Takes effect with the next boot.'),
          nodes: z.array(z.string()),
        })
        .partial(),
    ),
    total: z.int(),
    nodes: z.array(z.object({ node: z.string(), packages: z.int() })),
    unread: unreadNodes,
    note: z.string().optional(),
  }),
  async run({ cluster: named, node, installed, limit }, context) {
    const cluster = context.cluster(named);
    const { answers, ...rest } = await perNode(cluster, node, async (one) => {
      const path = installed ? apiPath`/nodes/${one}/apt/versions` : apiPath`/nodes/${one}/apt/update`;
      return rowsOf((await cluster.request({ method: 'GET', path })).data);
    });
    const rows = mergedUpdates(
      installed ? answers.map((one) => ({ ...one, answer: one.answer.map(asInstalled) })) : answers,
    );
    const shown = rows.slice(0, limit).map(({ from, to, nodes, ...row }) => {
      const version = installed ? compact({ version: to }) : compact({ from, to });
      return { ...row, ...version, nodes };
    });
    return {
      ...selectionOf(cluster),
      packages: shown,
      total: rows.length,
      nodes: answers.map(({ node: one, answer }) => ({ node: one, packages: answer.length })),
      ...rest,
      ...noted(
        shown.length < rows.length ? `${rows.length - shown.length} more: raise \`limit\`.` : undefined,
      ),
    };
  },
  summary({ cluster, packages, total, nodes, unread }) {
    const security = packages.filter((row) => row.security).length;
    const urgent = security === 0 ? '' : `, ${security} of them security updates`;
    const each = nodes.map(({ node, packages: own }) => `${node} ${own}`).join(', ');
    return `${cluster}: ${count(total, 'package')}${urgent} (${each}).${withoutNodes(unread)}`;
  },
});

/** What is in use; an update that waits is none of it. */
function asInstalled({ OldVersion: installed, Version: version, ...row }: Readonly<Record<string, unknown>>) {
  return { ...row, Version: installed ?? version };
}
