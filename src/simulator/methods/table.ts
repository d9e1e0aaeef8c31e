import type { GuestType } from '../state/guest.ts';
import { accessMethods } from './access.ts';
import { agentMethods } from './agent.ts';
import { agentExecMethods } from './agent-exec.ts';
import { backupJobMethods } from './backup/jobs.ts';
import { pruneMethods } from './backup/prune.ts';
import { vzdumpMethods } from './backup/vzdump.ts';
import { bulkMethods } from './bulk.ts';
import { cloneMethods } from './clone.ts';
import { cloudinitMethods } from './cloudinit.ts';
import { clusterMethods } from './cluster.ts';
import { configMethods } from './config.ts';
import { datacenterMethods } from './datacenter.ts';
import { guestDiskMethods } from './guest-disks.ts';
import { featureMethods } from './guest-features.ts';
import { guestMethods } from './guests.ts';
import { lifecycleMethods } from './lifecycle.ts';
import type { Method } from './method.ts';
import { migrateMethods } from './migrate.ts';
import { nodeMethods } from './nodes.ts';
import { powerMethods } from './power.ts';
import { remoteMigrateMethods } from './remote-migrate.ts';
import { snapshotMethods } from './snapshots.ts';
import { definitionMethods } from './storage/definitions.ts';
import { fileMethods } from './storage/files.ts';
import { templateMethods } from './storage/templates.ts';
import { storageMethods } from './storage.ts';
import { taskMethods } from './tasks.ts';

const GUEST_TYPES: GuestType[] = ['qemu', 'lxc'];
const GUEST_METHODS = [
  guestMethods,
  powerMethods,
  configMethods,
  lifecycleMethods,
  cloneMethods,
  snapshotMethods,
  guestDiskMethods,
  featureMethods,
  cloudinitMethods,
  agentMethods,
  agentExecMethods,
  migrateMethods,
  remoteMigrateMethods,
];

/** Every method the simulated clusters have. What is not in it answers 501. */
export const METHODS: Method[] = [
  ...accessMethods,
  ...clusterMethods,
  ...nodeMethods,
  ...datacenterMethods,
  ...storageMethods,
  ...definitionMethods,
  ...fileMethods,
  ...templateMethods,
  ...vzdumpMethods,
  ...pruneMethods,
  ...backupJobMethods,
  ...bulkMethods,
  ...taskMethods,
  ...GUEST_TYPES.flatMap((type) => GUEST_METHODS.flatMap((methods) => methods(type))),
];
