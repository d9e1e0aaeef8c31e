import type { PolicyFile, PolicyLimits, PolicyPrincipal } from '../../config/policy-schema.ts';
import type { Principal } from '../principal.ts';
import type { NamedTenant, Tenant } from './policy.ts';
import { lowest, type Role, type Rule } from './rules.ts';

/** An entry of `principals`, with its roles. */
export interface Entry {
  /** `principals[0] (subject alice)` */
  label: string;
  match: PolicyPrincipal['match'];
  roles: readonly Role[];
  tenant: Tenant | undefined;
  limits: PolicyLimits;
  readOnly: boolean;
}

/** A rule as it holds for one principal. */
export interface BoundRule {
  rule: Rule;
  /** The entry's tenant: what it allows, it allows for these guests alone. */
  within: Tenant | undefined;
  entry: string;
}

/** All that a policy says of one principal. */
export interface Bound {
  entries: readonly Entry[];
  rules: readonly BoundRule[];
  /** Pools and tags of all its entries together; undefined only where no entry names any. */
  tenant: Tenant | undefined;
  limits: PolicyLimits;
  /** Which says that it only reads. */
  readOnly: string | undefined;
  /** Whether tools are of use to it, by their names; filled as it is asked. */
  usable: Map<string, boolean>;
}

export function entriesOf(file: PolicyFile, roles: ReadonlyMap<string, Role>): Entry[] {
  return file.principals.map((entry, index) => ({
    label: `principals[${index}] (${inWords(entry.match)})`,
    match: entry.match,
    roles: entry.roles.flatMap((name) => roles.get(name) ?? []),
    tenant: tenantOf(entry.tenant),
    limits: entry.limits ?? {},
    readOnly: entry.read_only === true,
  }));
}

/** Puts together what the entries that match a principal say. */
export function bind(file: PolicyFile, entries: readonly Entry[], principal: Principal): Bound {
  const matching = entries.filter((entry) => mismatchOf(entry, principal) === undefined);
  const tenants = matching.flatMap(({ tenant }) => tenant ?? []);
  const roles = matching.flatMap((entry) => entry.roles);
  return {
    entries: matching,
    rules: matching.flatMap(({ roles: ofEntry, tenant, label }) =>
      ofEntry.flatMap(({ rules }) => rules.map((rule) => ({ rule, within: tenant, entry: label }))),
    ),
    tenant: tenants.length === 0 ? undefined : together(tenants),
    limits: lowest([
      file.limits ?? {},
      ...matching.map(({ limits }) => limits),
      ...roles.map(({ limits }) => limits),
    ]),
    readOnly: readOnlyOf(file, matching),
    usable: new Map(),
  };
}

/** Why an entry is not about a principal; each key that it gives has to fit. */
export function mismatchOf({ match }: Entry, principal: Principal): string | undefined {
  const { subject, client, group, scope } = match;
  if (subject && !isOneOf(subject, [principal.subject]))
    return `the subject is ${JSON.stringify(principal.subject)}`;
  if (client && !isOneOf(client, principal.client === undefined ? [] : [principal.client])) {
    return principal.client === undefined
      ? 'the token names no client'
      : `the client is ${JSON.stringify(principal.client)}`;
  }
  if (group && !isOneOf(group, principal.groups))
    return `the groups are ${principal.groups.join(', ') || 'none'}`;
  if (scope && !isOneOf(scope, [...principal.scopes]))
    return `the scopes are ${[...principal.scopes].join(', ') || 'none'}`;
  return undefined;
}

function isOneOf(wanted: readonly string[], held: readonly string[]): boolean {
  return held.some((one) => wanted.some((name) => name === '*' || name === one));
}

function readOnlyOf(file: PolicyFile, entries: readonly Entry[]): string | undefined {
  if (file.read_only) return 'the policy says "read_only"';
  const entry = entries.find(({ readOnly }) => readOnly);
  if (entry) return `${entry.label} says "read_only"`;
  const role = entries.flatMap(({ roles }) => roles).find(({ readOnly }) => readOnly);
  return role && `the role "${role.name}" says "read_only"`;
}

function tenantOf(tenant: PolicyPrincipal['tenant']): Tenant | undefined {
  if (tenant === undefined) return undefined;
  const { pools = [], tags = [], infrastructure = false } = tenant;
  return { pools, tags: tags.map((tag) => tag.toLowerCase()), infrastructure };
}

/** The bindings of a policy, each once: several entries may bind people of one team. */
export function namedTenants(file: PolicyFile, entries: readonly Entry[]): NamedTenant[] {
  const found = new Map<string, NamedTenant>();
  for (const [index, { tenant }] of entries.entries()) {
    if (tenant === undefined) continue;
    const [pools, tags] = [tenant.pools.toSorted(), tenant.tags.toSorted()];
    const binding = bindingInWords({ pools, tags });
    if (found.has(binding)) continue;
    found.set(binding, { name: file.principals[index]?.description ?? binding, pools, tags });
  }
  return [...found.values()];
}

/** `pools web, data; tags customer-a` */
export function bindingInWords({ pools, tags }: Pick<Tenant, 'pools' | 'tags'>): string {
  const parts = [
    ...(pools.length === 0 ? [] : [`pools ${pools.join(', ')}`]),
    ...(tags.length === 0 ? [] : [`tags ${tags.join(', ')}`]),
  ];
  return parts.join('; ');
}

function together(tenants: readonly Tenant[]): Tenant {
  return {
    pools: [...new Set(tenants.flatMap(({ pools }) => pools))],
    tags: [...new Set(tenants.flatMap(({ tags }) => tags))],
    infrastructure: tenants.some(({ infrastructure }) => infrastructure),
  };
}

function inWords(match: PolicyPrincipal['match']): string {
  return Object.entries(match)
    .map(([key, values]) => `${key} ${values?.join(' or ')}`)
    .join(', ');
}
