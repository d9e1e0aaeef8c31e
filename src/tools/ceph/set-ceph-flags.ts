import { z } from 'zod';
import { isTrue } from '../../catalogue/json.ts';
import { apiPath } from '../../proxmox/api-path.ts';
import { defineTool } from '../define.ts';
import { someOf } from '../fleet.ts';
import { clusterParam, listOf, selectedFields, selectionOf } from '../params.ts';
import { compact, rowsOf, textOf } from '../results.ts';
import { runTask, TASK_CALLS, taskDeadline, taskField, taskSentence, waitParam } from '../task.ts';
import { askCeph, readCeph } from './ceph.ts';

const FLAGS = [
  ...(['nobackfill', 'nodeep-scrub', 'nodown', 'noin', 'noout', 'norebalance'] as const),
  ...(['norecover', 'noscrub', 'notieragent', 'noup', 'pause'] as const),
] as const;

export const setCephFlags = defineTool({
  name: 'set_ceph_flags',
  title: 'Set Ceph flags',
  description:
    'Sets or clears flags of the whole Ceph, such as noout before a reboot; pause stops all I/O of guests.',
  toolset: 'ceph',
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: true, openWorldHint: true },
  calls: [
    ['PUT', '/cluster/ceph/flags', ...FLAGS],
    ['GET', '/cluster/ceph/flags'],
    ['GET', '/nodes/{node}/ceph/status'],
    ['GET', '/cluster/resources'],
    ...TASK_CALLS,
  ],
  input: z.strictObject({
    cluster: clusterParam,
    flags: listOf(z.enum(FLAGS), FLAGS.length),
    on: z.boolean(),
    wait_seconds: waitParam,
  }),
  output: z.object({
    ...selectedFields,
    changed: z.array(z.string()),
    on: z.boolean(),
    flags: z
      .array(z.object({ name: z.string(), on: z.boolean(), meaning: z.string().optional() }))
      .optional(),
    task: taskField,
  }),
  deadlineSeconds: ({ wait_seconds }) => taskDeadline(wait_seconds),
  async run({ cluster: named, flags: wanted, on, wait_seconds }, context) {
    const cluster = context.cluster(named).alone();
    await askCeph(cluster, (node) => readCeph(cluster, node, 'status'));
    const changed = [...new Set(wanted)];
    const path = apiPath`/cluster/ceph/flags`;
    const data = Object.fromEntries(changed.map((flag) => [flag, on]));
    const outcome = await runTask(cluster, { method: 'PUT', path, data }, wait_seconds, context);
    const isOver = outcome.task === undefined || outcome.task.status === 'ok';
    const reply = isOver ? await cluster.request({ method: 'GET', path }).catch(() => undefined) : undefined;
    const flags = reply && rowsOf(reply.data).map(flagOf);
    return { ...selectionOf(cluster), changed, on, ...compact({ flags }), ...outcome };
  },
  summary({ cluster, changed, on, task }) {
    const pause = on && changed.includes('pause') ? ' Guests on Ceph stand still until it is cleared.' : '';
    const forgotten = on ? ' Clear it when the work is done.' : '';
    return `${taskSentence(`${someOf(changed)} of ${cluster}'s Ceph`, on ? 'set' : 'cleared', task)}${pause}${forgotten}`;
  },
});

function flagOf(row: Readonly<Record<string, unknown>>) {
  return { name: String(row.name), on: isTrue(row.value), ...compact({ meaning: textOf(row.description) }) };
}
