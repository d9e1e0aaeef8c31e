import { z } from 'zod';
import { apiPath } from '../../proxmox/api-path.ts';
import { quoted } from '../../proxmox/text.ts';
import { bridgeFor, nodeFor, nodeParam, storageFor, storageParam } from '../defaults.ts';
import { defineTool } from '../define.ts';
import { isCdrom, NIC_KEY, VOLUME_KEY } from '../guest-config.ts';
import { guestLabel, vmidParam } from '../guest-target.ts';
import { clusterParam, textParam } from '../params.ts';
import { compact } from '../results.ts';
import { runTask, TASK_CALLS, taskDeadline, taskSentence, waitParam } from '../task.ts';
import { deviceOptions } from './devices.ts';
import { diskOptions, disksParam, volumeParam } from './disks.ts';
import { NEXT_ID, newGuestFields, newGuestOutput, vmidFor } from './new-guest.ts';
import { nicOptions, nicsParam } from './nics.ts';
import { newNameParam, setParam, settingOptions, sharedSettings, vmSettings } from './settings.ts';
import { merged } from './words.ts';

/** As the wizard of Proxmox VE 9 has it, with a core more. */
const DEFAULTS = { cores: 2, memory: '2G', cpu: 'x86-64-v2-AES' };
const FIXED = { ostype: 'l26', scsihw: 'virtio-scsi-single' };
const DISK = '32G';

type Value = string | number | boolean;
type Options = Readonly<Record<string, Value>>;

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
    const cluster = context.cluster({ cluster: args.cluster, name, vmid: args.vmid }).alone();
    const node = await nodeFor(cluster, args.node);
    const storage = () => storageFor(cluster, args.storage, { node, content: 'images' });
    const shared = { type: 'qemu' as const, present: {} };
    const isSet = (form: RegExp): boolean => Object.keys(args.set ?? {}).some((key) => form.test(key));
    const wanted = args.disks ?? (isSet(VOLUME_KEY) ? [] : [{ size: DISK, iothread: true }]);
    const [disks, place] = await Promise.all([
      diskOptions(wanted, { ...shared, storage, fallbackSize: DISK }),
      uefi || tpm ? storage() : undefined,
    ]);
    const said: Options = merged<Value>(
      settingOptions('qemu', { ...DEFAULTS, ...given(args) }),
      disks,
      nicOptions(args.nics ?? (isSet(NIC_KEY) ? [] : [{}]), {
        ...shared,
        bridge: bridgeFor(cluster, undefined),
      }),
      deviceOptions({ efi_storage: uefi ? place : undefined, tpm_storage: tpm ? place : undefined }, {}),
      iso === undefined ? {} : { ide2: `${iso},media=cdrom` },
      compact({ name, pool, start, ostype }),
    );
    const isModern = uefi || ostype?.startsWith('win') === true;
    const options = { ...FIXED, ...(isModern ? { machine: 'q35' } : {}), boot: bootOf(said), ...said };
    const vmid = await vmidFor(cluster, { vmid: args.vmid, name });
    const request = {
      method: 'POST',
      path: apiPath`/nodes/${node}/qemu`,
      data: { ...options, vmid },
    } as const;
    const outcome = await runTask(cluster, request, args.wait_seconds, context);
    return { ...newGuestFields(cluster, { vmid, name, type: 'qemu', node }), ...outcome };
  },
  summary(answer) {
    return taskSentence(guestLabel(answer), `created on ${quoted(answer.guest.node)}`, answer.task);
  },
});

/** The first disk, then the disc, then the network. */
function bootOf(options: Options): string {
  const disks = Object.keys(options).filter((key) => /^(?:scsi|virtio|sata|ide)\d+$/.test(key));
  const [disk] = disks.filter((key) => !isCdrom(options[key]));
  const order = [disk, ...disks.filter((key) => isCdrom(options[key])), 'net0'];
  return `order=${order.filter((key) => key !== undefined && Object.hasOwn(options, key)).join(';')}`;
}

/** What was said goes before the defaults. */
function given<Given extends object>(args: Given): Given {
  return Object.fromEntries(Object.entries(args).filter(([, value]) => value !== undefined)) as Given;
}
