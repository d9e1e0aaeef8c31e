import type { CephState } from './ceph.ts';
import type { Firewalls } from './firewall.ts';
import type { HighAvailability } from './ha.ts';
import type { NodeSettings } from './node-settings.ts';
import type { ReplicationJob } from './replication.ts';
import type { SdnState } from './sdn.ts';
import type { Entry } from './section.ts';

/** What belongs to the cluster as a whole or to its hosts, beside guests and storages. All of it is plain data. */
export interface Datacenter {
  options: Entry;
  ha: HighAvailability;
  replication: Record<string, ReplicationJob>;
  sdn: SdnState;
  firewalls: Firewalls;
  /** By the node's name, made when first asked for. */
  nodes: Record<string, NodeSettings>;
  /** Only where Ceph is installed. */
  ceph?: CephState;
  /** Targets of the test messages that were sent, oldest first. */
  notified?: string[];
}

export function newDatacenter(ceph: CephState | undefined): Datacenter {
  return {
    options: { keyboard: 'en-us' },
    ha: { resources: {}, groups: {}, rules: {} },
    replication: {},
    sdn: { config: {}, running: {}, ipams: { pve: { type: 'pve' } }, dns: {}, addresses: [] },
    firewalls: { scopes: {}, groups: {} },
    nodes: {},
    ...(ceph ? { ceph } : {}),
  };
}
