import { cephChangeMethods } from './ceph/change.ts';
import { cephPoolMethods } from './ceph/pools.ts';
import { cephReadMethods } from './ceph/read.ts';
import { acmeMethods } from './datacenter/acme.ts';
import { directoryMappingMethods } from './datacenter/directory-mappings.ts';
import { notificationMethods } from './datacenter/notifications.ts';
import { datacenterOptionMethods } from './datacenter/options.ts';
import { poolMethods } from './datacenter/pools.ts';
import { replicationMethods } from './datacenter/replication.ts';
import { firewallNameMethods } from './firewall/names.ts';
import { firewallOptionMethods } from './firewall/options.ts';
import { firewallRuleMethods } from './firewall/rules.ts';
import { haResourceMethods } from './ha/resources.ts';
import { haRuleMethods } from './ha/rules.ts';
import { haStatusMethods } from './ha/status.ts';
import type { Method } from './method.ts';
import { aptMethods } from './node/apt.ts';
import { diskMethods } from './node/disks.ts';
import { hardwareMethods } from './node/hardware.ts';
import { logMethods } from './node/logs.ts';
import { networkMethods } from './node/network.ts';
import { rrdMethods } from './node/rrd.ts';
import { serviceMethods } from './node/services.ts';
import { systemMethods } from './node/system.ts';
import { sdnMethods } from './sdn/methods.ts';
import { nodeSdnMethods } from './sdn/on-node.ts';

/** What belongs to the cluster as a whole, and to its hosts beside their guests and storages. */
export const datacenterMethods: Method[] = [
  ...poolMethods,
  ...haResourceMethods,
  ...haRuleMethods,
  ...haStatusMethods,
  ...replicationMethods,
  ...sdnMethods,
  ...nodeSdnMethods,
  ...firewallRuleMethods,
  ...firewallNameMethods,
  ...firewallOptionMethods,
  ...datacenterOptionMethods,
  ...notificationMethods,
  ...acmeMethods,
  ...directoryMappingMethods,
  ...cephReadMethods,
  ...cephChangeMethods,
  ...cephPoolMethods,
  ...systemMethods,
  ...serviceMethods,
  ...aptMethods,
  ...diskMethods,
  ...networkMethods,
  ...rrdMethods,
  ...logMethods,
  ...hardwareMethods,
];
