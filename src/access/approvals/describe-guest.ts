import { compact, isObject, isTrue, type Json, rowsOf, text } from '../../catalogue/json.ts';
import { type ApiPath, apiPath } from '../../proxmox/api-path.ts';
import type { Parameters } from '../../proxmox/call.ts';
import { type KnownGuest, named } from './loss-rule.ts';
import { quoted } from './words.ts';

export { rowsOf };

/** Asks one question; what fails is noted under its name, and gives undefined. */
export type Reads = (what: string, path: ApiPath, parameters?: Parameters) => Promise<unknown>;

/** The state of a guest that the calls make. */
export const NEW = 'new';

/** A guest as the calls name it. */
export interface GuestAsked {
  vmid: number;
  node?: string;
  type?: 'qemu' | 'lxc';
  /** The calls make it: unless something is there already, nothing can be read of it. */
  isNew?: boolean;
  /** That it is made with. */
  name?: string;
  /** Snapshots of it that the calls delete: nothing of their own depends on them. */
  deletedSnapshots?: readonly string[];
}

interface Sources {
  /** Of `/cluster/resources`. */
  rows: readonly Json[];
  jobs: readonly Json[];
  replication: readonly Json[];
  reads: Reads;
  /** Epoch milliseconds. */
  now: number;
}

export interface DescribedGuest {
  guest: KnownGuest;
  dependents: string[];
  /** In words. */
  lastBackup: string;
  warnings: string[];
}

const DISK = /^(?:(?:scsi|virtio|sata|ide|mp|unused)\d+|efidisk0|tpmstate0|rootfs)$/;

/** Asks for one guest's state, configuration, snapshots and backups, and for what depends on it. */
export async function describeGuest(asked: GuestAsked, sources: Sources): Promise<DescribedGuest> {
  const { rows, jobs, replication, reads, now } = sources;
  const row = rows.find(
    ({ type, vmid }) => (type === 'qemu' || type === 'lxc') && Number(vmid) === asked.vmid,
  );
  const type = row?.type === 'lxc' ? 'lxc' : row?.type === 'qemu' ? 'qemu' : (asked.type ?? 'qemu');
  const node = text(row?.node) ?? asked.node;
  const { vmid } = asked;
  if (asked.isNew && row === undefined && rows.length > 0) return newGuest(asked, type);
  if (node === undefined) return notFound({ vmid, type });
  const which = `${type} ${vmid}`;
  const [status, config, snapshots, backups] = await Promise.all([
    reads(`The state of ${which}`, apiPath`/nodes/${node}/${type}/${vmid}/status/current`).then(objectOf),
    reads(`The configuration of ${which}`, apiPath`/nodes/${node}/${type}/${vmid}/config`).then(objectOf),
    reads(`The snapshots of ${which}`, apiPath`/nodes/${node}/${type}/${vmid}/snapshot`),
    newestBackup(asked.vmid, sources),
  ]);
  const disks = disksOf(config);
  const template = isTrue(status?.template ?? row?.template ?? config?.template);
  const clones = template ? await linkedClones(asked.vmid, node, disks, reads) : [];
  const name = text(status?.name) ?? text(row?.name) ?? text(config?.name) ?? text(config?.hostname);
  const names = rowsOf(snapshots).flatMap((item) => {
    const snapshot = text(item.name);
    return snapshot === undefined || snapshot === 'current' ? [] : [snapshot];
  });
  const tags = text(config?.tags) ?? text(row?.tags);
  const guest = compact<KnownGuest>({
    type,
    vmid,
    node,
    name,
    status: text(status?.status) ?? text(row?.status),
    template: template ? true : undefined,
    protected: isTrue(config?.protection) ? true : undefined,
    pool: text(row?.pool),
    tags: tags === undefined ? undefined : tags.split(/[;,\s]+/).filter((tag) => tag !== ''),
    snapshots: snapshots === undefined ? undefined : names,
    last_backup_at: backups === undefined ? undefined : new Date(backups).toISOString(),
    disks: disks.map(({ key, volume, size }) => `${key} ${volume}${size === undefined ? '' : ` (${size})`}`),
  });
  // Several guests may be told of, so that "its" would be anybody's.
  const whose = named(guest);
  const left = names.filter((snapshot) => !asked.deletedSnapshots?.includes(snapshot));
  return {
    guest,
    dependents: [
      ...(left.length === 0 ? [] : [`the snapshots ${left.map(quoted).join(', ')} of ${whose}`]),
      ...highAvailability(whose, status, row),
      ...replicated(whose, vmid, replication),
      ...backedUp(whose, vmid, jobs),
      ...(clones.length === 0
        ? []
        : [
            `linked clones that read from the disks of ${whose}: the guests ${clones.join(', ')}; Proxmox refuses while they exist`,
          ]),
    ],
    lastBackup: backupInWords(backups, now),
    warnings: [
      ...(rows.length > 0 && row === undefined ? [unseen(vmid)] : []),
      ...(guest.protected
        ? ['The guest is protected in its configuration: Proxmox refuses to destroy it or its disks.']
        : []),
    ],
  };
}

function newGuest({ vmid, node, name }: GuestAsked, type: KnownGuest['type']): DescribedGuest {
  const guest = compact<KnownGuest>({ type, vmid, node, name, status: NEW, disks: [] as string[] });
  return { guest, dependents: [], lastBackup: 'none, as it is new', warnings: [] };
}

function notFound(guest: Pick<KnownGuest, 'vmid' | 'type'>): DescribedGuest {
  return {
    guest: { ...guest, disks: [] },
    dependents: [],
    lastBackup: 'not known: the guest is not in the list of guests',
    warnings: [unseen(guest.vmid)],
  };
}

function unseen(vmid: number): string {
  return `No guest ${vmid} is in the list of guests that this service's token sees.`;
}

interface Disk {
  key: string;
  volume: string;
  size: string | undefined;
}

/** The volumes of a configuration; drives that hold an image of somebody else (CD-ROM) are not the guest's own. */
function disksOf(config: Json | undefined): Disk[] {
  return Object.entries(config ?? {}).flatMap(([key, value]) => {
    if (!DISK.test(key) || typeof value !== 'string' || /(?:^|,)media=cdrom/.test(value)) return [];
    const volume = value.split(',')[0] ?? '';
    return volume.includes(':') ? [{ key, volume, size: /(?:^|,)size=([^,]+)/.exec(value)?.[1] }] : [];
  });
}

/** Reads every storage that has backups once: a shared one from a single node. */
async function newestBackup(vmid: number, { rows, reads }: Sources): Promise<number | undefined> {
  const places = new Map<string, { storage: string; node: string }>();
  for (const { type, storage, node, content, shared, status } of rows) {
    if (type !== 'storage' || typeof storage !== 'string' || typeof node !== 'string') continue;
    if (!String(content).split(',').includes('backup') || status !== 'available') continue;
    const key = isTrue(shared) ? storage : `${node}/${storage}`;
    if (!places.has(key)) places.set(key, { storage, node });
  }
  const lists = await Promise.all(
    [...places.values()].map(({ storage, node }) =>
      reads(`The backups on ${quoted(storage)}`, apiPath`/nodes/${node}/storage/${storage}/content`, {
        content: 'backup',
        vmid,
      }),
    ),
  );
  const times = lists.flatMap(rowsOf).flatMap((row) => {
    const seconds = Number(row.ctime);
    return Number(row.vmid) === vmid && seconds > 0 ? [seconds * 1000] : [];
  });
  return times.length === 0 ? undefined : Math.max(...times);
}

/** Volumes of other guests that stand on the template's: Proxmox names the parent, or writes it in front. */
async function linkedClones(
  vmid: number,
  node: string,
  disks: readonly Disk[],
  reads: Reads,
): Promise<number[]> {
  const storages = new Set(disks.map(({ volume }) => volume.split(':')[0] ?? ''));
  const lists = await Promise.all(
    [...storages].map((storage) =>
      reads(`The content of ${quoted(storage)}`, apiPath`/nodes/${node}/storage/${storage}/content`),
    ),
  );
  const base = new RegExp(`(?:^|[:/])(?:base|basevol)-${vmid}-`);
  const clones = lists.flatMap(rowsOf).flatMap((row) => {
    const owner = Number(row.vmid);
    if (!(owner > 0) || owner === vmid) return [];
    return base.test(String(row.parent ?? '')) || base.test(String(row.volid)) ? [owner] : [];
  });
  return [...new Set(clones)].sort((a, b) => a - b);
}

function highAvailability(whose: string, status: Json | undefined, row: Json | undefined): string[] {
  const state = text(row?.hastate) ?? (isObject(status?.ha) ? text(status.ha.state) : undefined);
  const managed = state !== undefined || (isObject(status?.ha) && isTrue(status.ha.managed));
  return managed ? [`HA manages ${whose}${state === undefined ? '' : `, state ${quoted(state)}`}`] : [];
}

function replicated(whose: string, vmid: number, jobs: readonly Json[]): string[] {
  return jobs
    .filter(({ guest }) => Number(guest) === vmid)
    .map(
      ({ id, target }) =>
        `the replication job ${quoted(String(id))} of ${whose} to the node ${quoted(String(target))}`,
    );
}

/** Jobs that name the guest; one for all guests does not depend on it. */
function backedUp(whose: string, vmid: number, jobs: readonly Json[]): string[] {
  return jobs
    .filter((job) =>
      String(job.vmid ?? '')
        .split(/[\s,;]+/)
        .includes(String(vmid)),
    )
    .map(({ id }) => `the backup job ${quoted(String(id))} names ${whose}`);
}

/** `3 days ago (2026-11-18 02:00 UTC)`. */
function backupInWords(madeAt: number | undefined, now: number): string {
  if (madeAt === undefined) return 'none that this service can see';
  const minutes = Math.max(0, Math.floor((now - madeAt) / 60_000));
  const age =
    minutes < 120
      ? `${minutes} minutes`
      : minutes < 2 * 24 * 60
        ? `${Math.floor(minutes / 60)} hours`
        : `${Math.floor(minutes / 1440)} days`;
  return `${age} ago (${new Date(madeAt).toISOString().slice(0, 16).replace('T', ' ')} UTC)`;
}

function objectOf(data: unknown): Json | undefined {
  return isObject(data) ? data : undefined;
}
