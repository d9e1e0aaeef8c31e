import type { Tool } from '../define.ts';
import { cephStatus } from './ceph-status.ts';
import { deleteCephPool } from './delete-ceph-pool.ts';
import { listCephPools } from './list-ceph-pools.ts';
import { listCephServices } from './list-ceph-services.ts';
import { listOsds } from './list-osds.ts';
import { saveCephPool } from './save-ceph-pool.ts';
import { setCephFlags } from './set-ceph-flags.ts';
import { setOsd } from './set-osd.ts';

/** The toolset `ceph`, in the order in which clients see it. */
export const CEPH_TOOLS: readonly Tool[] = [
  cephStatus,
  listOsds,
  listCephPools,
  listCephServices,
  saveCephPool,
  deleteCephPool,
  setOsd,
  setCephFlags,
];
