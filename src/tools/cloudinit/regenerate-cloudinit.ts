import { z } from 'zod';
import { defineTool } from '../define.ts';
import { someOf } from '../fleet.ts';
import { CONFIG_CALLS, readConfig } from '../guest-config.ts';
import { guestFields, guestLabel, guestParams, guestTarget, requireKind } from '../guest-target.ts';
import { notNow } from '../refusals.ts';
import { driveOf } from './cloudinit.ts';
import { changesOf } from './get-cloudinit.ts';

export const regenerateCloudinit = defineTool({
  name: 'regenerate_cloudinit',
  title: 'Regenerate cloud-init drive',
  description: 'Writes the cloud-init settings of a VM to its drive anew.',
  toolset: 'cloudinit',
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: true, openWorldHint: true },
  calls: [
    ['PUT', '/nodes/{node}/qemu/{vmid}/cloudinit'],
    ['GET', '/nodes/{node}/qemu/{vmid}/cloudinit'],
    ...CONFIG_CALLS,
  ],
  withoutCluster: 'lookup',
  input: z.strictObject(guestParams),
  output: z.object({ ...guestFields, drive: z.string(), written: z.array(z.string()) }),
  async run(args, context) {
    const target = await guestTarget(context, args);
    requireKind(target, 'qemu', 'set up by cloud-init');
    const { cluster, at } = target;
    const [{ values }, written] = await Promise.all([
      readConfig(target),
      // Only to say what is new: without it the drive is made all the same.
      changesOf(target).catch(() => []),
    ]);
    context.signal.throwIfAborted();
    const drive = driveOf(values);
    if (drive === undefined) {
      throw notNow(
        cluster,
        `VM ${target.guest.vmid} has no cloud-init drive.`,
        'update_guest with set ide2: "<storage>:cloudinit" adds one.',
      );
    }
    await cluster.request({ method: 'PUT', path: at('cloudinit'), expectName: args.name });
    return { ...target.fields(), drive, written };
  },
  summary(answer) {
    const { drive, written } = answer;
    const what = written.length === 0 ? 'nothing was new' : `new: ${someOf(written)}`;
    return `The cloud-init drive ${drive} of ${guestLabel(answer)} was regenerated; ${what}.`;
  },
});
