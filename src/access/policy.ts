import type { Cluster } from '../clusters/cluster.ts';
import type { HttpMethod } from '../proxmox/call.ts';
import { CallError } from '../proxmox/errors.ts';
import { hasScope, type Principal, type Scope } from './principal.ts';

export interface Judged {
  principal: Principal;
  method: HttpMethod;
  cluster: Cluster;
  serverReadOnly: boolean;
}

/**
 * Lets a call through or throws. Read-only comes first, because no scope lifts it.
 *
 * @throws CallError POLICY_DENIED naming the setting or the missing scope.
 */
export function decide({ principal, method, cluster, serverReadOnly }: Judged): void {
  if (method !== 'GET') {
    if (serverReadOnly) throw readOnly(cluster, 'this server runs with MCP_READ_ONLY');
    if (cluster.config.readOnly) throw readOnly(cluster, `the cluster is configured with "read_only"`);
  }
  const needed: Scope = method === 'GET' ? 'proxmox:read' : 'proxmox:change';
  if (hasScope(principal, needed)) return;
  throw new CallError('POLICY_DENIED', `This token does not hold the scope ${needed}; nothing was sent.`, {
    cluster: cluster.name,
    hint: `Ask the operator for a token with ${needed}. A smaller request does not help.`,
  });
}

function readOnly(cluster: Cluster, reason: string): CallError {
  return new CallError('POLICY_DENIED', `Only GET is allowed: ${reason}; nothing was sent.`, {
    cluster: cluster.name,
    hint: 'Read instead, or ask the operator to lift the restriction.',
  });
}
