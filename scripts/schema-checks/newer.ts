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
] as const;

/** @param line a difference as `checkTools` writes it */
export function isNewer(line: string): boolean {
  return NEWER.some((pattern) => pattern.test(line));
}
