import { z } from 'zod';
import type { GateRequest } from '../../access/gate.ts';
import { type ApiCall, defineTool, type ToolContext } from '../define.ts';
import { someOf } from '../fleet.ts';
import { CONFIG_CALLS, readConfig, VOLUME_KEY } from '../guest-config.ts';
import { type GuestTarget, guestFields, guestLabel, guestParams, guestTarget } from '../guest-target.ts';
import { formParam, listOf, textParam } from '../params.ts';
import { unfitting } from '../refusals.ts';
import { compact, count } from '../results.ts';
import { sizeParam } from '../size.ts';
import { runTask, TASK_CALLS, taskDeadline, taskField, taskSentence, waitParam } from '../task.ts';
import { changesOf, makesVolume } from './changes.ts';
import { disksParam } from './disks.ts';
import { shownPending } from './guest-view.ts';
import { nicsParam } from './nics.ts';
import { newNameParam, setParam, sharedSettings, vmSettings } from './settings.ts';

const keysParam = listOf(formParam(/^[a-z][\w-]*$/i, 'is no key of a configuration', 40), 50).optional();
const deviceParam = formParam(/^[a-z][\w-]*$/i, 'is no name');

const input = z.strictObject({
  ...guestParams,
  new_name: newNameParam.optional(),
  ...sharedSettings,
  ...vmSettings,
  balloon: sizeParam('Least memory'),
  protection: z.boolean().optional(),
  disks: disksParam(
    'New: size, storage, bus, path (container), format; or volume, import_from, iso. Also: ssd, discard, iothread, cache, backup; with id, of that disk.',
  ),
  nics: nicsParam(
    'bridge, vlan, model, firewall, mac, mtu, rate, link_down; container: name, ip, gw, ip6, gw6. With id, that NIC changes, else one is added.',
  ),
  pci: listOf(deviceParam, 16).optional().describe('Mappings to add.'),
  usb: listOf(deviceParam, 14).optional(),
  efi_storage: textParam(100).optional(),
  tpm_storage: textParam(100).optional(),
  boot_order: listOf(deviceParam, 32).optional(),
  set: setParam('By keys of Proxmox: affinity, numa, startup, machine, swap …'),
  delete: keysParam,
  revert: keysParam.describe('Pending ones.'),
  digest: textParam(64).optional(),
  wait_seconds: waitParam,
});

type Arguments = z.output<typeof input>;

const VM_KEYS = [
  ...['cores', 'sockets', 'cpu', 'memory', 'balloon', 'onboot', 'agent', 'protection', 'name', 'description'],
  ...[
    'tags',
    'affinity',
    'numa',
    'startup',
    'machine',
    'bios',
    'boot',
    'efidisk0',
    'tpmstate0',
    'net0',
    'scsi0',
  ],
  ...['virtio0', 'sata0', 'ide0', 'hostpci0', 'usb0', 'delete', 'revert', 'digest'],
];
const CONTAINER_KEYS = [
  ...[
    'cores',
    'memory',
    'onboot',
    'protection',
    'hostname',
    'description',
    'tags',
    'startup',
    'swap',
    'net0',
  ],
  ...['mp0', 'rootfs', 'delete', 'revert', 'digest'],
];

/** A PUT holds the connection until storage is made, so what makes some is a task. */
const CALLS: readonly ApiCall[] = [
  ['PUT', '/nodes/{node}/qemu/{vmid}/config', ...VM_KEYS],
  ['POST', '/nodes/{node}/qemu/{vmid}/config', ...VM_KEYS],
  ['PUT', '/nodes/{node}/lxc/{vmid}/config', ...CONTAINER_KEYS],
  ['GET', '/nodes/{node}/qemu/{vmid}/pending'],
  ['GET', '/nodes/{node}/lxc/{vmid}/pending'],
];

export const updateGuest = defineTool({
  name: 'update_guest',
  title: 'Change a guest',
  description:
    'Changes the configuration, unless somebody else did meanwhile, and says what waits for the next start.',
  toolset: 'guests',
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: true },
  calls: [...CALLS, ...CONFIG_CALLS, ...TASK_CALLS],
  withoutCluster: 'lookup',
  input,
  output: z.object({
    ...guestFields,
    changed: z.array(z.string()),
    pending: z.array(z.looseObject({ key: z.string() })).optional(),
    task: taskField,
  }),
  deadlineSeconds: (args) => taskDeadline(args.wait_seconds),
  async run(args, context) {
    checkKeys(args);
    const target = await guestTarget(context, args);
    const present = await readConfig(target);
    const { options, removed, changed } = await changesOf(args, target, present);
    if (changed.length === 0) return { ...target.fields(), changed };
    const request: GateRequest = {
      method: target.guest.type === 'qemu' && makesVolume(options) ? 'POST' : 'PUT',
      path: target.at('config'),
      data: {
        ...options,
        ...compact({ delete: removed.join(','), revert: args.revert?.join(','), digest: present.digest }),
      },
      expectName: args.name,
    };
    const outcome = await runTask(target.cluster, request, args.wait_seconds, context);
    const pending = await pendingOf(target, context);
    return { ...target.fields(), changed, ...outcome, ...(pending.length === 0 ? {} : { pending }) };
  },
  summary(answer) {
    const { changed, pending = [], task } = answer;
    const subject = guestLabel(answer);
    if (changed.length === 0) return `${subject} is as wanted already; nothing was sent.`;
    const waiting =
      pending.length === 0
        ? ''
        : ` ${count(pending.length, 'change')} waiting for its next start (power_guest reboot): ${someOf(pending.map(({ key }) => key))}.`;
    return `${taskSentence(subject, `changed (${someOf(changed)})`, task)}${waiting}`;
  },
});

function checkKeys({ delete: removed = [] }: Arguments): void {
  const volumes = removed.filter((key) => VOLUME_KEY.test(key));
  if (volumes.length > 0) throw unfitting(`delete names the disk ${volumes.join(', ')}: use detach_disk`);
}

/** The change is made: that what waits could not be read must not read as if it was not. */
async function pendingOf({ cluster, at }: GuestTarget, context: ToolContext) {
  try {
    const { data } = await cluster.request({ method: 'GET', path: at('pending') });
    return shownPending(data);
  } catch {
    context.signal.throwIfAborted();
    return [];
  }
}
