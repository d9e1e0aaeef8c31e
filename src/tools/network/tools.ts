import type { Tool } from '../define.ts';
import { applyNetwork } from './apply-network.ts';
import { applySdn } from './apply-sdn.ts';
import { deleteNetwork } from './delete-network.ts';
import { deleteSdn } from './delete-sdn.ts';
import { listNetworks } from './list-networks.ts';
import { listSdn } from './list-sdn.ts';
import { revertNetwork } from './revert-network.ts';
import { saveNetwork } from './save-network.ts';
import { saveSdn } from './save-sdn.ts';
import { traceNic } from './trace-nic.ts';

/** The toolset `network`, in the order in which clients see it. */
export const NETWORK_TOOLS: readonly Tool[] = [
  listNetworks,
  traceNic,
  saveNetwork,
  deleteNetwork,
  applyNetwork,
  revertNetwork,
  listSdn,
  saveSdn,
  deleteSdn,
  applySdn,
];
