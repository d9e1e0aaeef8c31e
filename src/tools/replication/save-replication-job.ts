import { z } from 'zod';
import { apiPath } from '../../proxmox/api-path.ts';
import { CallError } from '../../proxmox/errors.ts';
import { quoted } from '../../proxmox/text.ts';
import { nodeParam } from '../defaults.ts';
import { defineTool, type ToolContext } from '../define.ts';
import { type GuestTarget, guestParams, guestTarget } from '../guest-target.ts';
import { selectedFields, selectionOf, textParam } from '../params.ts';
import {
  REPLICATION_CALLS,
  readReplication,
  replicationIdParam,
  replicationRow,
  requireReplication,
} from './job.ts';
import { requireReplicable } from './preconditions.ts';

const input = z.strictObject({
  ...guestParams,
  id: replicationIdParam.optional().describe('Change this job; else one is made.'),
  target: nodeParam.describe('Node to copy to; fixed once made.'),
  schedule: textParam(128).optional().describe('Calendar event; default */15 (minutes).'),
  rate: z.number().min(1).optional().describe('MB/s.'),
  enabled: z.boolean().optional(),
  comment: z.string().max(4096).optional(),
});

type Args = z.output<typeof input>;

const PARAMETERS = ['schedule', 'rate', 'disable', 'comment'];

export const saveReplicationJob = defineTool({
  name: 'save_replication_job',
  title: 'Create or change a replication job',
  description:
    "Replicates a guest's ZFS disks to another node on a schedule: makes the job, or changes the one with `id`.",
  toolset: 'replication',
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: true },
  calls: [
    ['POST', '/cluster/replication', 'id', 'type', 'target', ...PARAMETERS],
    ['PUT', '/cluster/replication/{id}', ...PARAMETERS, 'delete'],
    ['GET', '/nodes/{node}/qemu/{vmid}/config'],
    ['GET', '/nodes/{node}/lxc/{vmid}/config'],
    ['GET', '/cluster/jobs/schedule-analyze', 'schedule', 'iterations'],
    ...REPLICATION_CALLS,
  ],
  withoutCluster: 'lookup',
  input,
  output: z.object({ ...selectedFields, created: z.boolean(), job: replicationRow }),
  async run(args, context) {
    const target = await guestOf(args, context);
    const { cluster } = target;
    if (args.schedule !== undefined) {
      const path = apiPath`/cluster/jobs/schedule-analyze`;
      // Proxmox says what is wrong with it, before anything is written.
      await cluster.request({ method: 'GET', path, data: { schedule: args.schedule, iterations: 1 } });
    }
    const id = args.id === undefined ? await create(target, args) : await change(target, args.id, args);
    const job = await requireReplication(cluster, id);
    return { ...selectionOf(cluster), created: args.id === undefined, job };
  },
  summary({ cluster, created, job }) {
    const { id, vmid, guest, source = '', target, schedule, state } = job;
    const named = guest === undefined ? '' : ` (${quoted(guest)})`;
    const off = state === 'disabled' ? ' It is disabled.' : '';
    return `The replication job ${id} of ${cluster} was ${created ? 'made' : 'changed'}: ${vmid}${named} from ${quoted(source)} to ${quoted(target)}, ${quoted(schedule)}.${off}`;
  },
});

function guestOf(args: Args, context: ToolContext): Promise<GuestTarget> {
  const { id, cluster, name } = args;
  const vmid = id === undefined ? args.vmid : Number(id.split('-')[0]);
  if (args.vmid === undefined || args.vmid === vmid) return guestTarget(context, { cluster, name, vmid });
  throw new CallError('INVALID_ARGUMENTS', `The job ${quoted(id ?? '')} is not of the guest ${args.vmid}.`, {
    hint: 'Leave `vmid` out to change a job. Nothing was sent.',
  });
}

async function create(target: GuestTarget, args: Args): Promise<string> {
  const { cluster, guest } = target;
  if (args.target === undefined) {
    throw new CallError('INVALID_ARGUMENTS', 'A new job needs a `target`.', {
      cluster: cluster.name,
      hint: 'Pass the node to copy to. Nothing was sent.',
    });
  }
  const [inventory, { rows }] = await Promise.all([
    cluster.inventory(),
    readReplication(cluster, guest.vmid),
  ]);
  const same = rows.find((row) => row.target === args.target);
  if (same !== undefined) {
    throw new CallError(
      'CONFLICT',
      `${same.id} replicates ${guest.vmid} to ${quoted(same.target)} already.`,
      {
        cluster: cluster.name,
        hint: `Pass \`id\`: "${same.id}" to change it. Nothing was sent.`,
        retryable: false,
      },
    );
  }
  await requireReplicable(target, inventory, args.target);
  const taken = new Set(rows.map(({ id }) => Number(id.split('-')[1])));
  let number = 0;
  while (taken.has(number)) number += 1;
  const id = `${guest.vmid}-${number}`;
  const data = { id, type: 'local', target: args.target, ...optionsOf(args) };
  const path = apiPath`/cluster/replication`;
  await cluster.request({ method: 'POST', path, data, expectName: args.name });
  return id;
}

async function change({ cluster }: GuestTarget, id: string, args: Args): Promise<string> {
  const job = await requireReplication(cluster, id);
  if (args.target !== undefined && args.target !== job.target) {
    throw new CallError('INVALID_ARGUMENTS', `${id} copies to ${quoted(job.target)}, which is fixed.`, {
      cluster: cluster.name,
      hint: 'Delete the job and make another. Nothing was sent.',
    });
  }
  const gone = args.comment === '' && job.comment !== undefined ? 'comment' : undefined;
  const data = { ...optionsOf(args), delete: gone };
  if (args.comment === undefined && Object.values(data).every((value) => value === undefined)) {
    throw new CallError('INVALID_ARGUMENTS', 'Nothing to change was given.', {
      cluster: cluster.name,
      hint: 'Pass schedule, rate, enabled or comment. Nothing was sent.',
    });
  }
  await cluster.request({ method: 'PUT', path: apiPath`/cluster/replication/${id}`, data });
  return id;
}

function optionsOf({ schedule, rate, enabled, comment }: Args) {
  const disable = enabled === undefined ? undefined : !enabled;
  return { schedule, rate, disable, comment: comment === '' ? undefined : comment };
}
