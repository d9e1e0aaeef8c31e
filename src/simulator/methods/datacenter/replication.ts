import { failure, forbidden, invalidParameters } from '../../errors.ts';
import { type ReplicationJob, runsOf } from '../../state/replication.ts';
import { digestOf, optionsOf, refuseStale, requireEntry } from '../../state/section.ts';
import { items, requireNode, served } from '../declare.ts';
import { type Call, Listing, type Method, number, optionalText, text } from '../method.ts';

function mayOn({ state, identity }: Call, guest: number, ...privileges: string[]): boolean {
  return state.access.has(identity, `/vms/${guest}`, ...privileges);
}

function requireJob(call: Call, ...privileges: string[]): ReplicationJob {
  const id = text(call, 'id');
  const job = requireEntry(call.state.datacenter.replication, id, `no such replication job '${id}'`);
  if (!mayOn(call, job.guest, ...privileges)) throw forbidden(`/vms/${job.guest}, ${privileges.join('|')}`);
  return job;
}

function row(call: Call, job: ReplicationJob): Record<string, unknown> {
  const { created: _created, requested: _requested, ...shown } = job;
  const source = call.state.guests.get(job.guest)?.node;
  return { schedule: '*/15', ...shown, ...(source === undefined ? {} : { source }) };
}

function list(call: Call): unknown {
  const jobs = Object.values(call.state.datacenter.replication);
  return jobs.filter(({ guest }) => mayOn(call, guest, 'VM.Audit')).map((job) => row(call, job));
}

function create(call: Call): null {
  const id = text(call, 'id');
  const [, guestId, jobnum] = /^(\d+)-(\d+)$/.exec(id) ?? [];
  if (guestId === undefined)
    throw invalidParameters({ id: `invalid format - invalid replication job id '${id}'\n` });
  const { state } = call;
  const { replication } = state.datacenter;
  const guest = state.guests.get(Number(guestId));
  if (!mayOn(call, Number(guestId), 'VM.Replicate')) throw forbidden(`/vms/${guestId}, VM.Replicate`);
  if (!guest) throw failure(`guest ID '${guestId}' does not exist`);
  const target = requireNode(state, text(call, 'target')).name;
  if (guest.node === target) throw failure(`source '${guest.node}' and target '${target}' must be different`);
  const jobs = Object.values(replication).filter((job) => job.guest === guest.vmid);
  if (replication[id]) throw failure(`replication job '${id}' already exists`);
  if (jobs.some((job) => job.target === target)) {
    throw failure(`guest '${guestId}' already replicates to '${target}'`);
  }
  replication[id] = {
    ...optionsOf(call.parameters, 'id', 'type', 'target'),
    ...{ id, guest: guest.vmid, jobnum: Number(jobnum), type: 'local', target },
    created: Math.floor(state.clock() / 1000),
  };
  return null;
}

function update(call: Call): null {
  const job = requireJob(call, 'VM.Replicate');
  refuseStale(call.parameters, row(call, job));
  for (const key of items(optionalText(call, 'delete'))) {
    if (key === 'comment' || key === 'rate' || key === 'schedule' || key === 'disable') delete job[key];
  }
  Object.assign(job, optionsOf(call.parameters, 'id'));
  return null;
}

/** Without `force` the job is only marked; the next run removes it and, unless `keep` is set, its copies. */
function remove(call: Call): null {
  const job = requireJob(call, 'VM.Replicate');
  delete call.state.datacenter.replication[job.id];
  return null;
}

function status(call: Call, job: ReplicationJob): Record<string, unknown> {
  const { last, next, duration } = runsOf(call.state, job);
  const reachable = call.state.nodes.find(({ name }) => name === job.target)?.online ?? false;
  const guest = call.state.guests.get(job.guest);
  const error = `command 'ssh root@${job.target}' failed: No route to host`;
  return {
    ...row(call, job),
    vmtype: guest?.type,
    last_sync: last,
    last_try: last,
    next_sync: next,
    duration,
    fail_count: reachable ? 0 : 1,
    ...(reachable ? {} : { error }),
  };
}

function onNode(call: Call): unknown {
  const guest = call.parameters.guest;
  return Object.values(call.state.datacenter.replication)
    .filter((job) => call.state.guests.get(job.guest)?.node === text(call, 'node'))
    .filter((job) => (guest === undefined || job.guest === guest) && mayOn(call, job.guest, 'VM.Audit'))
    .map((job) => status(call, job));
}

function runNow(call: Call): null {
  const job = requireJob(call, 'VM.Replicate');
  if (job.disable) throw failure(`replication job '${job.id}' is disabled`);
  job.requested = Math.floor(call.state.clock() / 1000);
  return null;
}

function log(call: Call): Listing {
  const job = requireJob(call, 'VM.Audit');
  const { last, duration } = runsOf(call.state, job);
  const at = new Date(last * 1000).toISOString();
  const lines =
    last === 0
      ? ['no content']
      : [
          `${at} ${job.id}: start replication job`,
          `${at} ${job.id}: incremental sync of guest ${job.guest} to ${job.target}`,
          `${at} ${job.id}: end replication job after ${duration.toFixed(1)} s`,
        ];
  const start = number(call, 'start');
  const rows = lines.map((line, position) => ({ n: position + 1, t: line }));
  return new Listing(rows.slice(start, start + number(call, 'limit', 50)), lines.length);
}

const one = '/cluster/replication/{id}';
const onHost = '/nodes/{node}/replication';

export const replicationMethods: Method[] = [
  served('GET', '/cluster/replication', list),
  served('POST', '/cluster/replication', create),
  served('GET', one, (call) => {
    const shown = row(call, requireJob(call, 'VM.Audit'));
    return { ...shown, digest: digestOf(shown) };
  }),
  served('PUT', one, update),
  served('DELETE', one, remove),
  served('GET', onHost, onNode),
  served('GET', `${onHost}/{id}/status`, (call) => status(call, requireJob(call, 'VM.Audit'))),
  served('GET', `${onHost}/{id}/log`, log),
  served('POST', `${onHost}/{id}/schedule_now`, runNow),
];
