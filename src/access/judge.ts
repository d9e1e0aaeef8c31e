import type { Risk } from '../catalogue/types.ts';
import type { Cluster } from '../clusters/cluster.ts';
import type { HttpMethod } from '../proxmox/call.ts';
import { CallError } from '../proxmox/errors.ts';
import type { TouchedGuests } from './policy/guests.ts';
import type { Asked, Decision, Policy } from './policy/policy.ts';
import type { Principal } from './principal.ts';

/** Who asks, and through what. */
export interface Asking {
  principal: Principal;
  tool: string;
  /** The request came with X-MCP-Readonly. */
  readOnly?: boolean | undefined;
}

/** What is asked, as the gate knows it. */
export interface AskedCall {
  method: HttpMethod;
  /** Decoded and normalised. */
  path: string;
  risks: readonly Risk[];
  reasons: readonly string[];
  guests?: TouchedGuests;
  parameters?: Readonly<Record<string, unknown>> | undefined;
  /** How many guests the calls that belong together change. */
  bulk?: number | undefined;
}

/** The policy's decision on a call to a cluster. */
export function judge(
  policy: Policy,
  { principal, tool, readOnly = false }: Asking,
  cluster: Cluster,
  serverReadOnly: boolean,
  { method, path, risks, reasons, guests, parameters, bulk }: AskedCall,
): Decision {
  const asked: Asked = {
    method,
    path,
    risks,
    reasons,
    principal,
    tool,
    cluster: cluster.name,
    clusterReadOnly: cluster.config.readOnly,
    serverReadOnly,
    requestReadOnly: readOnly,
  };
  if (guests !== undefined) asked.guests = guests;
  if (parameters !== undefined) asked.parameters = parameters;
  if (bulk !== undefined) asked.bulk = bulk;
  return policy.decide(asked);
}

/** What the service asks on behalf of a caller, for whom it is judged as the same read of its own would be. */
export const SERVICE_READS = {
  version: '/version',
  status: '/cluster/status',
  resources: '/cluster/resources',
  permissions: '/access/permissions',
};

/** What a read is judged by: the policy in force, and MCP_READ_ONLY. */
export interface Rules {
  readonly policy: Policy;
  readonly readOnly: boolean;
}

export function judgeRead(
  { policy, readOnly }: Rules,
  asking: Asking,
  cluster: Cluster,
  path: string,
): Decision {
  const asked = { method: 'GET', path, risks: ['read'], reasons: [] } as const;
  return judge(policy, asking, cluster, readOnly, asked);
}

/** @throws CallError POLICY_DENIED */
export function requireRead(rules: Rules, asking: Asking, cluster: Cluster, path: string): Decision {
  const decision = judgeRead(rules, asking, cluster, path);
  if (!decision.allowed) throw refusal(decision, cluster.name);
  return decision;
}

/** A refusal as the caller reads it. What it may not know of looks as if it were not there. */
export function refusal({ missing, reason, hint }: Decision, cluster: string): CallError {
  return missing
    ? new CallError('NOT_FOUND', `${reason}.`, { cluster, hint })
    : new CallError('POLICY_DENIED', `${reason.replace(/\.$/, '')}; nothing was sent.`, { cluster, hint });
}
