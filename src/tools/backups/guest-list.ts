import { z } from 'zod';
import { CallError } from '../../proxmox/errors.ts';
import type { ToolContext } from '../define.ts';
import { someOf } from '../fleet.ts';
import { type GuestTarget, guestTarget } from '../guest-target.ts';
import { textParam } from '../params.ts';

/** Guests as a caller lists them: VMIDs and names. */
export const guestListParam = z
  .array(z.union([z.int().min(100).max(999_999_999), textParam()]))
  .min(1)
  .max(200)
  .optional();

/**
 * Finds each guest of a list as `guestTarget` does.
 *
 * @returns each guest once, by VMID
 * @throws CallError INVALID_ARGUMENTS where they are of several clusters, or as `resolveGuest` does
 */
export async function guestTargets(
  context: ToolContext,
  cluster: string | undefined,
  guests: readonly (number | string)[],
): Promise<GuestTarget[]> {
  const found = await Promise.all(
    guests.map((guest) => {
      const isNumber = typeof guest === 'number' || /^[1-9]\d{2,8}$/.test(guest);
      return guestTarget(context, { cluster, ...(isNumber ? { vmid: Number(guest) } : { name: guest }) });
    }),
  );
  const clusters = [...new Set(found.map((target) => target.cluster.name))];
  if (clusters.length > 1) {
    throw new CallError('INVALID_ARGUMENTS', `These guests are of several clusters: ${someOf(clusters)}.`, {
      hint: 'Call once for each cluster. Nothing was sent.',
    });
  }
  const byVmid = new Map(found.map((target) => [target.guest.vmid, target]));
  return [...byVmid.values()].sort((a, b) => a.guest.vmid - b.guest.vmid);
}
