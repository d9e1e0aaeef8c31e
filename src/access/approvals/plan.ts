import { createHash } from 'node:crypto';
import type { HttpMethod, Parameters } from '../../proxmox/call.ts';
import { CallError, type ErrorBody } from '../../proxmox/errors.ts';
import { guestPathOf } from '../guest-path.ts';

/** Whose approval a call needs: the caller's own second call, a person's, or another principal's. */
export type ApprovalKind = 'self' | 'person' | 'second';

/** A call as people are shown it; secret values are redacted before it comes here. */
export interface PlannedCall {
  method: HttpMethod;
  /** Decoded, as a person writes it. */
  path: string;
  parameters: Readonly<Record<string, unknown>>;
}

export interface PlannedGuest {
  type: 'qemu' | 'lxc';
  vmid: number;
  /** Absent where no such guest was found. */
  node?: string;
  name?: string;
  status?: string;
  template?: boolean;
  /** Its configuration says `protection`: Proxmox itself refuses to destroy it. */
  protected?: boolean;
  pool?: string;
  tags?: readonly string[];
  snapshots?: readonly string[];
  /** ISO time; absent where none was found. */
  last_backup_at?: string;
}

/** What a person has to know before saying yes. Names in it are untrusted, and cleaned where they are shown. */
export interface PlanFacts {
  /** The first ones where a bulk has many. */
  guests: readonly PlannedGuest[];
  lost: readonly string[];
  dependents: readonly string[];
  /** In words, with its age; absent where the calls are about no guest. */
  last_backup?: string;
  undo: string;
  /** What could not be found out, and what to beware of. */
  warnings: readonly string[];
}

export type PlanState = 'pending' | 'approved' | 'denied' | 'used' | 'expired';

/** How whoever was asked through the caller's client is named: nobody knows more of them. */
export const AT_CLIENT = 'the person at the client';

/** A plan as it is kept. The handle is not among it: only its hash is stored. */
export interface Plan {
  /** For people to name it by; never given twice, no secret. */
  number: number;
  kind: ApprovalKind;
  tool: string;
  cluster: string;
  /** Who asks. */
  principalId: string;
  subject: string;
  client?: string;
  calls: readonly PlannedCall[];
  facts: PlanFacts;
  /** Epoch milliseconds. */
  createdAt: number;
  expiresAt: number;
  state: PlanState;
  /** The subject of who decided. */
  approver?: string;
  reason?: string;
}

/** A call exactly as it will be sent. */
interface ExactCall {
  method: HttpMethod;
  /** Percent-encoded, as it goes over the wire. */
  path: string;
  parameters: Parameters;
}

/**
 * The digest of exact calls, in their order: an approval holds for these alone. Proxmox reads all parameters as text,
 * so `1` and `"1"` are the same call; the kinds of values are kept apart all the same, because an equal digest has to
 * mean an equal request.
 */
export function bindingOf(cluster: string, calls: readonly ExactCall[]): string {
  const exact = calls.map(({ method, path, parameters }) => [method, path, sorted(parameters)]);
  return createHash('sha256')
    .update(JSON.stringify(['v1', cluster, exact]))
    .digest('hex');
}

/**
 * What a call does to what, without the ways there are to spell it: its parameters, the node that a guest is addressed
 * through and the guest's type are left out. A person's no holds for all of it.
 *
 * @param path decoded
 */
export function aboutOf(method: HttpMethod, path: string): string {
  const guest = guestPathOf(path);
  if (guest === undefined) return `${method} ${path}`;
  const { vmid, rest } = guest;
  // Both write a configuration.
  const verb = method === 'POST' && rest === '/config' ? 'PUT' : method;
  return `${verb} guest ${vmid}${rest}`;
}

function sorted(parameters: Parameters): [string, unknown][] {
  return Object.entries(parameters).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
}

/** The plan as an error of a tool carries it: for the model, and through it for the user. */
export interface ShownPlan {
  number: number;
  approval: ApprovalKind;
  /** Only where the caller applies the plan itself by repeating the call with it. */
  handle?: string;
  expires_at: string;
  calls: readonly PlannedCall[];
  guests: readonly PlannedGuest[];
  lost: readonly string[];
  dependents: readonly string[];
  last_backup?: string;
  undo: string;
  warnings: readonly string[];
}

/** APPROVAL_REQUIRED, with the plan beside code, message and hint. */
export class ApprovalRequiredError extends CallError {
  readonly plan: ShownPlan;

  constructor(message: string, details: { hint: string; cluster: string; plan: ShownPlan }) {
    super('APPROVAL_REQUIRED', message, { hint: details.hint, cluster: details.cluster });
    this.plan = details.plan;
  }

  override toBody(): ErrorBody & { plan: ShownPlan } {
    return { ...super.toBody(), plan: this.plan };
  }
}

/** POLICY_DENIED by a person, with who it was, for the audit. */
export class DeclinedError extends CallError {
  readonly number: number;
  readonly by: string;

  constructor(message: string, details: { hint: string; cluster: string; number: number; by: string }) {
    super('POLICY_DENIED', message, { hint: details.hint, cluster: details.cluster });
    this.number = details.number;
    this.by = details.by;
  }
}
