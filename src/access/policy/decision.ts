import { APPROVALS, type Approval } from '../../config/policy-schema.ts';
import { hasScope, type Scope } from '../principal.ts';
import type { Asked, Decision } from './policy.ts';

/** What a policy that has no file says, and one whose file does not say otherwise. */
export const DEFAULT_APPROVALS = {
  read: 'none',
  change: 'none',
  secret: 'none',
  destroy: 'person',
  execute: 'person',
  bulk: 'self',
} as const satisfies Record<string, Approval>;

/** Why a call does not pass, and which rule says so. */
export interface Denial {
  rule: string;
  reason: string;
  hint: string;
  missing?: boolean;
}

/** Takes a line of the trace, which is written only where somebody reads it. */
export type Note = (line: () => string) => void;

export function strictest(approvals: readonly Approval[]): Approval {
  return APPROVALS.findLast((approval) => approvals.includes(approval)) ?? 'none';
}

/** Read-only may be said in several places, and each only tightens. */
export function readOnlyDenial(asked: Asked, ofPolicy: string | undefined, note?: Note): Denial | undefined {
  const { method, cluster, serverReadOnly, clusterReadOnly, requestReadOnly } = asked;
  const said = [
    serverReadOnly ? 'this server runs with MCP_READ_ONLY' : undefined,
    clusterReadOnly ? `the cluster ${cluster} is configured with "read_only"` : undefined,
    requestReadOnly ? 'the request came with X-MCP-Readonly' : undefined,
    ofPolicy,
  ].find((reason) => reason !== undefined);
  note?.(() => `read-only: ${said ?? 'no'}${said !== undefined && method === 'GET' ? '; a GET passes' : ''}`);
  if (said === undefined || method === 'GET') return undefined;
  return {
    rule: 'read-only',
    reason: `Only GET is allowed: ${said}`,
    hint: 'Read instead, or ask the operator to lift the restriction.',
  };
}

/** What the token holds is the most that a policy can grant. */
export function scopeDenial({ principal, risks, reasons }: Asked, note?: Note): Denial | undefined {
  const missing = risks
    .map((risk): Scope => `proxmox:${risk}`)
    .filter((scope) => !hasScope(principal, scope));
  note?.(() => {
    const held = [...principal.scopes].join(' ') || 'no scope';
    return `scopes: the token holds ${held}; ${missing.length === 0 ? 'enough' : `${missing.join(' and ')} is missing`}`;
  });
  // A call without a risk is none that anybody has judged.
  if (missing.length === 0 && risks.length > 0) return undefined;
  const scopes = missing.join(' and ') || 'a scope for it';
  const why = reasons.length === 0 ? '' : `. The call needs it because: ${reasons.join('; ')}`;
  return {
    rule: 'scopes of the token',
    reason: `This token does not hold ${scopes}${why}`,
    hint: `Ask the operator for a token with ${scopes}, or call it so that it does less; describe_api tells the risk.`,
  };
}

/** How many changes a call is; one that acts on guests it does not name counts as without end. */
export function bulkOf({ bulk, guests, method }: Asked): number {
  if (method === 'GET') return bulk ?? 1;
  if (guests?.unnamed !== undefined) return Number.POSITIVE_INFINITY;
  return Math.max(bulk ?? 1, guests?.listed ?? 1);
}

/** @param explain writes the trace; called only when it is read */
export function decisionOf(
  outcome: Denial | { rule: string; approval: Approval; atClient: boolean },
  explain: () => readonly string[],
): Decision {
  return 'reason' in outcome
    ? new Decided({ allowed: false, approval: 'none', atClient: false, ...outcome }, explain)
    : new Decided({ allowed: true, reason: `Allowed by ${outcome.rule}`, hint: '', ...outcome }, explain);
}

/** A decision is made for each cluster of each call: one shape, and the trace only where it is read. */
class Decided implements Decision {
  readonly allowed: boolean;
  readonly rule: string;
  readonly reason: string;
  readonly hint: string;
  readonly approval: Approval;
  readonly atClient: boolean;
  readonly missing?: boolean;
  readonly #explain: () => readonly string[];
  #trace: readonly string[] | undefined;

  constructor(made: Omit<Decision, 'trace'>, explain: () => readonly string[]) {
    this.allowed = made.allowed;
    this.rule = made.rule;
    this.reason = made.reason;
    this.hint = made.hint;
    this.approval = made.approval;
    this.atClient = made.atClient;
    if (made.missing !== undefined) this.missing = made.missing;
    this.#explain = explain;
  }

  get trace(): readonly string[] {
    this.#trace ??= this.#explain();
    return this.#trace;
  }
}
