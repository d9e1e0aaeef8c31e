import { didYouMean } from './nearest.ts';
import type { PolicyProblem } from './policy-file.ts';
import { READY_MADE_ROLES } from './policy-roles.ts';
import type { PolicyFile, PolicyGrant } from './policy-schema.ts';
import { parseVmids } from './vmids.ts';

type Path = readonly (string | number)[];

const SCOPES = ['read', 'change', 'destroy', 'execute', 'secret', 'admin', 'approve'].map(
  (name) => `proxmox:${name}`,
);

/** Checks what the form of a policy does not tell: that roles exist and end, that paths and VMIDs can be read. */
export function checkPolicy(policy: PolicyFile, problem: PolicyProblem): void {
  const own = Object.entries(policy.roles ?? {});
  const names = [...Object.keys(READY_MADE_ROLES), ...own.map(([name]) => name)];
  const known = (wanted: readonly string[], at: Path) => {
    for (const name of wanted) {
      if (names.includes(name)) continue;
      problem(at, `names the role ${JSON.stringify(name)}, which does not exist.${didYouMean(name, names)}`);
    }
  };
  for (const [name, role] of own) {
    const at = ['roles', name];
    if (Object.hasOwn(READY_MADE_ROLES, name))
      problem(at, 'is a ready-made role: give yours another name, and extend it');
    known(role.extends ?? [], [...at, 'extends']);
    for (const [index, grant] of (role.grants ?? []).entries())
      checkGrant(grant, [...at, 'grants', index], problem);
  }
  for (const name of circular(policy))
    problem(['roles', name, 'extends'], 'extends itself, by way of the roles it extends');
  for (const [index, entry] of policy.principals.entries()) {
    known(entry.roles, ['principals', index, 'roles']);
    checkMatch(entry.match, ['principals', index, 'match'], problem);
  }
  for (const [cluster, vmids] of Object.entries(policy.protected?.vmids ?? {})) {
    checkVmids(vmids, ['protected', 'vmids', cluster], problem);
  }
}

function checkGrant(grant: PolicyGrant, at: Path, problem: PolicyProblem): void {
  for (const path of grant.paths ?? []) {
    const wrong = pathProblem(path);
    if (wrong !== undefined) problem([...at, 'paths'], `${JSON.stringify(path)} ${wrong}`);
  }
  if (grant.guests?.vmids !== undefined) checkVmids(grant.guests.vmids, [...at, 'guests', 'vmids'], problem);
}

/** A pattern that can match nothing is a rule that its writer believes in, and that does not hold. */
function pathProblem(pattern: string): string | undefined {
  if (!pattern.startsWith('/')) return 'must begin with "/"';
  if (/^\/api2\//.test(pattern)) return 'must not begin with /api2/json: paths begin behind it';
  if (/[%?#\\{}\s]/.test(pattern)) {
    return 'holds a character that no path here has; a part of a path that may be anything is written *';
  }
  const segments = pattern === '/' ? [] : pattern.slice(1).split('/');
  if (segments.some((segment) => ['', '.', '..'].includes(segment))) return 'has an empty part, "." or ".."';
  if (segments.slice(0, -1).some((segment) => segment === '**')) return 'has "**" before its end';
  if (segments.some((segment) => segment !== '**' && segment.includes('**'))) return 'has "**" within a part';
  return undefined;
}

function checkVmids(value: Parameters<typeof parseVmids>[0], at: Path, problem: PolicyProblem): void {
  try {
    parseVmids(value);
  } catch (error) {
    problem(at, error instanceof Error ? error.message : 'are no VMIDs');
  }
}

function checkMatch(
  match: PolicyFile['principals'][number]['match'],
  at: Path,
  problem: PolicyProblem,
): void {
  for (const [key, values] of Object.entries(match)) {
    for (const value of values ?? []) {
      if (value !== '*' && value.includes('*')) {
        problem([...at, key], 'is matched exactly; "*" stands alone, for any');
      }
      if (key === 'scope' && !SCOPES.includes(value)) {
        problem([...at, key], `names no scope.${didYouMean(value, SCOPES)}`);
      }
    }
  }
}

/** Roles that lead back to themselves. */
function circular({ roles = {} }: PolicyFile): string[] {
  const own = new Map(Object.entries(roles));
  const reaches = (from: string, wanted: string, seen: Set<string>): boolean =>
    (own.get(from)?.extends ?? []).some((next) => {
      if (next === wanted) return true;
      if (seen.has(next)) return false;
      seen.add(next);
      return reaches(next, wanted, seen);
    });
  return [...own.keys()].filter((name) => reaches(name, name, new Set()));
}
