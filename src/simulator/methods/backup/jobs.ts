import { failure, invalidParameters } from '../../errors.ts';
import { isExcluded } from '../../state/archives.ts';
import type { BackupJob, ClusterState } from '../../state/cluster-state.ts';
import { guestName } from '../../state/guest.ts';
import { drives, requireStorage } from '../../state/volumes.ts';
import type { Properties } from '../../verify.ts';
import { booleans, declare, items, on, scatter, served, texts } from '../declare.ts';
import { type Call, index, type Method, node, optional, optionalText, string, text } from '../method.ts';
import { BACKUP_OPTIONS, ROOT_OPTIONS } from './options.ts';
import { selectedGuests, selectsGuests } from './selection.ts';

const jobsOf = (state: ClusterState): BackupJob[] => {
  state.backupJobs ??= [];
  return state.backupJobs;
};

function requireJob(call: Call): BackupJob {
  const job = jobsOf(call.state).find(({ id }) => id === text(call, 'id'));
  if (!job) throw invalidParameters({ id: `No such job '${text(call, 'id')}'` });
  return job;
}

function show({ id, enabled, options }: BackupJob, now: number): Record<string, unknown> {
  const next = enabled ? nextRun(String(options.schedule ?? ''), now) : undefined;
  return {
    id,
    type: 'vzdump',
    enabled: enabled ? 1 : 0,
    ...options,
    ...asObjects(options),
    ...(next === undefined ? {} : { 'next-run': next }),
  };
}

/** These options are texts when they are set, and objects when they are read. */
function asObjects(options: BackupJob['options']): Record<string, unknown> {
  const names = ['prune-backups', 'performance', 'fleecing'].filter((name) => options[name] !== undefined);
  return Object.fromEntries(
    names.map((name) => [
      name,
      Object.fromEntries(
        String(options[name])
          .split(',')
          .map((pair) => pair.split('=')),
      ),
    ]),
  );
}

const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];

/** @returns epoch seconds; undefined for schedules other than `HH:MM` with or without days before it */
function nextRun(schedule: string, now: number): number | undefined {
  const [, days = '', hour, minute] = /^(?:([a-z,]+) )?(\d{1,2}):(\d{2})$/.exec(schedule) ?? [];
  if (hour === undefined) return undefined;
  const at = new Date(now);
  at.setUTCHours(Number(hour), Number(minute), 0, 0);
  const wanted = days.split(',').filter(Boolean);
  const fits = (): boolean => wanted.length === 0 || wanted.includes(DAYS[at.getUTCDay()] ?? '');
  for (let day = 0; day < 8 && (at.getTime() <= now || !fits()); day += 1) at.setUTCDate(at.getUTCDate() + 1);
  return Math.floor(at.getTime() / 1000);
}

/** What of a call belongs into the job; the older pair of day and time becomes a schedule. */
function optionsOf(call: Call): BackupJob['options'] {
  const { id: _id, delete: _delete, enabled: _enabled, dow, starttime, ...rest } = call.parameters;
  const reserved = ROOT_OPTIONS.filter((name) => rest[name] !== undefined);
  if (reserved.length > 0 && call.identity.id !== 'root@pam') {
    throw invalidParameters(
      Object.fromEntries(reserved.map((name) => [name, 'Only root may set this option.'])),
    );
  }
  const old =
    starttime === undefined ? {} : { schedule: `${dow === undefined ? '' : `${dow} `}${starttime}` };
  const texts = Object.entries(rest).map(([key, value]) => [
    key,
    Array.isArray(value) ? value.join(',') : value,
  ]);
  return { ...old, ...Object.fromEntries(texts) };
}

function refuseUnusable(call: Call, options: BackupJob['options']): void {
  if (!selectsGuests(options))
    throw invalidParameters({ vmid: 'no guests given: name them, a pool, or all' });
  if (options.schedule === undefined)
    throw invalidParameters({ schedule: 'property is missing and it is not optional' });
  if (options.storage === undefined) return;
  const place = requireStorage(call.state, String(options.storage));
  if (!place.content.includes('backup')) throw failure(`storage '${place.storage}' does not support backups`);
}

function create(call: Call): null {
  const jobs = jobsOf(call.state);
  const id =
    optionalText(call, 'id') ??
    `backup-${Math.floor(scatter(call.state.name, jobs.length) * 2 ** 32).toString(16)}`;
  if (jobs.some((job) => job.id === id)) throw failure(`Job '${id}' already exists`);
  const options = optionsOf(call);
  refuseUnusable(call, options);
  jobs.push({ id, enabled: call.parameters.enabled !== 0, options });
  return null;
}

function update(call: Call): null {
  const job = requireJob(call);
  const options = { ...job.options, ...optionsOf(call) };
  for (const key of items(optionalText(call, 'delete'))) delete options[key];
  // Whoever names guests in one way takes the other ways back.
  if (call.parameters.vmid !== undefined) for (const key of ['all', 'pool', 'exclude']) delete options[key];
  if (call.parameters.all === 1) for (const key of ['vmid', 'pool']) delete options[key];
  if (call.parameters.pool !== undefined) for (const key of ['all', 'vmid']) delete options[key];
  refuseUnusable(call, options);
  job.options = options;
  if (call.parameters.enabled !== undefined) job.enabled = call.parameters.enabled === 1;
  return null;
}

function remove(call: Call): null {
  const jobs = jobsOf(call.state);
  jobs.splice(jobs.indexOf(requireJob(call)), 1);
  return null;
}

function includedVolumes(call: Call): unknown {
  const guests = selectedGuests(call.state, requireJob(call).options);
  const children = guests.map((guest) => ({
    id: guest.vmid,
    type: guest.type,
    name: guestName(guest),
    children: drives(guest).map(([key, volid]) => {
      const unused = key.startsWith('unused');
      const included = !unused && !isExcluded(guest, key);
      const reason = unused ? 'unused volume' : included ? 'enabled' : 'disabled by its options';
      return { id: key, name: volid, included: included ? 1 : 0, reason };
    }),
  }));
  return { children };
}

/** Jobs that are off protect nobody. */
function notBackedUp({ state }: Call): unknown {
  const jobs = jobsOf(state).filter((job) => job.enabled);
  const covered = new Set(
    jobs.flatMap((job) => {
      const here = selectedGuests(state, job.options);
      return here.filter((guest) => job.options.node === undefined || guest.node === job.options.node);
    }),
  );
  return [...state.guests.values()]
    .filter((guest) => !covered.has(guest))
    .map((guest) => ({ vmid: guest.vmid, type: guest.type, name: guestName(guest) }));
}

const options: Properties = {
  ...BACKUP_OPTIONS,
  ...booleans('enabled', 'repeat-missed'),
  ...texts('dow', 'schedule', 'starttime'),
  comment: { type: 'string', optional: 1, maxLength: 512 },
  node: optional(node),
};
const path = '/cluster/backup';
const audit = on('/', 'Sys.Audit');
const modify = on('/', 'Sys.Modify');
const id: Properties = { id: { type: 'string', maxLength: 50 } };

/** The schedule of backups, and who is in none. */
export const backupJobMethods: Method[] = [
  declare('GET', path, audit, {}, ({ state }) => jobsOf(state).map((job) => show(job, state.clock()))),
  declare('POST', path, modify, { ...options, id: optional(string) }, create),
  declare('GET', `${path}/{id}`, audit, id, (call) => show(requireJob(call), call.state.clock())),
  declare('PUT', `${path}/{id}`, modify, { ...options, ...id, delete: optional(string) }, update),
  declare('DELETE', `${path}/{id}`, modify, id, remove),
  declare('GET', `${path}/{id}/included_volumes`, audit, id, includedVolumes),
  served('GET', '/cluster/backup-info', () => index('subdir', ['not-backed-up'])),
  declare('GET', '/cluster/backup-info/not-backed-up', audit, {}, notBackedUp),
];
