import type { Tool } from '../define.ts';
import { bulkMigrate } from './bulk-migrate.ts';
import { bulkPower } from './bulk-power.ts';
import { cloneGuest } from './clone-guest.ts';
import { convertToTemplate } from './convert-to-template.ts';
import { createContainer } from './create-container.ts';
import { createVm } from './create-vm.ts';
import { deleteGuest } from './delete-guest.ts';
import { detachDisk } from './detach-disk.ts';
import { getGuest } from './get-guest.ts';
import { migrateGuest } from './migrate-guest.ts';
import { moveDisk } from './move-disk.ts';
import { powerGuest } from './power-guest.ts';
import { resizeDisk } from './resize-disk.ts';
import { updateGuest } from './update-guest.ts';

/** The toolset `guests`, in the order in which clients see it. */
export const GUESTS_TOOLS: readonly Tool[] = [
  getGuest,
  powerGuest,
  createVm,
  createContainer,
  cloneGuest,
  updateGuest,
  resizeDisk,
  moveDisk,
  detachDisk,
  migrateGuest,
  convertToTemplate,
  deleteGuest,
  bulkPower,
  bulkMigrate,
];
