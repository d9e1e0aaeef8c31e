import type { Risk } from '../../catalogue/types.ts';
import type { Approval, PolicyFile } from '../../config/policy-schema.ts';
import type { HttpMethod } from '../../proxmox/call.ts';
import type { Principal } from '../principal.ts';
import { FilePolicy } from './file-policy.ts';
import type { TouchedGuests } from './guests.ts';
import { ScopePolicy } from './scope-policy.ts';

/** What the rules look at in a guest. */
export interface GuestFacts {
  vmid: number;
  name?: string;
  /** In lower case. */
  tags: readonly string[];
  pool?: string;
  /** Nobody could be asked, so only the VMID is certain: a rule that denies then holds, and one that allows does not. */
  unknown?: boolean;
}

/** A call as the gate is about to send it. */
export interface Asked {
  principal: Principal;
  tool: string;
  method: HttpMethod;
  /** Decoded and normalised, as `ApiPath` writes it. */
  path: string;
  /** Every risk of the call; each has to be granted. */
  risks: readonly Risk[];
  /** Why it is so risky, in words. */
  reasons: readonly string[];
  cluster: string;
  clusterReadOnly: boolean;
  serverReadOnly: boolean;
  requestReadOnly: boolean;
  /** The guest that the call is about; `guests` holds it too where the gate made that. */
  guest?: GuestFacts;
  /** Every guest that path and parameters name, from `touchedGuests`; without it the call is about `guest` alone. */
  guests?: TouchedGuests;
  /** Parameters as the caller wrote them; a tenant may call some methods only with certain ones. */
  parameters?: Readonly<Record<string, unknown>>;
  /** How many changes the tool is about to make at once. */
  bulk?: number;
}

export interface Decision {
  allowed: boolean;
  /** Which rule decided, such as `role "operator", grant 2`. */
  rule: string;
  reason: string;
  hint: string;
  approval: Approval;
  /** Whether a `person` may give the approval at the caller's own client; else it takes a credential for approving. */
  atClient: boolean;
  /** The guest is not one that the principal may know of: answer as for one that does not exist. */
  missing?: boolean;
  /** Rule by rule, in order; worked out when it is read. */
  readonly trace: readonly string[];
}

/** Pools and tags whose guests are all that a principal sees and touches. */
export interface Tenant {
  pools: readonly string[];
  /** In lower case. */
  tags: readonly string[];
  /** Whether it also sees nodes and storages. */
  infrastructure: boolean;
}

/** A tenant of the policy, as those may know it who may know of all. */
export interface NamedTenant extends Pick<Tenant, 'pools' | 'tags'> {
  /** What the operator calls it, or its pools and tags; whom the policy binds to it is told to nobody. */
  name: string;
}

/** A tool, as far as it decides who may use it. */
export interface UsableTool {
  name: string;
  readOnlyHint: boolean;
  /** The API methods it may call; empty for one that calls any. */
  calls?: readonly (readonly [method: HttpMethod, path: string, ...parameters: string[]])[];
}

export interface Limits {
  callsPerMinute?: number;
  bulk?: number;
}

/** Says who may do what. Pure: no I/O, no clock, and the same answer to the same question. */
export interface Policy {
  /** Another object once the answers are other ones; absent where that never happens to this policy. */
  readonly rules?: object;
  decide(asked: Asked): Decision;
  /** Whether names, tags or pools of guests matter for this principal: then the gate looks guests up before it asks. */
  needsGuest(principal: Principal): boolean;
  tenantOf(principal: Principal): Tenant | undefined;
  /** All tenants for an administrator that is bound to none, itself for a tenant; undefined for everybody else. */
  tenantsFor(principal: Principal): readonly NamedTenant[] | undefined;
  /** Whether nobody may destroy this guest through this server. */
  isProtected(guest: GuestFacts, cluster: string): boolean;
  /** Whether this principal could ever use a tool: one it can't use is not listed. */
  mayUse(principal: Principal, tool: UsableTool): boolean;
  limitsOf(principal: Principal): Limits;
  /** What holds for this principal, a line for each rule, for `policy show`. */
  describe(principal: Principal): readonly string[];
}

/** Without a file: what a token's scopes say, with the approvals that hold by default. */
export function defaultPolicy(): Policy {
  return new ScopePolicy();
}

/** The policy that a file describes; `defaultPolicy()` where there is none. */
export function createPolicy(file: PolicyFile | undefined): Policy {
  return file === undefined ? defaultPolicy() : new FilePolicy(file);
}
