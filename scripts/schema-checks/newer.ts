/**
 * What tools call only where the cluster's catalogue has it (src/tools/versions.ts): no difference where an older schema
 * lacks it. A schema of 9.x has to have all of it, so that nothing invented hides here.
 */
const NEWER = [
  // 8.3: firewalls of vnets, rules and policies for forwarded packets, VLANs of a bridge, isolated ports.
  /\w+ \/cluster\/sdn\/vnets\/\{vnet\}\/firewall\/[\w/{}]+ does not exist$/,
  /firewall\/options takes no (policy_forward|log_level_forward|nftables)$/,
  /\/nodes\/\{node\}\/network(\/\{iface\})? takes no bridge_vids$/,
  /\/cluster\/sdn\/vnets(\/\{vnet\})? takes no isolate-ports$/,
  /\/cluster\/sdn\/(ipams|dns)(\/\{\w+\})? takes no fingerprint$/,
  // 9.0 and later: fabrics, the rollback of SDN, and what they brought to zones and controllers.
  /\w+ \/cluster\/sdn\/fabrics\/[\w/{}]+ does not exist$/,
  /POST \/cluster\/sdn\/rollback does not exist$/,
  /\/cluster\/sdn\/zones(\/\{zone\})? takes no (fabric|secondary-controllers)$/,
  /\/cluster\/sdn\/controllers(\/\{controller\})? takes no (bgp-mode|fabric|nodes|peer-group-name|route-map-(in|out))$/,
  // 8.2 to 8.4: what the built-in catalogue is too old for.
  /status\/stop takes no overrule-shutdown$/,
  /(\/cluster\/backup(\/\{id\})?|\/vzdump) takes no (notification-mode|fleecing|pbs-change-detection-mode)$/,
  /PUT \/access\/password takes no confirmation-password$/,
  /\/access\/domains(\/\{realm\})? takes no (groups-(autocreate|claim|overwrite)|query-userinfo)$/,
  /\w+ \/cluster\/notifications\/endpoints\/webhook(\/\{name\})? does not exist$/,
  /\w+ \/cluster\/mapping\/dir(\/\{id\})? does not exist$/,
  /\/cluster\/mapping\/pci(\/\{id\})? takes no live-migration-capable$/,
  /PUT \/cluster\/options takes no consent-text$/,
  /PUT \/nodes\/\{node\}\/config takes no ballooning-target$/,
  // 9.1 and later: what keeps a container where it is.
  /GET \/nodes\/\{node\}\/lxc\/\{vmid\}\/migrate does not exist$/,
  // 9.0 and later: HA rules in place of groups, and what it brought to agents, storages, realms, tokens and settings.
  /\w+ \/cluster\/ha\/rules(\/\{rule\})? does not exist$/,
  /\/cluster\/ha\/resources(\/\{sid\})? takes no failback$/,
  /\/agent\/file-read takes no (count|offset|decode)$/,
  /\/storage(\/\{storage\})? takes no snapshot-as-volume-chain$/,
  /\/access\/domains(\/\{realm\})? takes no audiences$/,
  /\/token\/\{tokenid\} takes no regenerate$/,
  /\/cluster\/metrics\/server\/\{id\} takes no otel-[\w-]+$/,
  /PUT (\/cluster\/options|\/nodes\/\{node\}\/config) takes no (location|replication)$/,
] as const;

/** @param line a difference as `checkTools` writes it */
export function isNewer(line: string): boolean {
  return NEWER.some((pattern) => pattern.test(line));
}
