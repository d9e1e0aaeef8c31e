import { isObject } from '../../catalogue/json.ts';
import { isUpid } from '../../proxmox/upid.ts';
import { guestInPath } from '../guest-path.ts';
import { taskVmid } from '../policy/guests.ts';
import type { Principal } from '../principal.ts';

export const JOB_STATES = ['running', 'ok', 'warnings', 'failed', 'unknown'] as const;
/** `unknown`: the cluster can't say any more how it ended. */
export type JobState = (typeof JOB_STATES)[number];

/** A task that this service started for somebody. No parameters: these may hold secrets. */
export interface StartedJob {
  cluster: string;
  upid: string;
  principalId: string;
  subject: string;
  tool: string;
  requestId: string;
  /** Of the call in the audit record. */
  auditId: string;
  method: string;
  path: string;
  /** VMID that the path names, or else the task itself. */
  guest?: number;
  /** When the write left; epoch milliseconds. */
  startedAt: number;
}

/** What a job is known by: a UPID is unlike every other of its cluster alone. */
export type JobKey = Pick<StartedJob, 'cluster' | 'upid'>;

/** The same as one text. */
export function nameOf({ cluster, upid }: JobKey): string {
  return `${cluster} ${upid}`;
}

export interface Job extends StartedJob {
  state: JobState;
  /** What Proxmox said at the end, or why it can't be known: a text of others. */
  exitStatus?: string;
  /** When this service came to know of the end, which may be later than the end; epoch milliseconds. */
  endSeenAt?: number;
}

/** The call that a job came from. */
interface Call {
  cluster: string;
  requestId: string;
  tool: string;
  method: string;
  path: string;
}

/** No answer of Proxmox holds as many. */
const MOST_AT_ONCE = 500;
/** A path of the API is shorter; what is longer is kept in the audit record. */
const MOST_PATH = 512;

/**
 * The tasks that the answer to a write tells of; none where the write was done at once, or was a read.
 *
 * @param entry of the call in the record
 */
export function startedJobs(
  call: Call,
  { id: principalId, subject }: Principal,
  { id: auditId, startedAt }: { id: string; startedAt: number },
  data: unknown,
): StartedJob[] {
  if (call.method === 'GET') return [];
  const { cluster, requestId, tool, method } = call;
  const path = call.path.slice(0, MOST_PATH);
  const known = { cluster, principalId, subject, tool, requestId, auditId, method, path, startedAt };
  return upidsIn(data).map((upid) => {
    const guest = guestInPath(call.path) ?? taskVmid(upid);
    return { ...known, upid, ...(guest === undefined ? {} : { guest }) };
  });
}

/** Most writes answer one UPID as a text; consoles have it among other fields, and bulk calls may answer a list. */
export function upidsIn(data: unknown): string[] {
  const found = Array.isArray(data) ? data.flatMap(upidOf) : upidOf(data);
  return [...new Set(found)].slice(0, MOST_AT_ONCE);
}

function upidOf(value: unknown): string[] {
  const text = isObject(value) ? value.upid : value;
  return typeof text === 'string' && isUpid(text) ? [text] : [];
}
