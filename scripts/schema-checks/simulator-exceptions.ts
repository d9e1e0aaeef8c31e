/** Differences that are right: handlers know more than one version of PVE. */
export interface Exception {
  /** The schemas that differ so; one with HA rules is of 9.x. */
  of: '8.x' | '9.x' | 'any';
  lines: RegExp;
}

/** In the schema of 9.2 and not in that of 8.4. */
const NEW_METHODS = [
  // HA rules replaced HA groups; the whole of HA can be disarmed.
  /^\w+ \/cluster\/ha\/rules(\/\{rule\})?: only/,
  /^POST \/cluster\/ha\/status\/(dis)?arm-ha: only/,
  // SDN got fabrics, a lock and a rollback.
  /^\w+ \/cluster\/sdn\/fabrics\/[\w/{}]+: only/,
  /^GET \/nodes\/\{node\}\/sdn\/fabrics\/\{fabric\}\/(neighbors|routes|interfaces): only/,
  /^\w+ \/cluster\/sdn\/(lock|rollback): only/,
  // Work on many guests of the whole cluster.
  /^\w+ \/cluster\/bulk-action(\/guest(\/\w+)?)?: only/,
  // CPU flags of the cluster, and the preconditions of a container's migration.
  /^GET \/cluster\/qemu\/cpu-flags: only/,
  /^GET \/nodes\/\{node\}\/lxc\/\{vmid\}\/migrate: only/,
];

/** Likewise. */
const NEW_PARAMETERS = [
  // A token's secret can be renewed, and its comment removed.
  /^PUT \/access\/users\/\{userid\}\/token\/\{tokenid\}: (delete|regenerate) is/,
  // OpenID realms check who a token is for.
  /^\w+ \/access\/domains(\/\{realm\})?: audiences is/,
  // What HA rules brought to the resources, and rebalancing.
  /^\w+ \/cluster\/ha\/resources(\/\{sid\})?: (auto-rebalance|failback|purge) is/,
  // The lock of SDN, and what fabrics and BGP brought to zones and controllers.
  /^\w+ \/cluster\/sdn\/(zones|vnets|controllers)[\w/{}]*: lock-token is/,
  /^PUT \/cluster\/sdn: (lock-token|release-lock) is/,
  /^\w+ \/cluster\/sdn\/zones(\/\{zone\})?: (fabric|secondary-controllers) is/,
  /^\w+ \/cluster\/sdn\/controllers(\/\{controller\})?: (fabric|nodes|bgp-mode|peer-group-name|route-map-(in|out)) is/,
  /^PUT \/nodes\/\{node\}\/network: regenerate-frr is/,
  // Options of the datacenter and of the node.
  /^PUT \/cluster\/options: (location|replication) is/,
  /^PUT \/nodes\/\{node\}\/config: location is/,
  /^GET \/cluster\/metrics\/export: node-list is/,
  // VMs of another architecture than their host's.
  /^GET \/nodes\/\{node\}\/capabilities\/qemu\/(cpu|machines): arch is/,
  // Storages: snapshots as volume chains, ZFS over iSCSI, wiping.
  /^\w+ \/storage(\/\{storage\})?: (snapshot-as-volume-chain|zfs-base-path|saferemove-stepsize) is/,
  // Guests: how many at once, high availability from the start, connections kept over a migration, files read in parts.
  /^POST \/nodes\/\{node\}\/(start|stop|suspend|migrate)all: max-workers is/,
  /^POST \/nodes\/\{node\}\/(qemu|lxc): ha-managed is/,
  /^POST \/nodes\/\{node\}\/qemu\/\{vmid\}\/(migrate|status\/start): (with-conntrack-state|nets-host-mtu) is/,
  /^GET \/nodes\/\{node\}\/qemu\/\{vmid\}\/agent\/file-read: (count|decode|offset) is/,
];

/** Otherwise in 8.4 than in 9.2. */
const CHANGED = [
  // Ten years of a node's figures are kept.
  /^GET \/nodes\/\{node\}\/rrddata: timeframe may be day, hour, month, week, year, not /,
  // GlusterFS was dropped.
  /^(GET|POST) \/storage: type may be .*\bglusterfs\b/,
  // VM.Monitor was split into the privileges VM.GuestAgent.*.
  /^\w+ \/nodes\/\{node\}\/qemu\/\{vmid\}\/agent[\w/-]*: is for VM\.Monitor on \/vms\/\{vmid\}, not for VM\.(GuestAgent|PowerMgmt)/,
];

export const EXCEPTIONS: readonly Exception[] = [
  ...[...NEW_METHODS, ...NEW_PARAMETERS, ...CHANGED].map((lines): Exception => ({ of: '8.x', lines })),
  // The root of the API answers with an index; no schema tells of it.
  { of: 'any', lines: /^GET \/: only/ },
  // So 8.2 calls the placeholder, and with it the built-in schema; both files have {pci-id-or-mapping}.
  { of: 'any', lines: /^GET \/nodes\/\{node\}\/hardware\/pci\/\{pciid\}\/mdev: only/ },
];
