import { ALL_PRIVILEGES, BUILT_IN_ROLES } from './privileges.ts';

export { ALL_PRIVILEGES } from './privileges.ts';

/** Who asks. `id` is what appears in a UPID: `user@realm` or `user@realm!token`. */
export interface Identity {
  id: string;
  user: string;
  token?: string;
}

export interface User {
  userid: string;
  password?: string;
  comment?: string;
  email?: string;
  firstname?: string;
  lastname?: string;
  keys?: string;
  /** Default: enabled. */
  enable?: boolean;
  /** epoch seconds; 0 or absent: never */
  expire?: number;
  secondFactors?: SecondFactor[];
  /** After too many wrong codes. */
  totpLocked?: true;
}

export interface SecondFactor {
  id: string;
  type: 'totp' | 'u2f' | 'webauthn' | 'recovery' | 'yubico';
  description: string;
  /** epoch seconds */
  created: number;
  enable?: 0;
}

export interface Token {
  user: string;
  name: string;
  secret: string;
  /** With privilege separation a token has only what its own ACL and its user's both grant. */
  privsep: boolean;
  comment?: string;
  /** epoch seconds; 0 or absent: never */
  expire?: number;
}

export interface Group {
  groupid: string;
  comment?: string;
  members: Set<string>;
}

export interface AclEntry {
  path: string;
  /** `user@realm`, `user@realm!token` or the id of a group */
  ugid: string;
  role: string;
  /** Whether it also counts below its path; default yes. */
  propagate?: boolean;
}

export interface Realm {
  realm: string;
  type: string;
  comment?: string;
  default?: 1;
  [option: string]: string | number | string[] | undefined;
}

export function aclType({ ugid }: Pick<AclEntry, 'ugid'>): 'user' | 'group' | 'token' {
  if (ugid.includes('!')) return 'token';
  return ugid.includes('@') ? 'user' : 'group';
}

interface Surroundings {
  /** The pool of a storage, whose ACL also counts for the storage. */
  poolOfStorage?: (storage: string) => string | undefined;
  /** epoch ms; without one nothing expires */
  clock?: () => number;
}

/** Users, groups, realms, roles, tokens and the access control list of one cluster. */
export class AccessControl {
  readonly users = new Map<string, User>();
  readonly groups = new Map<string, Group>();
  readonly tokens: Token[] = [];
  readonly acl: AclEntry[] = [];
  /** The roles that were added to the built-in ones. */
  readonly roles = new Map<string, string[]>();
  readonly realms = new Map<string, Realm>([
    ['pam', { realm: 'pam', type: 'pam', comment: 'Accounts of the host' }],
    ['pve', { realm: 'pve', type: 'pve', comment: 'Accounts of the cluster', default: 1 }],
  ]);
  /** The pool of a guest, whose ACL also counts for the guest. */
  readonly #poolOf: (vmid: number) => string | undefined;
  readonly #surroundings: Surroundings;

  constructor(poolOf: (vmid: number) => string | undefined, surroundings: Surroundings = {}) {
    this.#poolOf = poolOf;
    this.#surroundings = surroundings;
  }

  /** A token that may log in: neither expired nor of a user who is disabled or expired. */
  findToken(user: string, name: string): Token | undefined {
    const token = this.tokens.find((candidate) => candidate.user === user && candidate.name === name);
    return token && this.mayLogIn(user) && !this.#expired(token) ? token : undefined;
  }

  mayLogIn(userid: string): boolean {
    const user = this.users.get(userid);
    return user === undefined || (user.enable !== false && !this.#expired(user));
  }

  groupsOf(userid: string): string[] {
    const groups = [...this.groups.values()].filter(({ members }) => members.has(userid));
    return groups.map(({ groupid }) => groupid).sort();
  }

  /** @returns undefined for a role that does not exist */
  privilegesOfRole(role: string): readonly string[] | undefined {
    return Object.hasOwn(BUILT_IN_ROLES, role) ? BUILT_IN_ROLES[role] : this.roles.get(role);
  }

  privileges(identity: Identity, path: string): Set<string> {
    const own = this.#privilegesOf(identity.user, path);
    if (identity.token === undefined) return own;
    const token = this.findToken(identity.user, identity.token);
    if (!token) return new Set();
    if (!token.privsep) return own;
    const granted = this.#privilegesOf(identity.id, path);
    return new Set([...own].filter((privilege) => granted.has(privilege)));
  }

  /** As `privileges` says, without collecting all of them: an inventory asks for each of its guests. */
  has(identity: Identity, path: string, ...anyOf: string[]): boolean {
    const { user, token: name } = identity;
    const token = name === undefined ? undefined : this.findToken(user, name);
    if (name !== undefined && !token) return false;
    const holders = token?.privsep ? [user, identity.id] : [user];
    const granted = holders.map((id) => this.#grantsOf(id, path));
    return anyOf.some((privilege) =>
      granted.every((grants) => grants.some((some) => some.includes(privilege))),
    );
  }

  /** Removes what a user, group or token was granted, and with a user also its tokens and memberships. */
  forget(ugid: string): void {
    const gone = (entry: AclEntry): boolean => entry.ugid === ugid || entry.ugid.startsWith(`${ugid}!`);
    this.acl.splice(0, this.acl.length, ...this.acl.filter((entry) => !gone(entry)));
    if (aclType({ ugid }) !== 'user') return;
    this.tokens.splice(0, this.tokens.length, ...this.tokens.filter(({ user }) => user !== ugid));
    for (const { members } of this.groups.values()) members.delete(ugid);
  }

  #expired({ expire = 0 }: { expire?: number }): boolean {
    const { clock } = this.#surroundings;
    return expire > 0 && clock !== undefined && expire <= clock() / 1000;
  }

  #privilegesOf(id: string, path: string): Set<string> {
    return new Set(this.#grantsOf(id, path).flat());
  }

  /** The privileges of each role that someone has on a path. */
  #grantsOf(id: string, path: string): (readonly string[])[] {
    if (id === 'root@pam') return [ALL_PRIVILEGES];
    const roles = this.#rolesOn(id, path);
    const pool = this.#poolAround(path);
    const inherited = pool === undefined ? [] : this.#rolesOn(id, `/pool/${pool}`);
    const all = [...roles, ...inherited];
    if (all.includes('NoAccess')) return [];
    return all.map((role) => this.privilegesOfRole(role) ?? []);
  }

  #poolAround(path: string): string | undefined {
    const [, kind, name = ''] = /^\/(vms|storage)\/([^/]+)$/.exec(path) ?? [];
    if (kind === 'vms') return this.#poolOf(Number(name));
    return kind === 'storage' ? this.#surroundings.poolOfStorage?.(name) : undefined;
  }

  /**
   * From the root down, the entries of a level replace those above it, and a subject's own entries replace
   * its groups' of the same level. NoAccess drops everything else of its level.
   */
  #rolesOn(id: string, path: string): string[] {
    const groups = new Set(this.groupsOf(id));
    const entries = this.acl.filter(
      (entry) => (entry.ugid === id || groups.has(entry.ugid)) && countsFor(entry, path),
    );
    const levels = [...new Set(entries.map((entry) => entry.path))].sort((a, b) => a.length - b.length);
    let roles: string[] = [];
    for (const level of levels) {
      const here = entries.filter((entry) => entry.path === level);
      const own = here.filter((entry) => entry.ugid === id);
      const found = (own.length > 0 ? own : here).map((entry) => entry.role);
      roles = found.includes('NoAccess') ? ['NoAccess'] : found;
    }
    return roles;
  }
}

/** Whether an entry stands on a path, or above it and hands down. */
function countsFor(entry: AclEntry, path: string): boolean {
  if (entry.path === path) return true;
  return entry.propagate !== false && (entry.path === '/' || path.startsWith(`${entry.path}/`));
}
