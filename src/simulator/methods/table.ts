import type { GuestType } from '../state/guest.ts';
import { accessMethods } from './access.ts';
import { cloneMethods } from './clone.ts';
import { clusterMethods } from './cluster.ts';
import { configMethods } from './config.ts';
import { guestMethods } from './guests.ts';
import { lifecycleMethods } from './lifecycle.ts';
import type { Method } from './method.ts';
import { nodeMethods } from './nodes.ts';
import { powerMethods } from './power.ts';
import { snapshotMethods } from './snapshots.ts';
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
];

/** Every method the simulated clusters have. What is not in it answers 501. */
export const METHODS: Method[] = [
  ...accessMethods,
  ...clusterMethods,
  ...nodeMethods,
  ...storageMethods,
  ...taskMethods,
  ...GUEST_TYPES.flatMap((type) => GUEST_METHODS.flatMap((methods) => methods(type))),
];
