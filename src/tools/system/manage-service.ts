import { z } from 'zod';
import { didYouMean } from '../../config/nearest.ts';
import { apiPath } from '../../proxmox/api-path.ts';
import { quoted } from '../../proxmox/text.ts';
import { nodeFor, nodeParam } from '../defaults.ts';
import { defineTool } from '../define.ts';
import { someOf } from '../fleet.ts';
import { clusterParam, selectedFields, selectionOf, textParam } from '../params.ts';
import { refuser } from '../refusals.ts';
import { runTask, TASK_CALLS, taskDeadline, taskField, taskSentence, waitParam } from '../task.ts';
import { readServices, SERVICE_CALLS } from './services.ts';

const ACTIONS = ['start', 'stop', 'restart', 'reload'] as const;
const DONE = { start: 'started', stop: 'stopped', restart: 'restarted', reload: 'reloaded' } as const;
/** This service reaches the node through them. */
const NEEDED = new Set(['pveproxy', 'pvedaemon', 'pve-cluster']);

export const manageService = defineTool({
  name: 'manage_service',
  title: 'Manage a service of a node',
  description: 'Starts, stops, restarts or reloads a system service of a node, such as pvestatd.',
  toolset: 'system',
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: true },
  calls: [
    ...ACTIONS.map((action) => ['POST', `/nodes/{node}/services/{service}/${action}`] as const),
    ['GET', '/cluster/resources'],
    ...SERVICE_CALLS,
    ...TASK_CALLS,
  ],
  input: z.strictObject({
    cluster: clusterParam,
    node: nodeParam,
    service: textParam(64),
    action: z.enum(ACTIONS),
    wait_seconds: waitParam,
  }),
  output: z.object({
    ...selectedFields,
    node: z.string(),
    service: z.string(),
    action: z.enum(ACTIONS),
    state: z.string().optional(),
    task: taskField,
  }),
  deadlineSeconds: ({ wait_seconds }) => taskDeadline(wait_seconds),
  async run({ cluster: named, node: asked, service, action, wait_seconds }, context) {
    const cluster = context.cluster(named).alone();
    const refuse = refuser(cluster.name);
    if (action === 'stop' && NEEDED.has(service)) {
      throw refuse(
        'INVALID_ARGUMENTS',
        `Without ${service} nobody could start it again from here.`,
        'Pass action: "restart".',
      );
    }
    const node = await nodeFor(cluster, asked);
    const names = (await readServices(cluster, node)).map((row) => row.service);
    if (!names.includes(service)) {
      throw refuse(
        'NOT_FOUND',
        `${quoted(node)} has no service ${quoted(service)} that Proxmox manages.${didYouMean(service, names)}`,
        `It manages: ${someOf(names.sort(), 40)}.`,
      );
    }
    const path = apiPath`/nodes/${node}/services/${service}/${action}`;
    const outcome = await runTask(cluster, { method: 'POST', path }, wait_seconds, context);
    const after = await readServices(cluster, node).catch(() => []);
    const state = after.find((row) => row.service === service)?.state;
    return {
      ...selectionOf(cluster),
      node,
      service,
      action,
      ...(state === undefined ? {} : { state }),
      ...outcome,
    };
  },
  summary({ cluster, node, service, action, state, task }) {
    const now = state === undefined ? '' : ` Its state is ${quoted(state)}.`;
    return `${taskSentence(`The service ${quoted(service)} of ${quoted(node)} of ${cluster}`, DONE[action], task)}${now}`;
  },
});
