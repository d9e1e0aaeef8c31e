import { z } from 'zod';
import { apiPath } from '../../proxmox/api-path.ts';
import { quoted } from '../../proxmox/text.ts';
import { defineTool } from '../define.ts';
import { someOf } from '../fleet.ts';
import { clusterParam, selectedFields, selectionOf, textParam } from '../params.ts';
import { refuser } from '../refusals.ts';
import { rowsOf } from '../results.ts';

export const testNotification = defineTool({
  name: 'test_notification',
  title: 'Send a test notification',
  description: 'Sends a test message to a notification target; fails where it can’t be delivered.',
  toolset: 'system',
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: true },
  calls: [
    ['POST', '/cluster/notifications/targets/{name}/test'],
    ['GET', '/cluster/notifications/targets'],
  ],
  input: z.strictObject({ cluster: clusterParam, target: textParam() }),
  output: z.object({ ...selectedFields, target: z.string(), type: z.string() }),
  async run({ cluster: named, target }, context) {
    const cluster = context.cluster(named).alone();
    const { data } = await cluster.request({ method: 'GET', path: apiPath`/cluster/notifications/targets` });
    const targets = rowsOf(data);
    const found = targets.find(({ name }) => name === target);
    if (found === undefined) {
      throw refuser(cluster.name)(
        'NOT_FOUND',
        `${cluster.name} has no notification target ${quoted(target)}.`,
        `It has: ${someOf(targets.map(({ name }) => quoted(String(name))).sort(), 30) || 'none'}.`,
      );
    }
    await cluster.request({ method: 'POST', path: apiPath`/cluster/notifications/targets/${target}/test` });
    return { ...selectionOf(cluster), target, type: String(found.type) };
  },
  summary: ({ cluster, target, type }) =>
    `A test message was sent to the ${type} target ${quoted(target)} of ${cluster}; see whether it arrived.`,
});
