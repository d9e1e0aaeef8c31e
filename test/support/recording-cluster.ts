import { loadBuiltInCatalogue } from '../../src/catalogue/builtin.ts';
import type { Cluster, ClusterHealth, Estate, Selection, Target } from '../../src/clusters/cluster.ts';
import type { Inventory, InventoryOptions } from '../../src/clusters/inventory.ts';
import { InventoryRows } from '../../src/clusters/inventory-rows.ts';
import type { ClusterConfig } from '../../src/config/config.ts';
import { Secret } from '../../src/config/secret.ts';
import { apiPath } from '../../src/proxmox/api-path.ts';
import type { ProxmoxCall } from '../../src/proxmox/call.ts';
import { abortable } from '../../src/proxmox/deadline.ts';

const BUILT_IN = loadBuiltInCatalogue();

/** A cluster at the network edge: keeps every call that would have left, and answers what the test says. */
export class RecordingCluster implements Cluster {
  readonly name: string;
  readonly config: ClusterConfig;
  readonly calls: ProxmoxCall[] = [];
  reply: (call: ProxmoxCall) => unknown = () => null;
  state: ClusterHealth = { reachable: true, version: '9.2.11', release: '9.2', latencyMs: 3, checkedAt: 0 };

  constructor(name: string, overrides: Partial<ClusterConfig> = {}) {
    this.name = name;
    this.config = {
      name,
      endpoints: [{ host: 'pve.example', port: 8006 }],
      credentials: {
        kind: 'token',
        user: 'mcp@pve',
        tokenId: 'mcp',
        secret: new Secret('canary-token-secret'),
      },
      tls: { verify: true },
      patterns: [],
      vmids: [],
      readOnly: false,
      validate: true,
      ...overrides,
    };
  }

  async send(call: ProxmoxCall) {
    this.calls.push(call);
    return { data: await this.reply(call), endpoint: 'pve.example:8006' };
  }

  async health() {
    return this.state;
  }

  async catalogue() {
    return BUILT_IN;
  }

  async permissions() {
    return { '/': { 'Sys.Audit': 1 } };
  }

  endpoints() {
    return [];
  }

  /** The inventory that it answers with; a test may count here, or throw. Without one, `reply` is asked. */
  inventoryReply: ((options: InventoryOptions) => Partial<Inventory>) | undefined;

  async inventory(options: InventoryOptions = {}): Promise<Inventory> {
    const nothing = { guests: [], nodes: [], storages: [], rows: [], asOf: 0 };
    if (this.inventoryReply !== undefined) return { ...nothing, ...this.inventoryReply(options) };
    const call: ProxmoxCall = { method: 'GET', path: apiPath`/cluster/resources`, parameters: {} };
    const { signal = new AbortController().signal } = options;
    const { data } = await abortable(this.send({ ...call, signal }), signal);
    return (await new InventoryRows().next(Array.isArray(data) ? data : [], 0)).inventory;
  }

  async backups(): Promise<never> {
    throw new Error('no test of these asks for backups');
  }

  async addressOf() {
    return { host: 'pve.example', port: 8006, fingerprint: 'AA:BB', isProven: true };
  }

  changed() {}

  lease(): Disposable {
    return { [Symbol.dispose]: () => undefined };
  }

  async retire() {}

  async upload(): Promise<never> {
    throw new Error('no test uploads here');
  }

  async close() {}
}

/** A directory over the given clusters: explicit by name, else the only one. */
export function directoryOf(...clusters: Cluster[]): Estate {
  const scopes = new Map(clusters.map((cluster) => [cluster.name, cluster]));
  const scoped = new Map<string, Estate>();
  const select = ({ cluster: name }: Target): Selection => {
    const cluster = clusters.find((known) => known.name === name) ?? clusters[0];
    if (!cluster) throw new Error('the test has no cluster');
    return { cluster, selectedBy: name === undefined ? 'single' : 'explicit' };
  };
  return {
    scopedTo(name) {
      const cluster = scopes.get(name);
      if (!cluster) return undefined;
      const known = scoped.get(name) ?? directoryOf(cluster);
      scoped.set(name, known);
      return known;
    },
    defaultCluster: clusters.length === 1 ? clusters[0]?.name : undefined,
    list: () => clusters,
    revision: 0,
    select,
    claim: select,
  };
}
