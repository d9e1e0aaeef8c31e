import { z } from 'zod';
import { compact } from '../../results.ts';
import type { Homecomer } from './failback-plan.ts';

export const homecomerRow = z.object({
  vmid: z.int(),
  name: z.string().optional(),
  type: z.enum(['qemu', 'lxc']),
  state: z.string(),
  home_vmid: z.int(),
  home_node: z.string(),
  home_storage: z.string().optional(),
  start: z.boolean(),
  original: z.string().optional(),
  findings: z.array(z.string()).optional(),
});

export function shownHomecomer({ guest, live, wish, findings }: Homecomer): z.output<typeof homecomerRow> {
  const { original, replace } = wish;
  const fate = replace ? 'is deleted first' : 'stays, stopped';
  const notes = findings.map(({ what, do: advice }) => `${what} ${advice}`);
  return {
    vmid: guest.vmid,
    ...compact({ name: guest.name }),
    type: guest.type,
    state: live.state,
    home_vmid: wish.vmid,
    home_node: wish.node,
    ...compact({ home_storage: wish.storage }),
    start: wish.start,
    ...(original === undefined ? {} : { original: `${original.vmid} ${fate}` }),
    ...(notes.length === 0 ? {} : { findings: notes }),
  };
}
