import type { Entry, Section } from './section.ts';

export interface IpSet {
  comment?: string;
  entries: Entry[];
}

/** The firewall of the cluster, a node, a guest or a vnet. */
export interface FirewallScope {
  options: Entry;
  rules: Entry[];
  aliases: Section;
  ipsets: Record<string, IpSet>;
}

export interface SecurityGroup {
  comment?: string;
  rules: Entry[];
}

export interface Firewalls {
  /** `cluster`, `node/pve1`, `guest/100`, `vnet/web` */
  scopes: Record<string, FirewallScope>;
  groups: Record<string, SecurityGroup>;
}

export function firewallOf({ scopes }: Firewalls, key: string): FirewallScope {
  const scope = scopes[key] ?? { options: {}, rules: [], aliases: {}, ipsets: {} };
  scopes[key] = scope;
  return scope;
}
