import { mayAllocate } from '../../../access/storage-sight.ts';
import { quoted } from '../../../proxmox/text.ts';
import { driveOf } from '../../cloudinit/cloudinit.ts';
import { someOf } from '../../fleet.ts';
import { inWords } from '../../size.ts';
import { blocks, type Finding, warns } from '../finding.ts';
import type { RestorePlan, RestoreWish } from './restore-request.ts';
import { fittingStorages, freeBytes, type RestoreTarget } from './restore-target.ts';
import { lacking, type Need } from './rights.ts';
import { hardwareFindings } from './saved-findings.ts';

/** A plan before it is judged. */
export type Draft = Pick<RestorePlan, 'guest' | 'storage' | 'bridges' | 'bytes' | 'options'> & {
  wish: RestoreWish;
};

/** The storage of a backup that is not made yet, and has no place. */
export const NOWHERE = '';

/** Where disks take no more than what is written to them. */
const THIN = ['lvmthin', 'zfspool', 'rbd', 'btrfs'];

/** All that speaks against restoring a guest so, as far as it can be known before. */
export function restoreFindings(target: RestoreTarget, draft: Draft): Finding[] {
  const { inventory } = target;
  const isOnline = inventory.nodes.some(
    ({ node, status }) => node === draft.guest.node && status === 'online',
  );
  return [
    ...vmidFindings(target, draft),
    ...nodeFindings(target, draft),
    ...pointFindings(draft),
    // What is on a node that is down is not known, and no matter.
    ...(isOnline
      ? [
          ...reachFindings(target, draft),
          ...storageFindings(target, draft),
          ...bridgeFindings(target, draft),
          ...rightsFindings(target, draft),
        ]
      : []),
    ...addressFindings(draft),
    ...hardwareFindings(draft.wish),
  ];
}

function vmidFindings({ cluster, inventory }: RestoreTarget, { guest }: Draft): Finding[] {
  const holder = inventory.guests.find(({ vmid }) => vmid === guest.vmid);
  const namesake = inventory.guests.find(
    ({ vmid, nameLower }) =>
      vmid !== guest.vmid && nameLower !== undefined && nameLower === guest.name?.toLowerCase(),
  );
  return [
    ...(holder === undefined
      ? []
      : [
          blocks(
            `${cluster.name} has ${guest.vmid} already: ${quoted(holder.name ?? holder.type)} on ${quoted(holder.node)}.`,
            'Pass another target_vmid, or none for the next free one: nothing is overwritten.',
          ),
        ]),
    ...(namesake === undefined
      ? []
      : [
          warns(
            `${namesake.vmid} of ${cluster.name} is called ${quoted(guest.name ?? '')}, too.`,
            'Pass another name, or call either by its VMID.',
          ),
        ]),
  ];
}

function nodeFindings({ cluster, inventory }: RestoreTarget, { guest, wish }: Draft): Finding[] {
  const row = inventory.nodes.find(({ node }) => node === guest.node);
  const online = inventory.nodes.filter(({ status }) => status === 'online').map(({ node }) => node);
  if (row?.status !== 'online') {
    const state = row === undefined ? 'no node of it that is seen' : quoted(row.status);
    return [
      blocks(
        `The node ${quoted(guest.node)} of ${cluster.name} is ${state}.`,
        `Pass target_node: ${someOf(online.sort(), 30) || 'none is online'}.`,
      ),
    ];
  }
  const { cores = '1', sockets = '1', memory } = wish.saved.options;
  const vcpus = Number(cores) * Number(sockets);
  const wanted = Number(memory) * 1024 ** 2;
  const free =
    row.maxMemBytes === undefined || row.memBytes === undefined ? undefined : row.maxMemBytes - row.memBytes;
  return [
    ...(guest.type === 'qemu' && row.cpus !== undefined && vcpus > row.cpus
      ? [
          (wish.start ? blocks : warns)(
            `It has ${vcpus} vCPUs and ${quoted(guest.node)} has ${row.cpus} CPUs: Proxmox would not start it.`,
            'Choose another target_node, or restore it stopped and lower its cores.',
          ),
        ]
      : []),
    ...(free !== undefined && wanted > free
      ? [
          warns(
            `It may take ${inWords(wanted)} of memory, and ${quoted(guest.node)} has ${inWords(Math.max(0, free))} free.`,
            'Choose another target_node, or make room.',
          ),
        ]
      : []),
  ];
}

function reachFindings({ cluster, inventory }: RestoreTarget, { guest, wish: { point } }: Draft): Finding[] {
  const { storage, shared, node } = point;
  const reaches = inventory.storages.some(
    (row) => row.storage === storage && row.node === guest.node && row.status === 'available',
  );
  if (storage === NOWHERE || (reaches && (shared || node === guest.node))) return [];
  return [
    blocks(
      `${quoted(guest.node)} of ${cluster.name} can't read the backup on ${quoted(storage)}.`,
      shared ? 'Pass a target_node that has the storage.' : `Pass target_node ${quoted(node)}.`,
    ),
  ];
}

function pointFindings({ wish: { point } }: Draft): Finding[] {
  const { storage, verification, encrypted } = point;
  return [
    ...(verification === 'failed'
      ? [
          blocks(
            'Its verification by PBS failed: the backup is damaged.',
            'Take an older backup, or a new one.',
          ),
        ]
      : []),
    ...(encrypted === undefined
      ? []
      : [
          warns(
            'The backup is encrypted.',
            `It can be restored only where ${quoted(storage)} of the target has its key.`,
          ),
        ]),
  ];
}

function storageFindings(target: RestoreTarget, draft: Draft): Finding[] {
  const { guest, storage, bytes } = draft;
  const { name } = target.cluster;
  const content = guest.type === 'qemu' ? 'images' : 'rootdir';
  const fits = fittingStorages(target, guest.node, guest.type);
  const row = fits.find((one) => one.storage === storage);
  if (row === undefined) {
    const names = fits.map((one) => one.storage).sort();
    const what = storage === undefined ? 'No storage' : `The storage ${quoted(storage)}`;
    return [
      blocks(
        `${what} of ${name} takes ${content} on ${quoted(guest.node)} now.`,
        `Pass storage: ${someOf(names, 30) || 'none there fits; pass another target_node'}.`,
      ),
    ];
  }
  const free = freeBytes(row);
  if (bytes === undefined || free === undefined)
    return [
      warns(
        `Whether its disks fit on ${quoted(row.storage)} is not known.`,
        'Compare get_backup_config with get_storage.',
      ),
    ];
  if (bytes <= free) return [];
  const what = `Its disks have ${inWords(bytes)}, and ${quoted(row.storage)} on ${quoted(guest.node)} has ${inWords(free)} free.`;
  return THIN.includes(row.pluginType ?? '')
    ? [warns(what, 'It is thin: it may fit until the disks fill up. Make room, or pass another storage.')]
    : [blocks(what, 'Make room, or pass another storage.')];
}

function bridgeFindings(target: RestoreTarget, { guest, bridges, wish }: Draft): Finding[] {
  const { name } = target.cluster;
  const known = target.bridges.get(guest.node)?.map((bridge) => bridge.name);
  const used = wish.saved.options;
  const wanted = [
    ...new Set(
      Object.entries(used).flatMap(([key, value]) =>
        /^net\d+$/.test(key) ? (/(?:^|,)bridge=([^,]+)/.exec(value)?.[1] ?? []) : [],
      ),
    ),
  ];
  const unused = Object.keys(wish.bridgeMap ?? {}).filter((bridge) => !wanted.includes(bridge));
  const strange = unused.map((bridge) =>
    warns(`bridge_map names ${quoted(bridge)}, which no NIC of the backup is on.`, 'Leave it out.'),
  );
  if (known === undefined) {
    const why = target.unreadBridges.get(guest.node) ?? 'it was not asked';
    return wanted.length === 0
      ? strange
      : [
          ...strange,
          warns(
            `The bridges of ${quoted(guest.node)} of ${name} are not known: ${why}`,
            'The guest starts only where each of its bridges is there: list_networks.',
          ),
        ];
  }
  return [
    ...strange,
    ...wanted.flatMap((bridge) => {
      const to = bridges[bridge];
      if (to !== undefined && known.includes(to)) return [];
      return [
        blocks(
          `${quoted(guest.node)} of ${name} has no bridge ${quoted(to ?? bridge)}.`,
          `Pass bridge_map {${JSON.stringify(bridge)}: …} with one of ${someOf([...known].sort(), 30) || 'none'}.`,
        ),
      ];
    }),
  ];
}

function addressFindings({ guest, wish: { addresses = [], saved, start } }: Draft): Finding[] {
  const { options } = saved;
  const fixed = Object.entries(options).flatMap(([key, value]) =>
    /^(?:ipconfig|net)\d+$/.test(key) ? (/(?:^|,)ip6?=([0-9a-f.:]+\/\d+)/i.exec(value)?.[1] ?? []) : [],
  );
  return [
    ...(guest.type === 'qemu' && addresses.length > 0 && driveOf(options) === undefined
      ? [
          blocks(
            'It has no cloud-init drive: addresses can be set only inside the VM.',
            'Leave `addresses` out, and change them in the VM after the restore.',
          ),
        ]
      : []),
    ...(addresses.length === 0 && fixed.length > 0 && start
      ? [
          warns(
            `It keeps its fixed address ${someOf(fixed)}.`,
            'Pass `addresses` where the network of the target is another one.',
          ),
        ]
      : []),
  ];
}

function rightsFindings(target: RestoreTarget, draft: Draft): Finding[] {
  return lacking(target.cluster, target.permissions, needsOf(target, draft));
}

function needsOf(target: RestoreTarget, { guest, storage, bridges, options, wish }: Draft): Need[] {
  const { point, start } = wish;
  const vm = `/vms/${guest.vmid}`;
  const allocates = mayAllocate(point.storage, target.permissions ?? {});
  const isLinux = (bridge: string) =>
    target.bridges.get(guest.node)?.some((one) => one.name === bridge && !one.isVnet) ?? false;
  const keys = Object.keys(options);
  const config = (pattern: RegExp, privilege: string): Need[] =>
    keys.some((key) => pattern.test(key)) ? [[privilege, vm]] : [];
  return [
    ['VM.Allocate', vm],
    ...(point.storage === NOWHERE ? [] : [['Datastore.AllocateSpace', `/storage/${point.storage}`] as Need]),
    ...(storage === undefined ? [] : ([['Datastore.AllocateSpace', `/storage/${storage}`]] as Need[])),
    ...(allocates ? [] : ([['VM.Backup', `/vms/${point.vmid}`]] as Need[])),
    ...[...new Set(Object.values(bridges))]
      .filter(isLinux)
      .map((bridge): Need => ['SDN.Use', `/sdn/zones/localnetwork/${bridge}`]),
    ...config(/^net\d+$/, 'VM.Config.Network'),
    ...config(/^(?:ide|sata|scsi)\d+$/, 'VM.Config.CDROM'),
    ...config(/^ipconfig\d+$/, 'VM.Config.Cloudinit'),
    ...config(/^(?:onboot|tags|description)$/, 'VM.Config.Options'),
    ...(start ? ([['VM.PowerMgmt', vm]] as Need[]) : []),
  ];
}
