import { z } from 'zod';
import type { GateRequest } from '../../access/gate.ts';
import { quoted } from '../../proxmox/text.ts';
import { storageFor, storageParam } from '../defaults.ts';
import { defineTool } from '../define.ts';
import { CONFIG_CALLS, freeKey, readConfig } from '../guest-config.ts';
import {
  type GuestTarget,
  guestFields,
  guestLabel,
  guestParams,
  guestTarget,
  requireKind,
} from '../guest-target.ts';
import { textParam } from '../params.ts';
import { propertyString } from '../property-string.ts';
import { refuser } from '../refusals.ts';
import { compact, textOf } from '../results.ts';
import { runTask, TASK_CALLS, taskDeadline, taskField, taskSentence, waitParam } from '../task.ts';
import { CONTENT_CALLS, findVolume } from './content.ts';
import { PLACE_CALLS, placeFor, requireSpace } from './place.ts';

export const importDisk = defineTool({
  name: 'import_disk',
  title: 'Import disk',
  description:
    'Copies a disk image (a volume of an import storage, or as root a path of the node) into a new disk of a VM.',
  toolset: 'storage',
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: true },
  calls: [
    ['POST', '/nodes/{node}/qemu/{vmid}/config', 'scsi0', 'virtio0', 'sata0', 'ide0', 'digest'],
    ...CONFIG_CALLS,
    ...CONTENT_CALLS,
    ...PLACE_CALLS,
    ...TASK_CALLS,
  ],
  withoutCluster: 'lookup',
  input: z.strictObject({
    ...guestParams,
    source: textParam(500),
    storage: storageParam.describe('Of the new disk.'),
    disk: textParam(20)
      .refine((text) => /^(?:scsi|virtio|sata|ide)\d{1,2}$/.test(text), 'is no disk such as scsi1')
      .optional()
      .describe('Default: the next scsi.'),
    format: z.enum(['raw', 'qcow2', 'vmdk']).optional(),
    wait_seconds: waitParam,
  }),
  output: z.object({
    ...guestFields,
    disk: z.string(),
    volume: z.string().optional(),
    task: taskField,
  }),
  deadlineSeconds: ({ wait_seconds }) => taskDeadline(wait_seconds),
  async run(args, context) {
    const target = await guestTarget(context, args);
    requireKind(target, 'qemu', 'given an imported disk');
    const { cluster, guest, at } = target;
    const { node } = guest;
    const [config, bytes] = await Promise.all([readConfig(target), sourceBytes(target, args.source)]);
    const disk = args.disk ?? freeKey('scsi', Object.keys(config.values));
    if (config.values[disk] !== undefined) {
      throw refuser(cluster.name)('CONFLICT', `${disk} is taken.`, 'Leave `disk` out for the next free one.');
    }
    const storage = await storageFor(cluster, args.storage, { node, content: 'images' });
    requireSpace(cluster.name, await placeFor(cluster, { storage, node, content: 'images' }), bytes);
    const value = propertyString(`${storage}:0`, { 'import-from': args.source, format: args.format });
    const request: GateRequest = {
      method: 'POST',
      path: at('config'),
      data: { [disk]: value, digest: config.digest },
      expectName: args.name,
    };
    const outcome = await runTask(cluster, request, args.wait_seconds, context);
    return { ...target.fields(), disk, ...compact({ volume: await madeVolume(target, disk) }), ...outcome };
  },
  summary(answer) {
    const { disk, volume, task } = answer;
    const as = volume === undefined ? disk : `${disk} (${quoted(volume)})`;
    return taskSentence(guestLabel(answer), `given the image as ${as}`, task);
  },
});

/** @throws CallError for a source that is not there, or is no disk image */
async function sourceBytes({ cluster, guest }: GuestTarget, source: string): Promise<number | undefined> {
  // A disk within an appliance file is listed by nobody, and a path is the node's alone to know.
  if (source.startsWith('/') || /\.ova\//.test(source)) return undefined;
  const { volume } = await findVolume(cluster, source, guest.node);
  if (volume.content === 'images' || volume.content === 'import') return volume.bytes;
  throw refuser(cluster.name)(
    'INVALID_ARGUMENTS',
    `${quoted(source)} is ${volume.content ?? 'something else'}, and no disk image to import.`,
    'list_storage_content with content=import shows those; download_to_storage with content=import fetches one.',
  );
}

/** The import is done or under way: that it can't be shown yet must not read as if it failed. */
async function madeVolume(target: GuestTarget, disk: string): Promise<string | undefined> {
  try {
    const { values } = await readConfig(target);
    return textOf(values[disk])?.split(',')[0];
  } catch {
    return undefined;
  }
}
