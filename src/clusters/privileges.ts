import type { EffectivePermissions } from '../catalogue/permissions.ts';
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
function grant(role: string, credentials: ClusterCredentials): string {
  const user = `pveum acl modify / --users '${credentials.user}' --roles ${role}`;
  if (credentials.kind === 'password') return user;
  const token = `pveum acl modify / --tokens '${nameOf(credentials)}' --roles ${role}`;
  return `${token} — and where the user lacks it too: ${user}`;
}

/** How the service is known to the cluster: `user@realm!token`, or `user@realm`. */
export function nameOf(credentials: ClusterCredentials): string {
  return credentials.kind === 'token' ? `${credentials.user}!${credentials.tokenId}` : credentials.user;
}
