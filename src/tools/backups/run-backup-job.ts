import { z } from 'zod';
import type { GatedCluster } from '../../access/gate.ts';
import type { Json } from '../../catalogue/json.ts';
import { apiPath } from '../../proxmox/api-path.ts';
import { quoted } from '../../proxmox/text.ts';
import { defineTool } from '../define.ts';
import { clusterParam, selectedFields, selectionOf } from '../params.ts';
import { refuser } from '../refusals.ts';
import { compact, count, textOf } from '../results.ts';
import { retentionText } from '../retention.ts';
import { TASK_CALLS, taskDeadline, waitParam } from '../task.ts';
import { includedGuests } from './included.ts';
import { jobIdParam, requireJob } from './job-row.ts';
import { type NodeRequest, nodesInWords, nodeTasks, runOnNodes } from './several.ts';

/** What vzdump takes of a job: all but what says when and where it runs. Names of jobs are for root@pam alone. */
const VZDUMP = [
  ...['all', 'bwlimit', 'compress', 'dumpdir', 'exclude', 'exclude-path', 'fleecing', 'ionice', 'lockwait'],
  ...['mailnotification', 'mailto', 'mode', 'notes-template', 'notification-mode'],
  ...['pbs-change-detection-mode', 'performance', 'pigz', 'pool', 'protected', 'prune-backups', 'quiet'],
  ...['remove', 'script', 'stdexcludes', 'stop', 'stopwait', 'storage', 'tmpdir', 'vmid', 'zstd'],
];

export const runBackupJob = defineTool({
  name: 'run_backup_job',
  title: 'Run a backup job now',
  description:
    'Runs a backup job now, enabled or not, on each node that has guests of it; prunes as the job does.',
  toolset: 'backups',
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: true },
  calls: [
    ['POST', '/nodes/{node}/vzdump', ...VZDUMP],
    ['GET', '/cluster/backup'],
    ['GET', '/cluster/backup/{id}/included_volumes'],
    ['GET', '/cluster/resources'],
    ...TASK_CALLS,
  ],
  input: z.strictObject({ cluster: clusterParam, id: jobIdParam, wait_seconds: waitParam }),
  output: z.object({
    ...selectedFields,
    id: z.string(),
    guests: z.int().optional(),
    tasks: nodeTasks,
    skipped: z.array(z.object({ node: z.string(), why: z.string() })).optional(),
  }),
  deadlineSeconds: ({ wait_seconds }) => taskDeadline(wait_seconds),
  async run({ cluster: named, id, wait_seconds }, context) {
    const cluster = context.cluster(named).alone();
    const [job, guests] = await Promise.all([
      requireJob(cluster, id),
      includedGuests(cluster, id).catch(none),
    ]);
    const { nodes, skipped } = await nodesOf(cluster, id, textOf(job.node), guests);
    const data = optionsOf(job);
    const requests = nodes.map((node): NodeRequest => {
      return { node, request: { method: 'POST', path: apiPath`/nodes/${node}/vzdump`, data } };
    });
    const tasks = await runOnNodes(cluster, requests, wait_seconds, context);
    return {
      ...selectionOf(cluster),
      id,
      ...compact({ guests: guests?.length }),
      tasks,
      ...(skipped.length === 0 ? {} : { skipped }),
    };
  },
  summary({ cluster, id, guests, tasks, skipped = [] }) {
    const without = skipped.map(({ node, why }) => ` Not on ${quoted(node)}: ${why}.`).join('');
    const where = tasks.map(({ node }) => quoted(node)).join(', ');
    const whom = guests === undefined ? '' : ` with ${count(guests, 'guest')}`;
    return `The backup job ${quoted(id)} of ${cluster}${whom} was run on ${where}.${nodesInWords(tasks)}${without}`;
  },
});

function none(): undefined {
  return undefined;
}

/** The job's settings as parameters: PVE gives some as objects and takes them as text. */
export function optionsOf(job: Json): Record<string, unknown> {
  const given = Object.entries(job).filter(([key]) => VZDUMP.includes(key));
  const texts = given.map(([key, value]) => [
    key,
    Array.isArray(value) ? value : (retentionText(value) ?? value),
  ]);
  const options = Object.fromEntries(texts) as Record<string, unknown>;
  if (options.all === 0 || options.all === false) delete options.all;
  return options;
}

/**
 * Where the job has work. vzdump saves the guests of its own node alone; a guest whose node is not known may be on any.
 *
 * @throws CallError CONFLICT where no node could do anything
 */
async function nodesOf(
  cluster: GatedCluster,
  id: string,
  only: string | undefined,
  guests: readonly { vmid: number }[] | undefined,
) {
  const inventory = await cluster.inventory({ fresh: true });
  const homes = new Map(inventory.guests.map(({ vmid, node }) => [vmid, node]));
  const all = inventory.nodes.map(({ node }) => node).sort();
  const found = guests?.map(({ vmid }) => homes.get(vmid));
  const isKnown = found?.every((node) => node !== undefined);
  const wanted = isKnown ? [...new Set(found)].filter((node) => node !== undefined).sort() : all;
  const here = only === undefined ? wanted : wanted.filter((node) => node === only);
  const online = new Set(inventory.nodes.filter(({ status }) => status === 'online').map(({ node }) => node));
  const nodes = here.filter((node) => online.has(node));
  const skipped = here
    .filter((node) => !online.has(node))
    .map((node) => ({ node, why: 'the node is offline' }));
  if (nodes.length > 0) return { nodes, skipped };
  const why =
    skipped.length > 0
      ? `${skipped.map(({ node }) => quoted(node)).join(', ')} is offline`
      : only === undefined
        ? 'it selects no guest'
        : `it selects no guest on ${quoted(only)}`;
  throw refuser(cluster.name)(
    'CONFLICT',
    `The backup job ${quoted(id)} has nothing to do: ${why}.`,
    'list_backup_jobs shows whom it selects.',
  );
}
