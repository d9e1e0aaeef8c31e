import { LIVE_CALLS } from '../../guest-live.ts';
import { NEXT_ID } from '../../guests/new-guest.ts';
import { RUN_CALLS } from '../../run-write.ts';
import { TASK_CALLS } from '../../task.ts';
import { COMMON_STORAGE_CALLS } from '../backup/common-storage.ts';
import { RESTORE_POINT_CALLS } from '../backup/restore-points.ts';
import { RESTORE_CALLS } from '../backup/restore-request.ts';
import { RESTORE_TARGET_CALLS } from '../backup/restore-target.ts';

/** What working out a failover may call. */
export const PLAN_CALLS = [
  ...COMMON_STORAGE_CALLS,
  ...RESTORE_POINT_CALLS,
  ...RESTORE_TARGET_CALLS,
  ...LIVE_CALLS,
  NEXT_ID,
] as const;

/** What carrying it out may call beside. */
export const CARRY_CALLS = [
  ...RESTORE_CALLS,
  ['GET', '/nodes/{node}/qemu/{vmid}/config'],
  ['GET', '/nodes/{node}/lxc/{vmid}/config'],
  ...RUN_CALLS,
  ...TASK_CALLS,
] as const;
