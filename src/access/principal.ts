/** The scopes of a token (DESIGN.md, "Scopes"). `proxmox:admin` holds all the others. */
export const SCOPES = [
  'proxmox:read',
  'proxmox:change',
  'proxmox:destroy',
  'proxmox:execute',
  'proxmox:secret',
  'proxmox:admin',
] as const;
export type Scope = (typeof SCOPES)[number];

/** Who makes a call, as the bearer token says. */
export interface Principal {
  /** Unique per issuer and subject; sessions are bound to it. */
  id: string;
  subject: string;
  scopes: ReadonlySet<Scope>;
}

export function hasScope(principal: Principal, scope: Scope): boolean {
  return principal.scopes.has(scope) || principal.scopes.has('proxmox:admin');
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
  scopes: new Set<Scope>(['proxmox:admin']),
};
