import { z } from 'zod';
import type { GatedCluster } from '../../access/gate.ts';
import { toCallError } from '../../proxmox/errors.ts';
import { quoted } from '../../proxmox/text.ts';
import { defineTool, READS } from '../define.ts';
import { clusterParam, selectedFields, selectionOf } from '../params.ts';
import { compact, count, percentOf } from '../results.ts';
import { inWords } from '../size.ts';
import { DEFINITION_CALLS, requireDefinition, shown, shownDefinition, storageIdParam } from './definition.ts';
import { canHold } from './kinds.ts';
import { PLACE_CALLS, statusOf } from './place.ts';

const MOST_NODES = 50;

const onNode = z
  .object({
    node: z.string(),
    active: z.boolean(),
    used_bytes: z.number(),
    free_bytes: z.number(),
    total_bytes: z.number(),
    used_percent: z.number(),
    problem: z.string(),
  })
  .partial();

export const getStorage = defineTool({
  name: 'get_storage',
  title: 'Get storage',
  description: 'Shows how a storage is defined, what it may hold, and its state and usage on each node now.',
  toolset: 'storage',
  annotations: READS,
  calls: [...DEFINITION_CALLS, ...PLACE_CALLS],
  input: z.strictObject({ cluster: clusterParam, storage: storageIdParam }),
  output: z.object({
    ...selectedFields,
    ...shownDefinition.shape,
    could_hold: z.array(z.string()).optional().describe('What its type allows beside `content`.'),
    on_nodes: z.array(onNode),
    total: z.int(),
  }),
  async run({ cluster: named, storage }, context) {
    const cluster = context.cluster(named);
    const [definition, { nodes }] = await Promise.all([
      requireDefinition(cluster, storage),
      cluster.inventory(),
    ]);
    const { type, content, enabled } = definition;
    const names = nodes
      .map(({ node }) => node)
      .filter((node) => definition.nodes?.includes(node) ?? true)
      .sort();
    const asked = enabled ? names.slice(0, MOST_NODES) : [];
    const offline = new Set(nodes.filter(({ status }) => status !== 'online').map(({ node }) => node));
    const couldHold = canHold(type)?.filter((one) => one !== 'none' && !content.includes(one));
    const onNodes = await Promise.all(
      asked.map((node) => stateOn(cluster, node, storage, offline.has(node))),
    );
    context.signal.throwIfAborted();
    return {
      ...selectionOf(cluster),
      ...shown(definition),
      ...(couldHold === undefined || couldHold.length === 0 ? {} : { could_hold: couldHold }),
      on_nodes: onNodes,
      total: names.length,
    };
  },
  summary({ cluster, storage, type, enabled, content, shared, on_nodes, total }) {
    const holds = `holds ${content.join(', ')}`;
    const what = `${quoted(storage)} of ${cluster} is a ${shared ? 'shared ' : ''}${type} storage on ${count(total, 'node')} and ${holds}`;
    if (!enabled) return `${what}; it is disabled.`;
    const down = on_nodes.filter(({ active }) => active !== true);
    const [best] = on_nodes.filter(({ active }) => active === true);
    const usage =
      best?.free_bytes === undefined
        ? ''
        : ` ${inWords(best.free_bytes)} are free${shared ? '' : ` on ${best.node}`}.`;
    const missing = down.map(({ node, problem }) => ` Not on ${node}${problem ? `: ${problem}` : '.'}`);
    return `${what}.${usage}${missing.join('')}`;
  },
});

/** What fails on one node costs its row alone. */
async function stateOn(cluster: GatedCluster, node: string, storage: string, isOffline: boolean) {
  if (isOffline) return { node, active: false, problem: 'The node is not online.' };
  try {
    const { active, usedBytes, freeBytes, totalBytes } = await statusOf(cluster, node, storage);
    return {
      node,
      active,
      ...compact({
        used_bytes: usedBytes,
        free_bytes: freeBytes,
        total_bytes: totalBytes,
        used_percent: percentOf(usedBytes, totalBytes),
      }),
    };
  } catch (thrown) {
    return { node, active: false, problem: toCallError(thrown).message };
  }
}
