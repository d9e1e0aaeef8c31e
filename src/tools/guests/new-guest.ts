import { z } from 'zod';
import type { GatedCluster } from '../../access/gate.ts';
import type { GuestRow } from '../../clusters/inventory.ts';
import { apiPath } from '../../proxmox/api-path.ts';
import { CallError } from '../../proxmox/errors.ts';
import { inQuotes, quoted } from '../../proxmox/text.ts';
import { guestFields } from '../guest-target.ts';
import { selectionOf } from '../params.ts';
import { numberOf } from '../results.ts';
import { taskField } from '../task.ts';

export const NEXT_ID = ['GET', '/cluster/nextid'] as const;

/** The answer of a tool that makes a guest; `guest` is the new one. */
export const newGuestOutput = z.object({ ...guestFields, task: taskField });

/**
 * The VMID of a new guest: the one that is asked for, or the next free one. Two guests of one name would leave every
 * later call by that name ambiguous, so the name has to be free, too.
 *
 * @throws CallError CONFLICT where the VMID or the name is taken
 */
export async function vmidFor(
  cluster: GatedCluster,
  { vmid, name }: { vmid?: number | undefined; name: string | undefined },
): Promise<number> {
  const [{ guests }, next] = await Promise.all([cluster.inventory({ fresh: true }), vmid ?? nextId(cluster)]);
  const wanted = name?.toLowerCase();
  const holder = guests.find(
    (guest) => guest.vmid === next || (wanted !== undefined && guest.name?.toLowerCase() === wanted),
  );
  if (holder === undefined) return next;
  const what = holder.vmid === next ? `the VMID ${next}` : `the name ${inQuotes(holder.name ?? '')}`;
  throw new CallError(
    'CONFLICT',
    `${cluster.name} has ${what} already: guest ${holder.vmid} on ${quoted(holder.node)}.`,
    {
      cluster: cluster.name,
      hint: 'Choose another; without vmid the next free one is taken. Nothing was sent.',
      retryable: false,
    },
  );
}

async function nextId(cluster: GatedCluster): Promise<number> {
  const { data } = await cluster.request({ method: 'GET', path: apiPath`/cluster/nextid` });
  const next = typeof data === 'string' ? Number(data) : numberOf(data);
  if (next !== undefined && Number.isInteger(next)) return next;
  throw new CallError('UPSTREAM_ERROR', 'Proxmox named no free VMID.', {
    cluster: cluster.name,
    hint: 'Pass `vmid`. Nothing was sent.',
  });
}

export function newGuestFields(
  cluster: GatedCluster,
  guest: Pick<GuestRow, 'vmid' | 'type' | 'node'> & { name: string },
) {
  return { ...selectionOf(cluster), guest };
}
