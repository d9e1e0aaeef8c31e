import { z } from 'zod';
import type { GatedCluster } from '../../access/gate.ts';
import { isObject } from '../../catalogue/json.ts';
import { apiPath } from '../../proxmox/api-path.ts';
import { quoted } from '../../proxmox/text.ts';
import { bound } from '../bounded.ts';
import { nodeParam } from '../defaults.ts';
import { defineTool, READS } from '../define.ts';
import { clusterParam, selectedFields, selectionOf } from '../params.ts';
import { count } from '../results.ts';
import { readNodeOptions } from './node-options.ts';

export const getOptions = defineTool({
  name: 'get_options',
  title: 'Get datacenter or node options',
  description:
    'Shows the options of the datacenter; with `node` those of a node, with its DNS and time zone.',
  toolset: 'system',
  annotations: READS,
  calls: [
    ['GET', '/cluster/options'],
    ['GET', '/nodes/{node}/config'],
    ['GET', '/nodes/{node}/dns'],
    ['GET', '/nodes/{node}/time'],
  ],
  input: z.strictObject({ cluster: clusterParam, node: nodeParam }),
  output: z.object({
    ...selectedFields,
    node: z.string().optional(),
    options: z.record(z.string(), z.unknown()),
    time: z.string().optional(),
    unread: z.array(z.object({ part: z.string(), problem: z.string() })).optional(),
  }),
  async run({ cluster: named, node }, context) {
    const cluster = context.cluster(named);
    if (node === undefined) {
      const options = boundedOptions(await readDatacenterOptions(cluster));
      return { ...selectionOf(cluster), options };
    }
    const found = await readNodeOptions(cluster, node);
    return { ...selectionOf(cluster), node, ...found, options: boundedOptions(found.options) };
  },
  summary({ cluster, node, options, unread = [] }) {
    const whose = node === undefined ? cluster : `${quoted(node)} of ${cluster}`;
    const without = unread.length === 0 ? '' : ` Not read: ${unread.map(({ part }) => part).join(', ')}.`;
    return `${whose}: ${count(Object.keys(options).length, 'option')} set.${without}`;
  },
});

/** Notes of a node may be long; what is left out, `proxmox_api_call` shows. */
function boundedOptions(options: Record<string, unknown>): Record<string, unknown> {
  const { data } = bound(options);
  return isObject(data) ? data : {};
}

/** A proxy may have its password in the URL. */
export async function readDatacenterOptions(cluster: GatedCluster): Promise<Record<string, unknown>> {
  const { data } = await cluster.request({ method: 'GET', path: apiPath`/cluster/options` });
  const { digest: _digest, http_proxy: proxy, ...options } = isObject(data) ? data : {};
  if (typeof proxy !== 'string') return options;
  return { ...options, http_proxy: proxy.replace(/\/\/[^/@]*@/, '//[redacted]@') };
}
