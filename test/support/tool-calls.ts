import { ACCESS_CALLS, ACCESS_SETUP } from './tool-calls/access.ts';
import { AGENT_CALLS } from './tool-calls/agent.ts';
import { API_CALLS } from './tool-calls/api.ts';
import { BACKUPS_CALLS } from './tool-calls/backups.ts';
import { BETWEEN_CALLS, BETWEEN_SETUP } from './tool-calls/between.ts';
import { CEPH_CALLS, CEPH_SETUP } from './tool-calls/ceph.ts';
import { CLOUDINIT_CALLS, CLOUDINIT_SETUP } from './tool-calls/cloudinit.ts';
import { FIREWALL_CALLS, FIREWALL_SETUP } from './tool-calls/firewall.ts';
import { GUESTS_CALLS } from './tool-calls/guests.ts';
import { HA_CALLS, HA_SETUP } from './tool-calls/ha.ts';
import { INVENTORY_CALLS } from './tool-calls/inventory.ts';
import { METRICS_CALLS } from './tool-calls/metrics.ts';
import { NETWORK_CALLS, NETWORK_SETUP } from './tool-calls/network.ts';
import { REPLICATION_CALLS, REPLICATION_SETUP } from './tool-calls/replication.ts';
import { SNAPSHOTS_CALLS } from './tool-calls/snapshots.ts';
import { STORAGE_CALLS, STORAGE_SETUP } from './tool-calls/storage.ts';
import { SYSTEM_CALLS, SYSTEM_SETUP } from './tool-calls/system.ts';
import type { SetupCall, ToolCallTable } from './tool-calls/table.ts';
import { TASKS_CALLS } from './tool-calls/tasks.ts';

/** For every tool one call that works on the estate that `ToolEstate` prepares; one that changes things really does. */
export const TOOL_CALLS: ToolCallTable = {
  ...INVENTORY_CALLS,
  ...GUESTS_CALLS,
  ...SNAPSHOTS_CALLS,
  ...TASKS_CALLS,
  ...API_CALLS,
  ...BACKUPS_CALLS,
  ...STORAGE_CALLS,
  ...CLOUDINIT_CALLS,
  ...NETWORK_CALLS,
  ...FIREWALL_CALLS,
  ...HA_CALLS,
  ...REPLICATION_CALLS,
  ...ACCESS_CALLS,
  ...CEPH_CALLS,
  ...AGENT_CALLS,
  ...METRICS_CALLS,
  ...SYSTEM_CALLS,
  ...BETWEEN_CALLS,
};

/** What is done to the demo estate before, in this order. */
export const TOOL_SETUP: readonly SetupCall[] = [
  ...STORAGE_SETUP,
  ...CLOUDINIT_SETUP,
  ...NETWORK_SETUP,
  ...FIREWALL_SETUP,
  ...HA_SETUP,
  ...REPLICATION_SETUP,
  ...ACCESS_SETUP,
  ...CEPH_SETUP,
  ...SYSTEM_SETUP,
  ...BETWEEN_SETUP,
];
