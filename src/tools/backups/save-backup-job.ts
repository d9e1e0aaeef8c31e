import { z } from 'zod';
import type { GatedCluster } from '../../access/gate.ts';
import type { Json } from '../../catalogue/json.ts';
import { apiPath } from '../../proxmox/api-path.ts';
import { quoted } from '../../proxmox/text.ts';
import { defineTool, type ToolContext } from '../define.ts';
import { selectedFields, selectionOf } from '../params.ts';
import { refuser } from '../refusals.ts';
import { requireSensible, selectionOfGuests } from './job-checks.ts';
import { type JobArgs, jobInput } from './job-input.ts';
import { jobOf, jobRow, readJobs, requireJob } from './job-row.ts';
import { notesTemplate } from './vzdump.ts';

/** What a new job has where nothing is said: as the dialog of the web interface offers it. */
const FRESH = { mode: 'snapshot', compress: 'zstd', 'notes-template': '{{guestname}}' } as const;

const PARAMETERS = [
  ...['schedule', 'all', 'pool', 'vmid', 'exclude', 'storage', 'node', 'mode', 'compress', 'prune-backups'],
  ...['notes-template', 'bwlimit', 'enabled', 'repeat-missed', 'comment', 'notification-mode', 'mailto'],
  'mailnotification',
];

export const saveBackupJob = defineTool({
  name: 'save_backup_job',
  title: 'Create or change a backup job',
  description:
    'Makes a backup job, or changes the one with `id`: what is not given stays. Select guests by one of all, pool, guests, exclude.',
  toolset: 'backups',
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: true },
  calls: [
    ['POST', '/cluster/backup', ...PARAMETERS],
    ['PUT', '/cluster/backup/{id}', ...PARAMETERS, 'delete'],
    ['GET', '/cluster/backup'],
    ['GET', '/cluster/jobs/schedule-analyze', 'schedule', 'iterations'],
    ['GET', '/pools'],
    ['GET', '/cluster/resources'],
  ],
  input: jobInput,
  output: z.object({ ...selectedFields, created: z.boolean(), job: jobRow }),
  async run(args, context) {
    const cluster = context.cluster(args.cluster).alone();
    const job =
      args.id === undefined ? await create(cluster, args, context) : await change(cluster, args, context);
    return { ...selectionOf(cluster), created: args.id === undefined, job: jobOf(job) };
  },
  summary({ cluster, created, job }) {
    const { id = '', schedule = '', guests = '', storage, next_run_at, enabled } = job;
    const whom = /^[\d,]+$/.test(guests) ? guests.replaceAll(',', ', ') : quoted(guests);
    const where = storage === undefined ? '' : ` to ${quoted(storage)}`;
    const next = !enabled
      ? ' It is disabled.'
      : next_run_at === undefined
        ? ''
        : ` It runs next at ${next_run_at}.`;
    return `The backup job ${quoted(id)} of ${cluster} was ${created ? 'made' : 'changed'}: it backs up ${whom}${where} (${quoted(schedule)}).${next}`;
  },
});

async function create(cluster: GatedCluster, args: JobArgs, context: ToolContext): Promise<Json> {
  const before = await readJobs(cluster);
  const selection = await selectionOfGuests(cluster, args, context);
  const storage = await requireSensible(cluster, { ...args, selection }, undefined);
  const data = { ...FRESH, ...optionsOf(args), ...selection, storage };
  await cluster.request({ method: 'POST', path: apiPath`/cluster/backup`, data });
  const known = new Set(before.map(({ id }) => id));
  const made = (await readJobs(cluster)).filter(({ id }) => !known.has(id));
  // PVE chooses the id and does not tell it; another may have made a job at the same moment.
  return made.find((job) => job.schedule === args.schedule) ?? made[0] ?? { ...data };
}

async function change(cluster: GatedCluster, args: JobArgs, context: ToolContext): Promise<Json> {
  const { id = '' } = args;
  const job = await requireJob(cluster, id);
  const selection = await selectionOfGuests(cluster, args, context);
  const storage = await requireSensible(cluster, { ...args, selection }, job);
  const data = { ...optionsOf(args), ...selection, ...(args.storage === undefined ? {} : { storage }) };
  const emptied = args.comment === '' ? ['comment'] : [];
  const replaced =
    selection === undefined
      ? []
      : ['all', 'pool', 'vmid', 'exclude'].filter((key) => job[key] !== undefined && !(key in selection));
  const gone = [...emptied, ...replaced].filter((key) => job[key] !== undefined);
  if (Object.keys(data).length + gone.length === 0 && args.comment === undefined) {
    const hint = 'Pass what is to be changed.';
    throw refuser(cluster.name)('INVALID_ARGUMENTS', 'Nothing to change was given.', hint);
  }
  const path = apiPath`/cluster/backup/${id}`;
  await cluster.request({ method: 'PUT', path, data: { ...data, delete: gone.join(',') || undefined } });
  return requireJob(cluster, id);
}

/** What is given, as PVE names it. */
function optionsOf(args: JobArgs): Record<string, unknown> {
  const given: Record<string, unknown> = {
    schedule: args.schedule,
    node: args.node,
    mode: args.mode,
    compress: args.compress,
    'prune-backups': args.keep,
    'notes-template': args.notes === undefined ? undefined : notesTemplate(args.notes),
    bwlimit: args.bwlimit,
    enabled: args.enabled,
    'repeat-missed': args.repeat_missed,
    comment: args.comment === '' ? undefined : args.comment,
    'notification-mode': args.notify,
    mailto: args.mailto,
    mailnotification: args.mail_on,
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}
