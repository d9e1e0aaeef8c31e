import { z } from 'zod';
import type { GatedCluster } from '../../access/gate.ts';
import { nearestNames } from '../../config/nearest.ts';
import { apiPath } from '../../proxmox/api-path.ts';
import { inQuotes, quoted } from '../../proxmox/text.ts';
import { nodeParam, storageParam } from '../defaults.ts';
import { defineTool } from '../define.ts';
import { someOf } from '../fleet.ts';
import { clusterParam, selectedFields, selectionOf, textParam } from '../params.ts';
import { refuser } from '../refusals.ts';
import { runTask, TASK_CALLS, taskDeadline, taskField, taskSentence, waitParam } from '../task.ts';
import { APPLIANCE_CALLS, readAppliances } from './appliances.ts';
import { FILE_CALLS, present, volidOf } from './files.ts';
import { PLACE_CALLS, placeFor } from './place.ts';

export const downloadAppliance = defineTool({
  name: 'download_appliance',
  title: 'Download appliance template',
  description:
    'Fetches a container template of list_appliances, by its name or package (debian-13-standard).',
  toolset: 'storage',
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: true, openWorldHint: true },
  calls: [
    ['POST', '/nodes/{node}/aplinfo', 'storage', 'template'],
    ...APPLIANCE_CALLS,
    ...FILE_CALLS,
    ...PLACE_CALLS,
    ...TASK_CALLS,
  ],
  input: z.strictObject({
    cluster: clusterParam,
    template: textParam(255),
    storage: storageParam,
    node: nodeParam,
    wait_seconds: waitParam,
  }),
  output: z.object({
    ...selectedFields,
    volid: z.string(),
    node: z.string(),
    already_there: z.literal(true).optional(),
    task: taskField,
  }),
  deadlineSeconds: ({ wait_seconds }) => taskDeadline(wait_seconds),
  async run(args, context) {
    const cluster = context.cluster(args.cluster).alone();
    const place = await placeFor(cluster, { storage: args.storage, node: args.node, content: 'vztmpl' });
    const { node, storage } = place;
    const template = await templateOf(cluster, node, args.template);
    const volid = volidOf(place, 'vztmpl', template);
    if ((await present(cluster, place, 'vztmpl', volid)) !== undefined) {
      return { ...selectionOf(cluster), volid, node, already_there: true as const };
    }
    const path = apiPath`/nodes/${node}/aplinfo`;
    const request = { method: 'POST', path, data: { storage, template } } as const;
    const outcome = await runTask(cluster, request, args.wait_seconds, context);
    return { ...selectionOf(cluster), volid, node, ...outcome };
  },
  summary({ cluster, volid, node, already_there, task }) {
    if (already_there) return `${quoted(volid)} is on ${node} of ${cluster} already; nothing was sent.`;
    return taskSentence(quoted(volid), `downloaded to ${node} of ${cluster}`, task);
  },
});

/** @throws CallError INVALID_ARGUMENTS for what is not in the list, or is several */
async function templateOf(cluster: GatedCluster, node: string, wanted: string): Promise<string> {
  const all = await readAppliances(cluster, node);
  if (all.some(({ template }) => template === wanted)) return wanted;
  const named = all.filter((one) => one.package === wanted || one.template.startsWith(`${wanted}_`));
  const [only] = named;
  if (only !== undefined && named.length === 1) return only.template;
  const packages = all.flatMap((one) => one.package ?? []);
  const near = named.length > 1 ? named.map(({ template }) => template) : nearestNames(wanted, packages);
  throw refuser(cluster.name)(
    'INVALID_ARGUMENTS',
    `${inQuotes(wanted)} is ${named.length > 1 ? 'more than one template' : 'no template that is offered'}.`,
    `${near.length === 0 ? '' : `There is ${someOf(near)}. `}list_appliances shows all; \`pveam update\` on the node renews the list.`,
  );
}
