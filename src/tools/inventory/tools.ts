import type { Tool } from '../define.ts';
import { clusterCapacity } from './cluster-capacity.ts';
import { clusterHealth } from './cluster-health.ts';
import { compareClusters } from './compare-clusters.ts';
import { findGuests } from './find-guests.ts';
import { getClusterResources } from './get-cluster-resources.ts';
import { getNode } from './get-node.ts';
import { listClusters } from './list-clusters.ts';
import { listNodeDevices } from './list-node-devices.ts';
import { listNodeDisks } from './list-node-disks.ts';
import { listNodes } from './list-nodes.ts';
import { listStorage } from './list-storage.ts';
import { resolveGuest } from './resolve-guest.ts';

/** The toolset `inventory`, in the order in which clients see it. */
export const INVENTORY_TOOLS: readonly Tool[] = [
  listClusters,
  clusterHealth,
  listNodes,
  getNode,
  listNodeDisks,
  listNodeDevices,
  getClusterResources,
  findGuests,
  resolveGuest,
  listStorage,
  clusterCapacity,
  compareClusters,
];
