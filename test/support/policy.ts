import { guestsOf, touchedGuests } from '../../src/access/policy/guests.ts';
import {
  type Asked,
  createPolicy,
  type Decision,
  type GuestFacts,
  type Policy,
} from '../../src/access/policy/policy.ts';
import { type Principal, parseScopes } from '../../src/access/principal.ts';
import { riskOfRequest } from '../../src/access/verification.ts';
import { loadBuiltInCatalogue } from '../../src/catalogue/builtin.ts';
import { parsePolicy } from '../../src/config/policy-file.ts';
import type { ConfigProblem } from '../../src/config/problems.ts';
import { parseApiPath } from '../../src/proxmox/api-path.ts';
import type { HttpMethod } from '../../src/proxmox/call.ts';

const CATALOGUE = loadBuiltInCatalogue();

/** A policy from what its file would hold; fails where that can't be used. */
export function policyOf(file: unknown): Policy {
  const problems: ConfigProblem[] = [];
  const parsed = parsePolicy(JSON.stringify(file), 'policy.json', problems);
  if (parsed === undefined) throw new Error(JSON.stringify(problems));
  return createPolicy(parsed);
}

export function somebody(subject: string, more: Partial<Principal> & { scope?: string } = {}): Principal {
  const { scope = 'proxmox:admin', ...rest } = more;
  return { id: subject, subject, groups: [], scopes: parseScopes(scope), credential: 'jwt:t', ...rest };
}

/** A guest as `web-1 tag,tag pool`. */
export function guest(vmid: number, name?: string, tags: readonly string[] = [], pool?: string): GuestFacts {
  return { vmid, tags, ...(name === undefined ? {} : { name }), ...(pool === undefined ? {} : { pool }) };
}

export interface Call {
  as?: Principal;
  data?: Record<string, unknown>;
  /** All guests there are. */
  guests?: readonly GuestFacts[];
  cluster?: string;
  more?: Partial<Asked>;
}

/** Asks as the gate does: normalised path, risks from the catalogue, facts of the guests that the call names. */
export function ask(policy: Policy, line: string, call: Call = {}): Decision {
  const [method, raw] = line.split(' ') as [HttpMethod, string];
  const { as = somebody('alice'), data = {}, guests = [], cluster = 'production', more } = call;
  const path = parseApiPath(raw);
  const { risks, reasons } = riskOfRequest(CATALOGUE, { method, path, data });
  return policy.decide({
    principal: as,
    tool: 'proxmox_api_call',
    method,
    path: path.toString(),
    risks,
    reasons,
    cluster,
    clusterReadOnly: false,
    serverReadOnly: false,
    requestReadOnly: false,
    parameters: data,
    guests: touchedGuests(guestsOf({ method, path: path.toString(), data }), (vmid) =>
      guests.find((one) => one.vmid === vmid),
    ),
    ...more,
  });
}
