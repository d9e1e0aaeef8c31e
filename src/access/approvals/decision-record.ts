import { randomUUID } from 'node:crypto';
import type { AuditLog } from '../../audit/audit-log.ts';
import type { Principal } from '../principal.ts';
import { AT_CLIENT, type Plan } from './plan.ts';

export interface Decided {
  /** Whose credential it was given with: an approver's, or that of the caller at whose client a person was asked. */
  principal: Principal;
  isAtClient: boolean;
  requestId: string;
  door: string;
  session?: string | undefined;
}

/**
 * Records who decided what on a plan, how, and why: with a credential for it, or as the person at the caller's client.
 * Never throws: the decision stands, and where nothing can be recorded no write leaves either.
 */
export async function recordDecision(
  audit: AuditLog,
  plan: Plan,
  { principal, isAtClient, requestId, door, session }: Decided,
): Promise<void> {
  const id = randomUUID();
  const { number, kind, cluster, tool, subject, calls, state, reason } = plan;
  const [call] = calls;
  const why = reason === undefined ? '' : `: ${reason}`;
  const begin = audit.begin({
    id,
    requestId,
    write: false,
    subject: principal.subject,
    ...(principal.client === undefined ? {} : { client: principal.client }),
    credential: principal.credential,
    ...(session === undefined ? {} : { session }),
    door,
    tool: 'approvals',
    cluster,
    selectedBy: 'plan',
    method: call?.method ?? '',
    path: call?.path ?? '',
    parameters: {
      plan: number,
      kind,
      tool,
      asked_by: subject,
      ...(calls.length > 1 ? { calls: calls.length } : {}),
    },
    risks: [],
    decision: state === 'denied' ? 'denied' : 'approved',
    rule: isAtClient ? 'elicitation' : 'proxmox:approve',
    approval: `plan ${number} by ${isAtClient ? AT_CLIENT : principal.subject}${why}`,
  });
  await begin.catch(() => undefined);
  await audit.end({ id, outcome: 'ok', durationMs: 0 });
}
