/** The scopes of a token (DESIGN.md, "Scopes"). `proxmox:admin` holds all the others but `proxmox:approve`. */
export const SCOPES = [
  'proxmox:read',
  'proxmox:change',
  'proxmox:destroy',
  'proxmox:execute',
  'proxmox:secret',
  'proxmox:admin',
  'proxmox:approve',
] as const;
export type Scope = (typeof SCOPES)[number];

/** Who makes a call, as the credential says. */
export interface Principal {
  /** Unique per issuer and subject; sessions are bound to it. */
  id: string;
  subject: string;
  /** The OAuth client that the token was issued to, where the token says it. */
  client?: string;
  /** Groups or roles that the token names, for the policy. */
  groups: readonly string[];
  scopes: ReadonlySet<Scope>;
  /** Which credential was shown: `jwt:<jti>`, `key:<id>` or `local`. No secret; the audit and revocation name it so. */
  credential: string;
  /** Which shared secret signed the token, by the name that its key has; absent where none did. */
  signedWith?: string;
  /** When the credential was issued, and until when it is valid; epoch seconds. Absent where it does not say. */
  issuedAt?: number;
  expiresAt?: number;
}

/**
 * Whether a principal holds a scope. `proxmox:admin` stands for every risk, and never for `proxmox:approve`: an agent
 * with an admin token must not approve its own plans.
 */
export function hasScope(principal: Principal, scope: Scope): boolean {
  if (principal.scopes.has(scope)) return true;
  return scope !== 'proxmox:approve' && principal.scopes.has('proxmox:admin');
}

/** Reads OAuth's space-separated scope string (RFC 8693, section 4.2); names that are not ours are dropped. */
export function parseScopes(text: string): Set<Scope> {
  const known = new Set<string>(SCOPES);
  return new Set(text.split(' ').filter((name): name is Scope => known.has(name)));
}

/** The caller where no token is asked for: stdio, and `MCP_AUTH=none` on loopback. */
export const LOCAL_PRINCIPAL: Principal = {
  id: 'local',
  subject: 'local',
  groups: [],
  scopes: new Set<Scope>(['proxmox:admin']),
  credential: 'local',
};
