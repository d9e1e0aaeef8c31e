import { z } from 'zod';
import { apiPath } from '../../proxmox/api-path.ts';
import { bridgeFor, nodeFor, nodeParam, storageFor, storageParam } from '../defaults.ts';
import { defineTool } from '../define.ts';
import { guestLabel, vmidParam } from '../guest-target.ts';
import { clusterParam, textParam } from '../params.ts';
import { compact } from '../results.ts';
import { runTask, TASK_CALLS, taskDeadline, taskSentence, waitParam } from '../task.ts';
import { deviceOptions } from './devices.ts';
import { diskOptions, disksParam, volumeParam } from './disks.ts';
import { NEXT_ID, newGuestFields, newGuestOutput, vmidFor } from './new-guest.ts';
import { nicOptions, nicsParam } from './nics.ts';
import { newNameParam, setParam, settingOptions, sharedSettings, vmSettings } from './settings.ts';

/** As the wizard of Proxmox VE 9 has it, with a core more. */
const DEFAULTS = { cores: 2, memory: '2G', cpu: 'x86-64-v2-AES' };
const DISK = '32G';

const KEYS = [
  ...[
    'vmid',
    'name',
    'cores',
    'sockets',
    'cpu',
    'memory',
    'onboot',
    'agent',
    'tags',
    'description',
    'pool',
    'start',
  ],
  ...['ostype', 'scsihw', 'scsi0', 'virtio0', 'sata0', 'ide2', 'net0', 'boot', 'bios', 'machine', 'efidisk0'],
  'tpmstate0',
];

export const createVm = defineTool({
  name: 'create_vm',
  title: 'Create a VM',
  description: 'Creates a VM; by default 2 cores, 2G, a disk of 32G, a NIC.',
  toolset: 'guests',
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: true },
  calls: [['POST', '/nodes/{node}/qemu', ...KEYS], NEXT_ID, ['GET', '/cluster/resources'], ...TASK_CALLS],
  withoutCluster: 'guest',
  input: z.strictObject({
    cluster: clusterParam,
    name: newNameParam,
    vmid: vmidParam.optional(),
    node: nodeParam,
    storage: storageParam,
    ...sharedSettings,
    ...vmSettings,
    ostype: textParam(20).optional().describe('l26, win11'),
    disks: disksParam('As in update_guest.'),
    nics: nicsParam('As in update_guest.'),
    iso: volumeParam.optional(),
    uefi: z.boolean().optional(),
    tpm: z.boolean().optional(),
    pool: textParam(200).optional(),
    start: z.boolean().optional(),
    set: setParam('As in update_guest.'),
    wait_seconds: waitParam,
  }),
  output: newGuestOutput,
  deadlineSeconds: (args) => taskDeadline(args.wait_seconds),
  async run(args, context) {
    const { name, iso, uefi, tpm, pool, start, ostype } = args;
    const cluster = context.cluster({ cluster: args.cluster, name, vmid: args.vmid });
    const node = await nodeFor(cluster, args.node);
    const storage = () => storageFor(cluster, args.storage, { node, content: 'images' });
    const bridge = bridgeFor(cluster, undefined);
    const shared = { type: 'qemu' as const, present: {} };
    const wanted = args.disks ?? [{ size: DISK, iothread: true }];
    const [disks, place] = await Promise.all([
      diskOptions(wanted, { ...shared, storage, fallbackSize: DISK }),
      uefi || tpm ? storage() : undefined,
    ]);
    const options = {
      ...(ostype?.startsWith('win') || uefi ? { machine: 'q35' } : {}),
      scsihw: 'virtio-scsi-single',
      ...settingOptions('qemu', { ...DEFAULTS, ...given(args) }),
      ...disks,
      ...(iso === undefined ? {} : { ide2: `${iso},media=cdrom` }),
      ...nicOptions(args.nics ?? [{}], { ...shared, bridge }),
      ...deviceOptions({ efi_storage: uefi ? place : undefined, tpm_storage: tpm ? place : undefined }, {}),
      ...compact({ name, pool, start, ostype: ostype ?? 'l26' }),
    };
    const bootable = [Object.keys(disks)[0], iso === undefined ? undefined : 'ide2', 'net0'];
    const boot = `order=${bootable.filter((key) => key !== undefined && key in options).join(';')}`;
    const vmid = await vmidFor(cluster, { vmid: args.vmid, name });
    const data = { boot, ...options, vmid };
    const request = { method: 'POST', path: apiPath`/nodes/${node}/qemu`, data } as const;
    const outcome = await runTask(cluster, request, args.wait_seconds, context);
    return { ...newGuestFields(cluster, { vmid, name, type: 'qemu', node }), ...outcome };
  },
  summary(answer) {
    return taskSentence(guestLabel(answer), `created on ${answer.guest.node}`, answer.task);
  },
});

/** What was said goes before the defaults. */
function given<Given extends object>(args: Given): Given {
  return Object.fromEntries(Object.entries(args).filter(([, value]) => value !== undefined)) as Given;
}
