import { z } from 'zod';
import type { GatedCluster, GateRequest } from '../../access/gate.ts';
import type { GuestRow, Inventory } from '../../clusters/inventory.ts';
import { apiPath } from '../../proxmox/api-path.ts';
import { quoted } from '../../proxmox/text.ts';
import { nodeParam, storageParam } from '../defaults.ts';
import { defineTool } from '../define.ts';
import { vmidParam } from '../guest-target.ts';
import { clusterParam, selectedFields, selectionOf, textParam } from '../params.ts';
import { refuser } from '../refusals.ts';
import { compact, numberOf, textOf } from '../results.ts';
import { sizeOf, sizeParam } from '../size.ts';
import { runTask, TASK_CALLS, taskDeadline, taskField, taskSentence, waitParam } from '../task.ts';
import { ARCHIVE_CALLS, type FoundArchive, findArchive } from './archives.ts';
import { CONFIG_CALLS, type SavedConfig, savedConfig, savedDisks, savedName } from './guest-config.ts';
import { requireReplaceable, requireRoom, restoreNode } from './restore-checks.ts';
import { volidParam } from './volid.ts';
import { bandwidthParam } from './vzdump.ts';

const MIB = 1024 * 1024;

const input = z.strictObject({
  cluster: clusterParam,
  volid: volidParam,
  vmid: vmidParam.optional().describe('Default: the next free one.'),
  overwrite: z
    .boolean()
    .default(false)
    .describe('Replace the stopped guest that has the VMID; its disks are lost.'),
  node: nodeParam,
  storage: storageParam.describe(
    "For all disks; default: where they were, a container's all where its root was.",
  ),
  name: textParam(63).optional().describe('New name.'),
  memory: sizeParam('Such as 4G.'),
  cores: z.int().min(1).max(8192).optional(),
  unique: z
    .boolean()
    .optional()
    .describe('New MAC addresses; default where the original guest still exists.'),
  start: z.boolean().default(false),
  live_restore: z.boolean().default(false).describe('Start a VM at once; from PBS only.'),
  bwlimit: bandwidthParam,
  wait_seconds: waitParam,
});

type Args = z.output<typeof input>;

const SHARED_PARAMETERS = ['vmid', 'storage', 'unique', 'force', 'start', 'memory', 'cores', 'bwlimit'];

export const restoreBackup = defineTool({
  name: 'restore_backup',
  title: 'Restore a backup',
  description: 'Restores a VM or container from a backup: as a new guest, or over an existing one.',
  toolset: 'backups',
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: true },
  calls: [
    ['POST', '/nodes/{node}/qemu', 'archive', 'name', 'live-restore', ...SHARED_PARAMETERS],
    ['POST', '/nodes/{node}/lxc', 'ostemplate', 'restore', 'hostname', ...SHARED_PARAMETERS],
    ['GET', '/cluster/nextid'],
    ...['qemu', 'lxc'].flatMap((type) => [
      ['GET', `/nodes/{node}/${type}/{vmid}/status/current`] as const,
      ['GET', `/nodes/{node}/${type}/{vmid}/config`] as const,
    ]),
    ...ARCHIVE_CALLS,
    ...CONFIG_CALLS,
    ...TASK_CALLS,
  ],
  withoutCluster: 'guest',
  input,
  output: z.object({
    ...selectedFields,
    guest: z.object({
      vmid: z.int(),
      name: z.string().optional(),
      type: z.enum(['qemu', 'lxc']),
      node: z.string(),
    }),
    volid: z.string(),
    overwrote: z.string().optional().describe('Name of the guest that was there.'),
    note: z.string().optional(),
    task: taskField,
  }),
  deadlineSeconds: ({ wait_seconds }) => taskDeadline(wait_seconds),
  async run(args, context) {
    const { cluster: named, name, vmid } = args;
    const cluster = context.cluster({ cluster: named, name, vmid }).alone();
    const plan = await planOf(cluster, args);
    const { guest, over, request, note } = plan;
    const outcome = await runTask(cluster, request, args.wait_seconds, context);
    return {
      ...selectionOf(cluster),
      guest,
      volid: args.volid,
      ...(over === undefined ? {} : { overwrote: over.name ?? String(over.vmid) }),
      ...(note === undefined ? {} : { note }),
      ...outcome,
    };
  },
  summary({ cluster, guest, volid, overwrote, note, task }) {
    const { vmid, name, type, node } = guest;
    const kind = type === 'qemu' ? 'VM' : 'Container';
    const subject = `${kind} ${vmid}${name === undefined ? '' : ` (${quoted(name)})`} of ${cluster}`;
    const over = overwrote === undefined ? '' : `, over ${quoted(overwrote)}`;
    const sentence = taskSentence(subject, `restored on ${quoted(node)} from ${quoted(volid)}${over}`, task);
    return note === undefined ? sentence : `${sentence} ${note}`;
  },
});

/** Everything is checked before the one write: what would only fail in the task is refused here. */
async function planOf(cluster: GatedCluster, args: Args) {
  const refuse = refuser(cluster.name);
  const found = await findArchive(cluster, args.volid);
  const { archive, inventory } = found;
  const { type } = archive;
  if (type === undefined) {
    throw refuse(
      'INVALID_ARGUMENTS',
      'The name of this backup does not tell whether it holds a VM or a container.',
      'Restore it by proxmox_api_call.',
    );
  }
  const over = inventory.guests.find(({ vmid }) => vmid === args.vmid);
  if (over !== undefined && !args.overwrite) {
    throw refuse(
      'CONFLICT',
      `${over.vmid} is taken by ${quoted(over.name ?? over.type)}.`,
      'Leave `vmid` out for a free one; `overwrite: true` replaces that guest and its disks.',
    );
  }
  if (args.overwrite && over === undefined) {
    throw refuse(
      'INVALID_ARGUMENTS',
      `There is no guest ${args.vmid ?? ''} to overwrite.`.replace('  ', ' '),
      'Pass the `vmid` of the guest, or leave `overwrite` out.',
    );
  }
  if (args.live_restore) requireLive(cluster.name, found, type);
  const node =
    restoreNode(cluster.name, inventory, archive, { named: args.node, over }) ??
    cluster.settings.defaultNode ??
    archive.node;
  const [saved] = await Promise.all([
    // What can't be read is for the restore itself to fail on.
    savedConfig(cluster, archive).catch(() => undefined),
    over === undefined ? undefined : requireReplaceable(cluster, over, type),
  ]);
  requireRoom(cluster.name, inventory, { node, type, target: args.storage, saved });
  const storage = args.storage ?? (type === 'lxc' ? rootStorage(cluster.name, saved) : undefined);
  const vmid = args.vmid ?? (await nextVmid(cluster));
  const name = args.name ?? (saved && savedName(saved));
  return {
    over,
    guest: { vmid, ...compact({ name }), type, node },
    note: namesake(inventory, name, vmid),
    request: requestOf(args, { vmid, node, type, storage, over, found }),
  };
}

function requireLive(cluster: string, { archive, inventory }: FoundArchive, type: 'qemu' | 'lxc'): void {
  const row = inventory.storages.find(({ storage }) => storage === archive.storage);
  if (type === 'qemu' && (row?.pluginType === 'pbs' || row?.pluginType === undefined)) return;
  throw refuser(cluster)(
    'INVALID_ARGUMENTS',
    'Only a VM can be started while it is restored, and only from a Proxmox Backup Server.',
    'Leave `live_restore` out; `start` starts the guest at the end.',
  );
}

/** PVE puts all disks of a container on one storage, and without any on `local`, which seldom takes them. */
function rootStorage(cluster: string, saved: SavedConfig | undefined): string {
  const disks = saved === undefined ? [] : savedDisks(saved, 'lxc');
  const root = disks.find(({ key }) => key === 'rootfs');
  if (root !== undefined) return root.storage;
  throw refuser(cluster)(
    'INVALID_ARGUMENTS',
    'Where the root of the container was could not be read from the backup.',
    'Pass `storage`.',
  );
}

async function nextVmid(cluster: GatedCluster): Promise<number> {
  const { data } = await cluster.request({ method: 'GET', path: apiPath`/cluster/nextid` });
  const vmid = numberOf(Number(data ?? Number.NaN));
  if (vmid === undefined) throw new Error(`${cluster.name} gave no free VMID`);
  return vmid;
}

/** A name that two guests have says nothing any more; Proxmox gives the copy that of the original. */
function namesake({ guests }: Inventory, name: string | undefined, vmid: number): string | undefined {
  const wanted = name?.toLowerCase();
  const other = guests.find((guest) => guest.vmid !== vmid && guest.name?.toLowerCase() === wanted);
  if (name === undefined || other === undefined) return undefined;
  return `${other.vmid} is called ${quoted(name)}, too: call either by vmid, or rename one (update_guest new_name).`;
}

interface Restore {
  vmid: number;
  node: string;
  type: 'qemu' | 'lxc';
  storage: string | undefined;
  over: GuestRow | undefined;
  found: FoundArchive;
}

function requestOf(args: Args, { vmid, node, type, storage, over, found }: Restore): GateRequest {
  const { volid, memory, cores, name, bwlimit } = args;
  const { archive, inventory } = found;
  // Two guests with one address on a bridge lose packets in turns.
  const hasOriginal = inventory.guests.some((guest) => guest.vmid === archive.vmid && guest !== over);
  const bytes = memory === undefined ? undefined : sizeOf(memory);
  const mebibytes = bytes === undefined ? undefined : Math.round(bytes / MIB);
  const common = {
    vmid,
    storage,
    cores,
    bwlimit,
    unique: (args.unique ?? hasOriginal) || undefined,
    start: (args.start && !args.live_restore) || undefined,
    force: over === undefined ? undefined : true,
  };
  const ofKind =
    type === 'qemu'
      ? {
          archive: volid,
          name,
          'live-restore': args.live_restore || undefined,
          memory: mebibytes === undefined ? undefined : String(mebibytes),
        }
      : { ostemplate: volid, restore: true, hostname: name, memory: mebibytes };
  return {
    method: 'POST',
    path: apiPath`/nodes/${node}/${type}`,
    data: { ...ofKind, ...common },
    // The VMID may have become another guest's since it was looked up.
    expectName: textOf(over?.name),
  };
}
