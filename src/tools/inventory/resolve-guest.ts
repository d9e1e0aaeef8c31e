import { z } from 'zod';
import type { GuestRow } from '../../clusters/inventory.ts';
import { quoted } from '../../proxmox/text.ts';
import { defineTool, READS } from '../define.ts';
import { fleetFields, withoutFailed } from '../fleet.ts';
import { resolveGuest as resolve } from '../guest.ts';
import { vmidParam } from '../guest-target.ts';
import { clusterParam, selectedFields, selectionOf, textParam } from '../params.ts';
import { compact, isoTime } from '../results.ts';

const guestFields = z.object({
  vmid: z.int(),
  name: z.string().optional(),
  type: z.enum(['qemu', 'lxc']),
  node: z.string(),
  status: z.string(),
  template: z.boolean(),
  tags: z.array(z.string()).optional(),
  pool: z.string().optional(),
  lock: z.string().optional(),
});

export const resolveGuest = defineTool({
  name: 'resolve_guest',
  title: 'Find a guest',
  description:
    'Says in which cluster and on which node a guest is, by whole name, VMID or both. Several matches are an error that lists them.',
  toolset: 'inventory',
  annotations: READS,
  calls: [['GET', '/cluster/resources']],
  withoutCluster: 'lookup',
  input: z.strictObject({
    cluster: clusterParam,
    name: textParam().optional(),
    vmid: vmidParam.optional(),
  }),
  output: z.object({
    ...selectedFields,
    guest: guestFields,
    as_of: z.string(),
    failed: fleetFields.failed.describe('Clusters that could not be asked, and may have one like it.'),
  }),
  async run(args, context) {
    const { cluster, guest, asOf, unasked } = await resolve(context, args, { uncertain: 'say' });
    return {
      ...selectionOf(cluster),
      guest: guestOf(guest),
      as_of: isoTime(asOf),
      ...(unasked.length === 0 ? {} : { failed: [...unasked] }),
    };
  },
  summary({ cluster, selected_by, matched, served_by, guest, failed }) {
    const { vmid, name, type, node, status } = guest;
    const what = `${type === 'qemu' ? 'VM' : 'Container'} ${vmid}${name === undefined ? '' : ` (${quoted(name)})`}`;
    // What selected a cluster did not select its fallback.
    const why = served_by === undefined ? (REASONS[selected_by] ?? '') : '';
    const rule = why === '' || matched === undefined ? '' : ` ${JSON.stringify(matched)}`;
    return `${what} is ${quoted(status)} on ${quoted(node)} of ${cluster}${why}${rule}.${withoutFailed(failed)}`;
  },
});

/** Why its cluster was looked in, where that is not plain. */
const REASONS: Readonly<Record<string, string>> = {
  pattern: ', selected by the pattern',
  vmid: ', selected by the VMID range',
  lookup: ', the only cluster found to have it',
};

function guestOf({ vmid, name, type, node, status, template, tags, pool, lock }: GuestRow) {
  return {
    vmid,
    type,
    node,
    status,
    template,
    ...compact({ name, pool, lock }),
    ...(tags.length === 0 ? {} : { tags: [...tags] }),
  };
}
