import { z } from 'zod';
import type { GateRequest } from '../../access/gate.ts';
import { isTrue } from '../../catalogue/json.ts';
import { toCallError } from '../../proxmox/errors.ts';
import { defineTool } from '../define.ts';
import { CONFIG_CALLS, diskOf, type GuestConfig, isCdrom, readConfig } from '../guest-config.ts';
import { type GuestTarget, guestFields, guestLabel, guestParams, guestTarget } from '../guest-target.ts';
import { textParam } from '../params.ts';
import { notNow, unfitting } from '../refusals.ts';
import { compact } from '../results.ts';

export const detachDisk = defineTool({
  name: 'detach_disk',
  title: 'Detach a disk',
  description: 'Takes a disk off; it stays as unused0, unless `delete` destroys it with its data.',
  toolset: 'guests',
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: true },
  calls: [
    ['PUT', '/nodes/{node}/qemu/{vmid}/unlink', 'idlist', 'force'],
    ['PUT', '/nodes/{node}/lxc/{vmid}/config', 'delete', 'digest'],
    ...CONFIG_CALLS,
    ['GET', '/nodes/{node}/qemu/{vmid}/config', 'current'],
    ['GET', '/nodes/{node}/lxc/{vmid}/config', 'current'],
  ],
  withoutCluster: 'lookup',
  input: z.strictObject({
    ...guestParams,
    disk: textParam(20),
    delete: z.boolean().optional(),
  }),
  output: z.object({
    ...guestFields,
    disk: z.string(),
    result: z.enum(['detached', 'deleted', 'pending', 'sent']),
    unused_as: z.string().optional(),
    note: z.string().optional(),
  }),
  async run(args, context) {
    const target = await guestTarget(context, args);
    const { cluster } = target;
    const { disk } = args;
    const config = await readConfig(target);
    const value = diskOf(config, disk, cluster.name);
    const wish = { disk, value, destroys: args.delete === true };
    const request = requestFor(target, config, wish);
    await cluster.request({ ...request, expectName: args.name });
    const after = await stateAfter(target, wish).catch((error: unknown) => {
      context.signal.throwIfAborted();
      // It is done: an error in its place would have it repeated.
      const { message } = toCallError(error);
      return { result: 'sent' as const, note: `How the guest is now could not be read: ${message}` };
    });
    return { ...target.fields(), disk, ...after };
  },
  summary(answer) {
    const { disk, result, unused_as, note } = answer;
    const subject = `${disk} of ${guestLabel(answer)}`;
    if (result === 'pending')
      return `${subject} will be taken off at the next start: the guest would not let go of it now.`;
    if (result === 'sent') return `${subject} was taken off. ${note ?? ''}`;
    if (result === 'deleted') return `${subject} was taken off and deleted.`;
    return `${subject} was detached${unused_as === undefined ? '' : `, and is kept as ${unused_as}`}.`;
  },
});

interface Detaching {
  disk: string;
  value: string;
  destroys: boolean;
}

/** @throws CallError where the disk can't go, or would go with its data unasked */
function requestFor({ cluster, guest, at }: GuestTarget, config: GuestConfig, wish: Detaching): GateRequest {
  const { disk, value, destroys } = wish;
  if (isTrue(config.values.protection)) {
    throw notNow(
      cluster,
      `Guest ${guest.vmid} is protected.`,
      'Its owner sets protection=false with update_guest first.',
    );
  }
  if (disk === 'rootfs') throw unfitting('a container can not be without rootfs');
  if (disk.startsWith('unused') && !destroys) {
    throw unfitting(
      `${disk} is detached already; pass delete=true to destroy it, or attach it with update_guest`,
    );
  }
  if (guest.type === 'qemu') {
    // Of a CD drive nothing is destroyed, whatever is said.
    const force = destroys && !isCdrom(value);
    return { method: 'PUT', path: at('unlink'), data: { idlist: disk, ...(force ? { force } : {}) } };
  }
  if (destroys && !disk.startsWith('unused')) {
    throw unfitting(
      `${disk} of a container is detached first; then delete the unused volume that it becomes`,
    );
  }
  return { method: 'PUT', path: at('config'), data: { delete: disk, ...compact({ digest: config.digest }) } };
}

/** What became of it; a guest that runs may keep it until it is down. */
async function stateAfter(target: GuestTarget, { disk, value, destroys }: Detaching) {
  const volume = value.split(',')[0] ?? '';
  const { data } = await target.cluster.request({
    method: 'GET',
    path: target.at('config'),
    data: { current: true },
  });
  const values = Object.entries(Object(data) as Record<string, unknown>);
  const holds = values.filter(([, held]) => typeof held === 'string' && held.split(',')[0] === volume);
  if (holds.some(([key]) => key === disk)) return { result: 'pending' as const };
  const [unused] = holds.find(([key]) => key.startsWith('unused')) ?? [];
  if (unused !== undefined) return { result: 'detached' as const, unused_as: unused };
  return { result: destroys && !isCdrom(value) ? ('deleted' as const) : ('detached' as const) };
}
