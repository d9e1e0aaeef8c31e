import { z } from 'zod';
import type { GatedCluster, GateRequest } from '../../access/gate.ts';
import { apiPath } from '../../proxmox/api-path.ts';
import { quoted } from '../../proxmox/text.ts';
import { nodeParam } from '../defaults.ts';
import { defineTool } from '../define.ts';
import { someOf } from '../fleet.ts';
import { clusterParam, selectedFields, selectionOf, textParam } from '../params.ts';
import { refuser } from '../refusals.ts';
import { compact } from '../results.ts';
import { readDatacenterOptions } from './get-options.ts';
import { DATACENTER_OPTIONS, NODE_OPTIONS, nodeRequests, readNodeOptions } from './node-options.ts';

export const setOptions = defineTool({
  name: 'set_options',
  title: 'Set datacenter or node options',
  description: 'Sets or resets options of the datacenter, or of a node with its DNS and time zone.',
  toolset: 'system',
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: true, openWorldHint: true },
  calls: [
    ['PUT', '/cluster/options', ...DATACENTER_OPTIONS, 'delete'],
    ['PUT', '/nodes/{node}/config', ...NODE_OPTIONS, 'delete'],
    ['PUT', '/nodes/{node}/dns', 'search', 'dns1', 'dns2', 'dns3'],
    ['PUT', '/nodes/{node}/time', 'timezone'],
    ['GET', '/cluster/options'],
    ['GET', '/nodes/{node}/config'],
    ['GET', '/nodes/{node}/dns'],
    ['GET', '/nodes/{node}/time'],
  ],
  input: z.strictObject({
    cluster: clusterParam,
    node: nodeParam,
    options: z
      .record(z.string(), z.unknown())
      .default({})
      .describe(
        "By Proxmox' names, such as migration, tag-style, mac_prefix; of a node: timezone, search, dns1, description, acme.",
      ),
    remove: z.array(textParam()).max(50).default([]).describe('Options to reset.'),
  }),
  output: z.object({
    ...selectedFields,
    node: z.string().optional(),
    changed: z.array(z.string()),
    options: z.record(z.string(), z.unknown()).optional().describe('As they are now.'),
  }),
  async run({ cluster: named, node, options, remove }, context) {
    const cluster = context.cluster(named).alone();
    const changed = [...Object.keys(options), ...remove];
    if (changed.length === 0) {
      throw refuser(cluster.name)(
        'INVALID_ARGUMENTS',
        'Nothing is to be set.',
        'Pass `options` or `remove`.',
      );
    }
    const all: GateRequest = {
      method: 'PUT',
      path: apiPath`/cluster/options`,
      data: { ...options, delete: remove.length === 0 ? undefined : remove.join(',') },
    };
    const requests = node === undefined ? [all] : await nodeRequests(cluster, node, options, remove);
    await cluster.approve(requests);
    for (const request of requests) await cluster.request(request);
    // It is done, whatever becomes of the reading.
    const now = await optionsNow(cluster, node).catch(() => undefined);
    return { ...selectionOf(cluster), changed, ...compact({ node, options: now }) };
  },
  summary({ cluster, node, changed }) {
    const whose = node === undefined ? cluster : `${quoted(node)} of ${cluster}`;
    return `Options of ${whose} were changed: ${someOf(changed.map(quoted), 20)}.`;
  },
});

async function optionsNow(cluster: GatedCluster, node: string | undefined): Promise<Record<string, unknown>> {
  return node === undefined ? readDatacenterOptions(cluster) : (await readNodeOptions(cluster, node)).options;
}
