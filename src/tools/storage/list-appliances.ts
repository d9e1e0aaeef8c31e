import { z } from 'zod';
import { nodeFor, nodeParam } from '../defaults.ts';
import { defineTool, READS } from '../define.ts';
import { remarks } from '../fleet.ts';
import { checkCursor, listParams, type Order, pageOf, pagingFields, showing } from '../paging.ts';
import { clusterParam, selectedFields, selectionOf, textParam } from '../params.ts';
import { count, noted } from '../results.ts';
import { APPLIANCE_CALLS, type Appliance, readAppliances } from './appliances.ts';

const row = z
  .object({
    template: z.string(),
    package: z.string(),
    version: z.string(),
    os: z.string(),
    section: z.string(),
    headline: z.string(),
  })
  .partial();

const BY_NAME: Order<Appliance> = {
  value: ({ template }) => template,
  id: ({ template }) => template,
  descending: false,
};

export const listAppliances = defineTool({
  name: 'list_appliances',
  title: 'List appliance templates',
  description: 'Lists container templates that Proxmox and TurnKey offer for download_appliance.',
  toolset: 'storage',
  annotations: READS,
  calls: APPLIANCE_CALLS,
  input: z.strictObject({
    cluster: clusterParam,
    node: nodeParam,
    search: textParam(100).optional(),
    ...listParams(50, 500),
  }),
  output: z.object({
    ...selectedFields,
    node: z.string(),
    appliances: z.array(row),
    total: z.int(),
    ...pagingFields,
  }),
  async run(args, context) {
    checkCursor(args);
    const cluster = context.cluster(args.cluster);
    // Each has the same list: any will do.
    const node = args.node ?? (await anyNode(cluster));
    const all = await readAppliances(cluster, node);
    const wanted = args.search?.toLowerCase();
    const fitting = all.filter(
      (one) => wanted === undefined || Object.values(one).some((text) => text.toLowerCase().includes(wanted)),
    );
    const { rows, next_cursor, note } = pageOf(
      [{ cluster: cluster.name, rows: fitting }],
      BY_NAME,
      { args, isAll: false, columns: Object.keys(row.shape), beside: {} },
      (appliance) => ({ ...appliance }),
    );
    const empty =
      all.length === 0 ? `The node ${node} has no list yet: \`pveam update\` there fetches it.` : undefined;
    return {
      ...selectionOf(cluster),
      node,
      appliances: rows,
      total: fitting.length,
      ...(next_cursor === undefined ? {} : { next_cursor }),
      ...noted(note, empty),
    };
  },
  summary(answer) {
    const { cluster, appliances, total } = answer;
    return `${cluster}: ${count(total, 'template')} to download${showing(appliances, answer)}.${remarks(answer)}`;
  },
});

async function anyNode(cluster: Parameters<typeof nodeFor>[0]): Promise<string> {
  const { nodes } = await cluster.inventory();
  const online = nodes.filter(({ status }) => status === 'online').map(({ node }) => node);
  const { defaultNode } = cluster.settings;
  if (defaultNode !== undefined && online.includes(defaultNode)) return defaultNode;
  return online.sort()[0] ?? nodeFor(cluster, undefined);
}
