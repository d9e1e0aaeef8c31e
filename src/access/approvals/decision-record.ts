import { randomUUID } from 'node:crypto';
import type { AuditLog } from '../../audit/audit-log.ts';
import type { Principal } from '../principal.ts';
import type { Plan } from './plan.ts';

/**
 * Records who decided what on a plan, and why. Never throws: the decision stands, and where nothing can be recorded no
 * write leaves either.
 */
export async function recordDecision(
  audit: AuditLog,
  { number, cluster, calls, state, reason }: Plan,
  approver: Principal,
  requestId: string,
): Promise<void> {
  const id = randomUUID();
  const [call] = calls;
  const why = reason === undefined ? '' : `: ${reason}`;
  const begin = audit.begin({
    id,
    requestId,
    write: false,
    subject: approver.subject,
    ...(approver.client === undefined ? {} : { client: approver.client }),
    credential: approver.credential,
    door: 'http',
    tool: 'approvals',
    cluster,
    selectedBy: 'plan',
    method: call?.method ?? '',
    path: call?.path ?? '',
    parameters: {},
    risks: [],
    decision: state,
    rule: 'proxmox:approve',
    approval: `plan ${number} by ${approver.subject}${why}`,
  });
  await begin.catch(() => undefined);
  await audit.end({ id, outcome: 'ok', durationMs: 0 });
}
