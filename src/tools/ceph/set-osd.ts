import { z } from 'zod';
import type { GatedCluster, GateRequest } from '../../access/gate.ts';
import { isObject, isTrue } from '../../catalogue/json.ts';
import { apiPath } from '../../proxmox/api-path.ts';
import { inQuotes } from '../../proxmox/text.ts';
import { defineTool } from '../define.ts';
import { clusterParam, selectedFields, selectionOf, switchParam } from '../params.ts';
import { notNow } from '../refusals.ts';
import { textOf } from '../results.ts';
import { runTask, TASK_CALLS, taskDeadline, taskField, taskSentence, waitParam } from '../task.ts';
import { OSD_CALLS, osdRow, readOsds, requireOsd } from './osds.ts';

const DONE = {
  in: 'taken in',
  out: 'taken out; its data move to others',
  scrub: 'told to scrub',
  deep_scrub: 'told to scrub deeply',
  start: 'started',
  stop: 'stopped',
  restart: 'restarted',
} as const;

type Action = keyof typeof DONE;

const ACTIONS = Object.keys(DONE) as [Action, ...Action[]];

export const setOsd = defineTool({
  name: 'set_osd',
  title: 'Act on an OSD',
  description:
    'Takes an OSD in or out, scrubs, starts, stops or restarts it. Refuses a stop that costs access to data.',
  toolset: 'ceph',
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: true, openWorldHint: true },
  calls: [
    ['POST', '/nodes/{node}/ceph/osd/{osdid}/in'],
    ['POST', '/nodes/{node}/ceph/osd/{osdid}/out'],
    ['POST', '/nodes/{node}/ceph/osd/{osdid}/scrub', 'deep'],
    ['POST', '/nodes/{node}/ceph/start', 'service'],
    ['POST', '/nodes/{node}/ceph/stop', 'service'],
    ['POST', '/nodes/{node}/ceph/restart', 'service'],
    ['GET', '/nodes/{node}/ceph/cmd-safety', 'service', 'id', 'action'],
    ...OSD_CALLS,
    ...TASK_CALLS,
  ],
  input: z.strictObject({
    cluster: clusterParam,
    osd: z.int().min(0),
    action: z.enum(ACTIONS),
    force: switchParam().describe('Stop it all the same.'),
    wait_seconds: waitParam,
  }),
  output: z.object({
    ...selectedFields,
    action: z.enum(ACTIONS),
    osd: osdRow.optional(),
    id: z.int(),
    task: taskField,
  }),
  deadlineSeconds: ({ wait_seconds }) => taskDeadline(wait_seconds),
  async run({ cluster: named, osd: id, action, force, wait_seconds }, context) {
    const cluster = context.cluster(named).alone();
    const { osds, node } = await readOsds(cluster);
    const host = requireOsd(cluster, osds, id).node ?? node;
    if ((action === 'stop' || action === 'restart') && !force) await requireSafe(cluster, host, id);
    const request = requestFor(action, host, id);
    const outcome = await runTask(cluster, request, wait_seconds, context);
    // Scrubbing changes nothing of it, and a task may still be at work.
    const isSeen = outcome.task === undefined || outcome.task.status === 'ok';
    const after = isSeen ? await readOsds(cluster).catch(() => undefined) : undefined;
    const osd = after?.osds.find((one) => one.id === id);
    return { ...selectionOf(cluster), id, action, ...outcome, ...(osd === undefined ? {} : { osd }) };
  },
  summary: ({ cluster, id, action, task }) => taskSentence(`osd.${id} of ${cluster}`, DONE[action], task),
});

function requestFor(action: Action, node: string, id: number): GateRequest {
  switch (action) {
    case 'in':
      return { method: 'POST', path: apiPath`/nodes/${node}/ceph/osd/${id}/in` };
    case 'out':
      return { method: 'POST', path: apiPath`/nodes/${node}/ceph/osd/${id}/out` };
    case 'scrub':
    case 'deep_scrub':
      return {
        method: 'POST',
        path: apiPath`/nodes/${node}/ceph/osd/${id}/scrub`,
        data: { deep: action === 'deep_scrub' || undefined },
      };
    default:
      return { method: 'POST', path: apiPath`/nodes/${node}/ceph/${action}`, data: { service: `osd.${id}` } };
  }
}

/** @throws CallError CONFLICT where Ceph says that data would be out of reach */
async function requireSafe(cluster: GatedCluster, node: string, id: number): Promise<void> {
  const path = apiPath`/nodes/${node}/ceph/cmd-safety`;
  const asked = { service: 'osd', id: String(id), action: 'stop' };
  const { data } = await cluster.request({ method: 'GET', path, data: asked });
  const answer: Readonly<Record<string, unknown>> = isObject(data) ? data : {};
  if (isTrue(answer.safe)) return;
  const why = textOf(answer.status);
  throw notNow(
    cluster,
    `Stopping osd.${id} would put data out of reach${why === undefined ? '' : `: ${inQuotes(why, 200)}`}.`,
    'Wait until ceph_status is HEALTH_OK, or pass force.',
  );
}
