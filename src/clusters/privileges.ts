import { type EffectivePermissions, holds, type PrivilegeNeed } from '../catalogue/permissions.ts';
import type { ClusterConfig, ClusterCredentials } from '../config/config.ts';
import { fittingRole } from '../proxmox/privileges.ts';

interface Need {
  privilege: string;
  /** Where it has to be held to count for everything of its kind. */
  path: string;
  purpose: string;
  /** Only asked for where the service may change things. */
  writes?: boolean;
}

const NEEDS: readonly Need[] = [
  { privilege: 'Sys.Audit', path: '/nodes', purpose: 'the state of nodes, and everybody’s tasks' },
  { privilege: 'VM.Audit', path: '/vms', purpose: 'virtual machines and containers' },
  { privilege: 'Datastore.Audit', path: '/storage', purpose: 'storages and what is on them' },
  {
    privilege: 'VM.PowerMgmt',
    path: '/vms',
    purpose: 'starting, stopping and rebooting guests',
    writes: true,
  },
];

export interface PrivilegeReport {
  /** Privileges held for everything of their kind. */
  held: string[];
  /** Privileges held below some paths only: a token made for a part of the cluster. */
  partial: { privilege: string; paths: string[] }[];
  /** Privileges held nowhere; `problems` says what comes of it. */
  missing: string[];
  problems: Problem[];
}

export interface Problem {
  message: string;
  fix: string;
}

/**
 * Compares what a cluster lets these credentials do with what the service is for.
 *
 * @param readOnly the service will not change anything here, so privileges for that are not missed
 */
export function judgePrivileges(
  permissions: EffectivePermissions,
  { credentials }: Pick<ClusterConfig, 'credentials'>,
  readOnly: boolean,
): PrivilegeReport {
  const needs = NEEDS.filter(({ writes }) => !(writes && readOnly));
  if (Object.values(permissions).every((privileges) => Object.keys(privileges).length === 0)) {
    const missing = needs.map(({ privilege }) => privilege);
    return { held: [], partial: [], missing, problems: [nothingAtAll(credentials)] };
  }
  const report: PrivilegeReport = { held: [], partial: [], missing: [], problems: [] };
  for (const need of needs) {
    const paths = pathsBelow(permissions, need);
    if (permissions[need.path]?.[need.privilege] !== undefined) report.held.push(need.privilege);
    else if (paths.length > 0) report.partial.push({ privilege: need.privilege, paths });
    else {
      report.missing.push(need.privilege);
      report.problems.push(missing(need, credentials));
    }
  }
  return report;
}

/** A role of one's own, where the built-in ones that hold a privilege hold every other one too. */
const OWN_ROLE = 'GuestArrival';

/**
 * What of some privileges is not held, one problem for each path.
 *
 * @param needs each with the path that it has to be held on
 */
export function lackedPrivileges(
  permissions: EffectivePermissions,
  { credentials }: Pick<ClusterConfig, 'credentials'>,
  needs: readonly PrivilegeNeed[],
): Problem[] {
  const lacked = new Map<string, Set<string>>();
  for (const { path, privileges, any } of needs) {
    const missed = any ? [privileges] : privileges.map((privilege) => [privilege]);
    for (const options of missed) {
      const [first] = options;
      if (first === undefined || holds({ path, privileges: options, any: true }, permissions)) continue;
      lacked.set(path, (lacked.get(path) ?? new Set()).add(first));
    }
  }
  return [...lacked].map(([path, privileges]) => lackedAt(path, [...privileges], credentials));
}

function lackedAt(path: string, privileges: readonly string[], credentials: ClusterCredentials): Problem {
  const isOwn = (privilege: string): boolean => fittingRole(privilege) === 'Administrator';
  const own = privileges.filter(isOwn);
  const roles = new Set(
    privileges.map((privilege) => (isOwn(privilege) ? OWN_ROLE : fittingRole(privilege))),
  );
  const made = own.length === 0 ? [] : [`pveum role add ${OWN_ROLE} --privs '${own.join(',')}'`];
  const granted = [...roles].map((role) => grant(role, credentials, path));
  return {
    message: `${nameOf(credentials)} lacks ${privileges.join(', ')} on ${path}.`,
    fix: `On a node: ${[...made, ...granted].join('; ')}`,
  };
}

/** Guests and storages may also be granted one by one or through a pool. */
function pathsBelow(permissions: EffectivePermissions, { privilege, path }: Need): string[] {
  const roots = path === '/nodes' ? [path] : [path, '/pool'];
  return Object.entries(permissions)
    .filter(([granted, privileges]) => {
      return roots.some((root) => granted.startsWith(`${root}/`)) && privileges[privilege] !== undefined;
    })
    .map(([granted]) => granted);
}

function nothingAtAll(credentials: ClusterCredentials): Problem {
  return {
    message: `${nameOf(credentials)} has no privileges at all, so Proxmox VE shows it empty lists.`,
    fix: `On a node: ${grant('PVEAuditor', credentials)}`,
  };
}

function missing({ privilege, purpose, writes }: Need, credentials: ClusterCredentials): Problem {
  const orElse = writes ? ', or set "read_only": true for this cluster if it is only to be looked at' : '';
  const verb = writes ? 'is needed for' : 'is needed to see';
  return {
    message: `${nameOf(credentials)} lacks ${privilege}, which ${verb} ${purpose}.`,
    fix: `On a node: ${grant(fittingRole(privilege), credentials)}${orElse}`,
  };
}

/** A token with privilege separation has only what its user has too (facts: API token privileges). */
function grant(role: string, credentials: ClusterCredentials, path = '/'): string {
  const at = /^[\w/.-]+$/.test(path) ? path : `'${path.replaceAll("'", '')}'`;
  const user = `pveum acl modify ${at} --users '${credentials.user}' --roles ${role}`;
  if (credentials.kind === 'password') return user;
  const token = `pveum acl modify ${at} --tokens '${nameOf(credentials)}' --roles ${role}`;
  return `${token} — and where the user lacks it too: ${user}`;
}

/** How the service is known to the cluster: `user@realm!token`, or `user@realm`. */
export function nameOf(credentials: ClusterCredentials): string {
  return credentials.kind === 'token' ? `${credentials.user}!${credentials.tokenId}` : credentials.user;
}
