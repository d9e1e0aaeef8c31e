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

/** A begin as it stands in its line. Written out, as each read has one: to walk over its members takes twice the time. */
export function beginFragment(entry: AuditBegin): string {
  return fragmentOf('begin', {
    id: clipped(entry.id),
    method: clipped(entry.method),
    path: clipped(entry.path),
    write: entry.write,
    subject: clipped(entry.subject),
    client: clipped(entry.client),
    credential: clipped(entry.credential),
    session: clipped(entry.session),
    door: clipped(entry.door),
    tool: clipped(entry.tool),
    cluster: clipped(entry.cluster),
    selected_by: clipped(entry.selectedBy),
    matched: clipped(entry.matched),
    decision: clipped(entry.decision),
    rule: clipped(entry.rule),
    approval: clipped(entry.approval),
    request_id: clipped(entry.requestId),
    risks: clipped(entry.risks),
    parameters: clippedParameters(entry.parameters),
  });
}

export function endFragment(entry: AuditEnd): string {
  return fragmentOf('end', {
    id: clipped(entry.id),
    outcome: clipped(entry.outcome),
    status: clipped(entry.status),
    endpoint: clipped(entry.endpoint),
    upid: clipped(entry.upid),
    task_status: clipped(entry.taskStatus),
    duration_ms: clipped(entry.durationMs),
  });
}

export function taskFragment({ id, upid, taskStatus }: AuditTask): string {
  return fragmentOf('task', { id: clipped(id), upid: clipped(upid), task_status: clipped(taskStatus) });
}
