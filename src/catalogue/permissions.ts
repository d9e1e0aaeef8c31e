import type { PermissionCheck, Permissions } from './types.ts';

/** What GET /access/permissions answers: by path, the privileges held there and whether they propagate. */
export type EffectivePermissions = Readonly<Record<string, Readonly<Record<string, number | boolean>>>>;

/** Privileges that would satisfy a test: all of them at the path, or with `any` one of them. */
export interface PrivilegeNeed {
  readonly path: string;
  readonly privileges: readonly string[];
  readonly any: boolean;
}

/**
 * Whether someone holds what a call needs. `unknown`: it depends on what the map doesn't tell (the members of
 * a group, the contents of a list) or on a parameter that is not given.
 */
export interface PrivilegeVerdict {
  readonly verdict: 'has' | 'missing' | 'unknown';
  /** For `missing`: what would do. */
  readonly missing: readonly PrivilegeNeed[];
}

const HAS: PrivilegeVerdict = { verdict: 'has', missing: [] };
const UNKNOWN: PrivilegeVerdict = { verdict: 'unknown', missing: [] };

/** Who may call a method, in words: `VM.Audit on /vms/{vmid}`. */
export function privilegesInWords(permissions: Permissions | undefined): string {
  if (permissions === undefined) return 'root@pam only, no API token';
  const { user, check, description } = permissions;
  const words =
    user === 'world'
      ? 'no authentication'
      : user === 'all'
        ? 'any authenticated user'
        : check
          ? checkInWords(check)
          : 'root@pam only, no API token';
  return description === undefined ? words : `${words}. ${description}`;
}

/**
 * Evaluates a method's permissions as PVE does (PVE::RPCEnvironment), as far as the map of effective
 * permissions tells.
 *
 * @param params the call's parameters, those of the path included.
 * @param effective the answer of GET /access/permissions for the token in question. PVE leaves out paths where
 *   nothing is held, so a NoAccess below a path where something is held can't be seen.
 */
export function requiredPrivileges(
  permissions: Permissions | undefined,
  params: Readonly<Record<string, unknown>>,
  effective: EffectivePermissions,
): PrivilegeVerdict {
  // "Any user" with a description beside it checks more in its code, which only the description tells.
  if (permissions?.user === 'all' || permissions?.user === 'world')
    return permissions.description ? UNKNOWN : HAS;
  if (permissions?.check === undefined) return { verdict: 'missing', missing: [] };
  return evaluate(permissions.check, params, effective);
}

function evaluate(
  check: PermissionCheck,
  params: Readonly<Record<string, unknown>>,
  effective: EffectivePermissions,
): PrivilegeVerdict {
  const [kind, ...rest] = check;
  const parts = rest.filter((part): part is PermissionCheck => Array.isArray(part));
  if (kind === 'and') return all(parts.map((part) => evaluate(part, params, effective)));
  if (kind === 'or') return some(parts.map((part) => evaluate(part, params, effective)));
  if (kind === 'perm') return evaluatePath(check, params, effective);
  if (kind === 'userid-group') {
    // Held for all groups it does; else it depends on the members of groups.
    const privileges = Array.isArray(check[1]) ? check[1].map(String) : [];
    const everywhere = holds({ path: '/access/groups', privileges, any: true }, effective);
    return everywhere ? HAS : UNKNOWN;
  }
  if (kind === 'userid-param' && check[1] === 'Realm.AllocateUser') {
    const realm = /@([^@!]+)$/.exec(String(params.userid ?? ''))?.[1];
    if (realm === undefined) return UNKNOWN;
    return verdict(
      { path: `/access/realm/${realm}`, privileges: ['Realm.AllocateUser'], any: false },
      effective,
    );
  }
  if (kind === 'perm-modify') {
    const path = fill(String(check[1]), params);
    if (path === undefined) return UNKNOWN;
    return holds({ path, privileges: ['Permissions.Modify'], any: false }, effective) ? HAS : UNKNOWN;
  }
  // "self" and what later versions may add.
  return UNKNOWN;
}

function evaluatePath(
  check: PermissionCheck,
  params: Readonly<Record<string, unknown>>,
  effective: EffectivePermissions,
): PrivilegeVerdict {
  const { privileges, any, requiredParameter, template } = readPerm(check);
  if (requiredParameter !== undefined && params[requiredParameter] === undefined) {
    return { verdict: 'missing', missing: [] };
  }
  const path = fill(template, params);
  return path === undefined ? UNKNOWN : verdict({ path, privileges, any }, effective);
}

function verdict(need: PrivilegeNeed, effective: EffectivePermissions): PrivilegeVerdict {
  return holds(need, effective) ? HAS : { verdict: 'missing', missing: [need] };
}

/** The nearest listed path decides: at the path itself any privilege counts, above it those that propagate. */
export function holds(need: PrivilegeNeed, effective: EffectivePermissions): boolean {
  for (let path = need.path; ; path = parentOf(path)) {
    const listed = Object.hasOwn(effective, path) ? effective[path] : undefined;
    if (listed) {
      const held = (privilege: string): boolean =>
        Object.hasOwn(listed, privilege) && (path === need.path || Number(listed[privilege]) === 1);
      return need.any ? need.privileges.some(held) : need.privileges.every(held);
    }
    if (path === '/') return false;
  }
}

function parentOf(path: string): string {
  const slash = path.lastIndexOf('/');
  return slash <= 0 ? '/' : path.slice(0, slash);
}

function all(verdicts: readonly PrivilegeVerdict[]): PrivilegeVerdict {
  const missing = verdicts.filter((item) => item.verdict === 'missing');
  if (missing.length > 0) return { verdict: 'missing', missing: missing.flatMap((item) => item.missing) };
  return verdicts.some((item) => item.verdict === 'unknown') ? UNKNOWN : HAS;
}

function some(verdicts: readonly PrivilegeVerdict[]): PrivilegeVerdict {
  if (verdicts.some((item) => item.verdict === 'has')) return HAS;
  if (verdicts.some((item) => item.verdict === 'unknown')) return UNKNOWN;
  return { verdict: 'missing', missing: verdicts.flatMap((item) => item.missing) };
}

/** A permission path with its parameters filled in; undefined where one is not given. */
function fill(template: string, params: Readonly<Record<string, unknown>>): string | undefined {
  let complete = true;
  const filled = template.replaceAll(/\{([^}]+)\}/g, (_, name: string) => {
    const value = Object.hasOwn(params, name) ? params[name] : undefined;
    if (value === undefined || value === null || typeof value === 'object') complete = false;
    return String(value);
  });
  const path = `/${filled}`.replaceAll(/\/+/g, '/');
  return complete ? (path.length > 1 ? path.replace(/\/$/, '') : path) : undefined;
}

function readPerm(check: PermissionCheck) {
  const [, template, privileges, ...options] = check;
  const option = (name: string): unknown => {
    const index = options.indexOf(name);
    return index < 0 ? undefined : options[index + 1];
  };
  const required = option('require_param');
  return {
    template: String(template),
    privileges: Array.isArray(privileges) ? [...new Set(privileges.map(String))] : [],
    any: Boolean(option('any')),
    requiredParameter: typeof required === 'string' ? required : undefined,
  };
}

function checkInWords(check: PermissionCheck, nested = false): string {
  const [kind, ...rest] = check;
  if (kind === 'and' || kind === 'or') {
    const parts = rest.filter((part): part is PermissionCheck => Array.isArray(part));
    const joined = parts.map((part) => checkInWords(part, true)).join(`, ${kind} `);
    return nested ? `(${joined})` : joined;
  }
  if (kind === 'perm') {
    const { template, privileges, any, requiredParameter } = readPerm(check);
    const given = requiredParameter === undefined ? '' : ` (where ${requiredParameter} is given)`;
    return `${privileges.join(any ? ' or ' : ' and ')} on ${template}${given}`;
  }
  if (kind === 'userid-group') {
    const privileges = Array.isArray(check[1]) ? check[1].map(String) : [];
    return `${privileges.join(' or ')} on /access/groups or on a group of the user`;
  }
  if (kind === 'userid-param') {
    return check[1] === 'self'
      ? 'being that user'
      : `${String(check[1])} on the user's /access/realm/{realm}`;
  }
  if (kind === 'perm-modify') return `Permissions.Modify on ${String(check[1])}`;
  return `the test ${String(kind)}`;
}
