import { forbidden, invalidParameters } from '../errors.ts';
import type { Task } from '../state/tasks.ts';
import { parseUpid } from '../state/upid.ts';
import {
  boolean,
  type Call,
  flag,
  integer,
  Listing,
  type Method,
  node,
  number,
  optional,
  optionalText,
  string,
  text,
  vmid,
} from './method.ts';

/** A token owns its own tasks; a user owns theirs and those of all their tokens. */
function owns({ identity }: Call, task: Task): boolean {
  return (
    task.owner === identity.id || (identity.token === undefined && task.owner.startsWith(`${identity.id}!`))
  );
}

function mayOn(call: Call, task: Task, privilege: string): boolean {
  return owns(call, task) || call.state.access.has(call.identity, `/nodes/${task.node}`, privilege);
}

export function visibleTasks(call: Call): Task[] {
  return call.state.tasks.list().filter((task) => mayOn(call, task, 'Sys.Audit'));
}

function splitOwner({ owner }: Task): { user: string; tokenid?: string } {
  const [user = '', tokenid] = owner.split('!');
  return { user, ...(tokenid === undefined ? {} : { tokenid }) };
}

export function taskRow(task: Task): Record<string, unknown> {
  const { upid, node: host, pid, pstart, starttime, type, id, endtime, exitstatus } = task;
  const ended = endtime === undefined ? {} : { endtime, status: exitstatus };
  return { upid, node: host, pid, pstart, starttime, type, id, ...splitOwner(task), ...ended };
}

function statusType({ exitstatus = '' }: Task): string {
  if (exitstatus === 'OK') return 'ok';
  if (exitstatus.startsWith('WARNINGS')) return 'warning';
  return exitstatus === 'unexpected status' ? 'unknown' : 'error';
}

function list(call: Call): Listing {
  const source = optionalText(call, 'source') ?? 'archive';
  const { since, until, vmid: guest } = call.parameters;
  const type = optionalText(call, 'typefilter');
  const user = optionalText(call, 'userfilter');
  const statuses = optionalText(call, 'statusfilter')?.split(/[,; ]+/);
  const rows = visibleTasks(call).filter((task) => {
    const running = task.endtime === undefined;
    if (task.node !== text(call, 'node')) return false;
    if (source === 'archive' ? running : source === 'active' && !running) return false;
    if (type !== undefined && task.type !== type) return false;
    if (user !== undefined && !task.owner.includes(user)) return false;
    if (guest !== undefined && task.id !== String(guest)) return false;
    if (since !== undefined && task.starttime < Number(since)) return false;
    if (until !== undefined && task.starttime > Number(until)) return false;
    if (flag(call, 'errors') && (running || statusType(task) === 'ok')) return false;
    return !statuses || running || statuses.includes(statusType(task));
  });
  const start = number(call, 'start');
  const limit = number(call, 'limit', 50);
  const page = rows.slice(start, limit === 0 ? undefined : start + limit);
  return new Listing(
    page.map((task) => ({ status: 'RUNNING', ...taskRow(task) })),
    rows.length,
  );
}

function requireTask(call: Call): Task {
  const upid = text(call, 'upid');
  if (!parseUpid(upid)) throw invalidParameters({ upid: 'unable to parse worker upid' });
  const task = call.state.tasks.find(text(call, 'node'), upid);
  if (!task) throw invalidParameters({ upid: 'no such task' });
  return task;
}

function permittedTask(call: Call, privilege: string): Task {
  const task = requireTask(call);
  if (!mayOn(call, task, privilege)) throw forbidden(`/nodes/${task.node}, ${privilege}`);
  return task;
}

function status(call: Call): unknown {
  const task = permittedTask(call, 'Sys.Audit');
  const { upid, node: host, pid, pstart, starttime, type, id, exitstatus } = task;
  const ended = exitstatus === undefined ? { status: 'running' } : { status: 'stopped', exitstatus };
  return { upid, node: host, pid, pstart, starttime, type, id, ...splitOwner(task), ...ended };
}

function log(call: Call): Listing {
  const lines = permittedTask(call, 'Sys.Audit').log;
  if (lines.length === 0) return new Listing([{ n: 1, t: 'no content' }], 1);
  const start = number(call, 'start');
  const limit = number(call, 'limit', 50);
  const rows = lines.map((line, position) => ({ n: position + 1, t: line }));
  return new Listing(rows.slice(start, limit === 0 ? undefined : start + limit), lines.length);
}

function stop(call: Call): null {
  call.state.tasks.stop(permittedTask(call, 'Sys.Modify'));
  return null;
}

const path = '/nodes/{node}/tasks/{upid}';
const page = { start: integer(0), limit: integer(0) };

export const taskMethods: Method[] = [
  {
    method: 'GET',
    path: '/nodes/{node}/tasks',
    properties: {
      node,
      ...page,
      source: { type: 'string', enum: ['archive', 'active', 'all'], optional: 1 },
      vmid: optional(vmid),
      typefilter: optional(string),
      statusfilter: optional(string),
      userfilter: optional(string),
      errors: boolean,
      since: integer(),
      until: integer(),
    },
    permissions: { user: 'all' },
    handler: list,
  },
  {
    method: 'GET',
    path: `${path}/status`,
    properties: { node, upid: string },
    permissions: { user: 'all' },
    handler: status,
  },
  {
    method: 'GET',
    path: `${path}/log`,
    properties: { node, upid: string, ...page, download: boolean },
    permissions: { user: 'all' },
    handler: log,
  },
  { method: 'DELETE', path, properties: { node, upid: string }, permissions: { user: 'all' }, handler: stop },
];
