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
  const fields = texts(rest);
  fields.request_id = clipped(requestId);
  fields.selected_by = clipped(selectedBy);
  fields.risks = clipped(risks);
  fields.parameters = clippedParameters(parameters);
  return fragmentOf('begin', fields);
}

export function endFragment({ taskStatus, durationMs, ...rest }: AuditEnd): string {
  const fields = texts(rest);
  if (taskStatus !== undefined) fields.task_status = clipped(taskStatus);
  fields.duration_ms = clipped(durationMs);
  return fragmentOf('end', fields);
}

export function taskFragment({ id, upid, taskStatus }: AuditTask): string {
  return fragmentOf('task', texts({ id, upid, task_status: taskStatus }));
}

/** Of our own members, whose names are those of the types above. */
function texts(fields: object): Record<string, unknown> {
  const clippedFields: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields)) clippedFields[name] = clipped(value);
  return clippedFields;
}
