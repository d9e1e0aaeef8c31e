import { z } from 'zod';
import type { GatedCluster } from '../access/gate.ts';
import type { GuestRow } from '../clusters/inventory.ts';
import { ApiPath } from '../proxmox/api-path.ts';
import { CallError } from '../proxmox/errors.ts';
import { quoted } from '../proxmox/text.ts';
import type { ToolContext } from './define.ts';
import { resolveGuest } from './guest.ts';
import type { GuestWanted } from './guest-errors.ts';
import { clusterParam, selectedFields, selectionOf, textParam } from './params.ts';
import { compact } from './results.ts';

/** Its bounds are checked, and no part of the schema: they would say nothing to a model in every guest tool. */
export const vmidParam = z
  .int()
  .refine((vmid) => vmid >= 100 && vmid <= 999_999_999, 'must be between 100 and 999999999');

/** How a tool is told which guest: by VMID, by name, or by both, which then have to belong together. */
export const guestParams = {
  cluster: clusterParam,
  vmid: vmidParam.optional(),
  name: textParam().optional(),
};

const shownGuest = z.object({
  vmid: z.int(),
  name: z.string().optional(),
  type: z.enum(['qemu', 'lxc']),
  node: z.string(),
});

/** What the answer of a tool for one guest begins with; `GuestTarget.fields` gives it. */
export const guestFields = { ...selectedFields, guest: shownGuest };

/** The guest that a tool works on. */
export interface GuestTarget {
  cluster: GatedCluster;
  /** From the inventory, which may lag: live state is in `at('status', 'current')`. */
  guest: GuestRow;
  /** The path of the guest, and what is below it: `at('status', 'start')`. */
  at(...below: readonly (string | number)[]): ApiPath;
  /** For the answer; read it once the cluster was asked. */
  fields(): z.output<z.ZodObject<typeof guestFields>>;
}

/**
 * Finds the guest of a tool call as `resolveGuest` does: an uncertain find is refused.
 *
 * @throws CallError as `resolveGuest` does
 */
export async function guestTarget(context: ToolContext, wanted: GuestWanted): Promise<GuestTarget> {
  const { cluster, guest } = await resolveGuest(context, wanted);
  return targetOf(cluster, guest);
}

/** The same for a guest that was found already. */
export function targetOf(cluster: GatedCluster, guest: GuestRow): GuestTarget {
  const { vmid, name, type, node } = guest;
  return {
    cluster,
    guest,
    at: (...below) => ApiPath.ofSegments(['nodes', node, type, String(vmid), ...below.map(String)]),
    fields: () => ({ ...selectionOf(cluster), guest: { vmid, ...compact({ name }), type, node } }),
  };
}

/** `VM 100 (web-01) of production`, as a sentence about the guest begins. */
export function guestLabel({ cluster, guest }: z.output<z.ZodObject<typeof guestFields>>): string {
  const { vmid, name, type } = guest;
  const kind = type === 'qemu' ? 'VM' : 'Container';
  return `${kind} ${vmid}${name === undefined ? '' : ` (${quoted(name)})`} of ${cluster}`;
}

/**
 * @param what the work in words, as in `VMs alone can be reset`
 * @throws CallError INVALID_ARGUMENTS where the guest is of the other kind
 */
export function requireKind({ guest }: GuestTarget, type: GuestRow['type'], what: string): void {
  if (guest.type === type) return;
  const [wanted, given] = type === 'qemu' ? ['VMs', 'a container'] : ['Containers', 'a VM'];
  throw new CallError('INVALID_ARGUMENTS', `${wanted} alone can be ${what}; ${guest.vmid} is ${given}.`, {
    hint: 'Nothing was sent. get_guest tells what the guest is.',
  });
}
