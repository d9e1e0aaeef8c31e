import type { Risk } from '../catalogue/types.ts';
import type { Cluster } from '../clusters/cluster.ts';
import type { HttpMethod } from '../proxmox/call.ts';
import { CallError } from '../proxmox/errors.ts';
import { hasScope, type Principal, type Scope } from './principal.ts';

export interface Judged {
  principal: Principal;
  method: HttpMethod;
  /** Every risk of the call, by the catalogue; the caller needs the scope of each. */
  risks: readonly Risk[];
  /** Why it is so risky, in words. */
  reasons: readonly string[];
  cluster: Cluster;
  serverReadOnly: boolean;
}

/**
 * Lets a call through or throws. Read-only comes first, because no scope lifts it.
 *
 * @throws CallError POLICY_DENIED naming the setting or the missing scope.
 */
export function decide({ principal, method, risks, reasons, cluster, serverReadOnly }: Judged): void {
  if (method !== 'GET') {
    if (serverReadOnly) throw readOnly(cluster, 'this server runs with MCP_READ_ONLY');
    if (cluster.config.readOnly) throw readOnly(cluster, `the cluster is configured with "read_only"`);
  }
  const missing = risks.map(scopeOf).filter((scope) => !hasScope(principal, scope));
  if (missing.length > 0) throw lacking(missing, cluster.name, reasons);
}

/** @throws CallError POLICY_DENIED where the principal does not hold the scope. */
export function requireScope(principal: Principal, scope: Scope): void {
  if (!hasScope(principal, scope)) throw lacking([scope]);
}

function lacking(missing: readonly Scope[], cluster?: string, reasons: readonly string[] = []): CallError {
  const scopes = missing.join(' and ');
  const why = reasons.length === 0 ? '' : ` The call needs it because: ${reasons.join('; ')}.`;
  return new CallError('POLICY_DENIED', `This token does not hold ${scopes}; nothing was sent.${why}`, {
    ...(cluster === undefined ? {} : { cluster }),
    hint: `Ask the operator for a token with ${scopes}, or call it so that it does less; describe_api tells the risk.`,
  });
}

function scopeOf(risk: Risk): Scope {
  return `proxmox:${risk}`;
}

function readOnly(cluster: Cluster, reason: string): CallError {
  return new CallError('POLICY_DENIED', `Only GET is allowed: ${reason}; nothing was sent.`, {
    cluster: cluster.name,
    hint: 'Read instead, or ask the operator to lift the restriction.',
  });
}
