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
}

export interface Token {
  user: string;
  name: string;
  secret: string;
  /** With privilege separation a token has only what its own ACL and its user's both grant. */
  privsep: boolean;
}

export interface AclEntry {
  path: string;
  /** `user@realm` or `user@realm!token` */
  ugid: string;
  role: string;
}

export const ALL_PRIVILEGES = [
  ...['Allocate', 'AllocateSpace', 'AllocateTemplate', 'Audit'].map((name) => `Datastore.${name}`),
  ...['Group.Allocate', 'Permissions.Modify', 'Pool.Allocate', 'Pool.Audit', 'User.Modify'],
  ...['Mapping.Audit', 'Mapping.Modify', 'Mapping.Use', 'Realm.Allocate', 'Realm.AllocateUser'],
  ...['SDN.Allocate', 'SDN.Audit', 'SDN.Use'],
  ...['AccessNetwork', 'Audit', 'Console', 'Incoming', 'Modify', 'PowerMgmt', 'Syslog'].map(
    (p) => `Sys.${p}`,
  ),
  ...['Allocate', 'Audit', 'Backup', 'Clone', 'Console', 'Migrate', 'PowerMgmt', 'Replicate'].map(
    (p) => `VM.${p}`,
  ),
  ...['CDROM', 'CPU', 'Cloudinit', 'Disk', 'HWType', 'Memory', 'Network', 'Options'].map(
    (p) => `VM.Config.${p}`,
  ),
  ...['Audit', 'FileRead', 'FileSystemMgmt', 'FileWrite', 'Unrestricted'].map((p) => `VM.GuestAgent.${p}`),
  ...['VM.Snapshot', 'VM.Snapshot.Rollback'],
];

const ROLES: Record<string, string[]> = {
  Administrator: ALL_PRIVILEGES,
  NoAccess: [],
  PVEAuditor: ALL_PRIVILEGES.filter((privilege) => privilege.endsWith('.Audit')),
  PVEDatastoreUser: ['Datastore.AllocateSpace', 'Datastore.Audit'],
  PVEVMAdmin: ALL_PRIVILEGES.filter((privilege) => privilege.startsWith('VM.')),
  PVEVMUser: [
    ...['VM.Audit', 'VM.Backup', 'VM.Config.CDROM', 'VM.Config.Cloudinit', 'VM.Console'],
    ...['VM.GuestAgent.Audit', 'VM.PowerMgmt'],
  ],
};

/** Users, tokens and the access control list of one cluster. */
export class AccessControl {
  readonly users = new Map<string, User>();
  readonly tokens: Token[] = [];
  readonly acl: AclEntry[] = [];
  /** The pool of a guest, whose ACL also counts for the guest. */
  readonly #poolOf: (vmid: number) => string | undefined;

  constructor(poolOf: (vmid: number) => string | undefined) {
    this.#poolOf = poolOf;
  }

  findToken(user: string, name: string): Token | undefined {
    return this.tokens.find((token) => token.user === user && token.name === name);
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

  has(identity: Identity, path: string, ...anyOf: string[]): boolean {
    const privileges = this.privileges(identity, path);
    return anyOf.some((privilege) => privileges.has(privilege));
  }

  #privilegesOf(id: string, path: string): Set<string> {
    if (id === 'root@pam') return new Set(ALL_PRIVILEGES);
    const pool = /^\/vms\/(\d+)$/.exec(path)?.[1];
    const poolName = pool === undefined ? undefined : this.#poolOf(Number(pool));
    const own = this.#granted(id, path);
    return poolName === undefined ? own : new Set([...own, ...this.#granted(id, `/pool/${poolName}`)]);
  }

  /** The entry nearest to the path replaces those above it, as in PVE. */
  #granted(id: string, path: string): Set<string> {
    for (let at = path; ; at = at.slice(0, at.lastIndexOf('/')) || '/') {
      const entries = this.acl.filter((entry) => entry.ugid === id && entry.path === at);
      if (entries.length > 0) return new Set(entries.flatMap((entry) => ROLES[entry.role] ?? []));
      if (at === '/') return new Set();
    }
  }
}
