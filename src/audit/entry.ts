import { fragmentOf } from './chain.ts';
import { clipped, clippedParameters } from './clip.ts';

/** A call that is about to leave. */
export interface AuditBegin {
  /** Joins begin, end and task of one call. */
  id: string;
  /** Joins the calls of one tool call. */
  requestId: string;
  /** Whether it may change something: then its line is on disk before the call leaves. */
  write: boolean;
  subject: string;
  client?: string;
  credential: string;
  session?: string;
  door: string;
  tool: string;
  cluster: string;
  selectedBy: string;
  matched?: string;
  method: string;
  path: string;
  /** Redacted by the caller; what is too long, too deep or no plain data is clipped here. */
  parameters: Record<string, unknown>;
  risks: readonly string[];
  decision: string;
  rule: string;
  approval?: string;
}

/** What became of a call. */
export interface AuditEnd {
  id: string;
  outcome: string;
  status?: number;
  endpoint?: string;
  upid?: string;
  taskStatus?: string;
  durationMs: number;
}

/** How the task that a call started ended, where that is known only after the call's own end. */
export interface AuditTask {
  /** Of the call that started it. */
  id: string;
  upid: string;
  taskStatus: string;
}

/** A begin as it stands in its line. */
export function beginFragment(entry: AuditBegin): string {
  const { parameters, requestId, selectedBy, risks, ...rest } = entry;
  return fragmentOf('begin', {
    ...texts(rest),
    request_id: clipped(requestId),
    selected_by: clipped(selectedBy),
    risks: clipped([...risks]),
    parameters: clippedParameters(parameters),
  });
}

export function endFragment({ taskStatus, durationMs, ...rest }: AuditEnd): string {
  return fragmentOf('end', {
    ...texts(rest),
    ...(taskStatus === undefined ? {} : { task_status: clipped(taskStatus) }),
    duration_ms: clipped(durationMs),
  });
}

export function taskFragment({ id, upid, taskStatus }: AuditTask): string {
  return fragmentOf('task', texts({ id, upid, task_status: taskStatus }));
}

function texts(fields: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, clipped(value)]));
}
