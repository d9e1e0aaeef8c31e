import type { GatedCluster } from '../../../access/gate.ts';
import { isObject, isTrue } from '../../../catalogue/json.ts';
import type { GuestRow, StorageRow } from '../../../clusters/inventory.ts';
import { toCallError } from '../../../proxmox/errors.ts';
import { quoted } from '../../../proxmox/text.ts';
import { someOf } from '../../fleet.ts';
import { CONFIG_CALLS, readConfig, VOLUME_KEY } from '../../guest-config.ts';
import { LIVE_CALLS, type LiveState, liveState } from '../../guest-live.ts';
import { type GuestTarget, targetOf } from '../../guest-target.ts';
import { isAvailable } from '../../inventory/capacity.ts';
import { numberOf, rowsOf, textOf } from '../../results.ts';
import { sizeOf } from '../../size.ts';

export const EXAMINE_CALLS = [
  ['GET', '/nodes/{node}/qemu/{vmid}/migrate'],
  ['GET', '/nodes/{node}/lxc/{vmid}/migrate'],
  ...CONFIG_CALLS,
  ...LIVE_CALLS,
] as const;

/** A disk that only the guest's own node has, and that is copied when the guest moves. */
export interface LocalDisk {
  volid: string;
  storage: string;
  bytes: number;
}

/** How a guest could go to another node of its cluster. */
export interface Examined {
  guest: GuestRow;
  /** `restart`: a container is shut down, moved and started. `offline`: it is down. */
  how: 'live' | 'restart' | 'offline';
  /** Under HA a move is asked for, and HA does it. */
  isHa: boolean;
  local: readonly LocalDisk[];
  /** What keeps it from single nodes; a node that is absent is not known to be refused. */
  refused: ReadonlyMap<string, string>;
}

/** A guest that stays where it is. */
export interface Stays {
  guest: GuestRow;
  why: string;
  do: string;
}

export interface MoveOptions {
  includeLocal: boolean;
  /** Containers can't move while they run. */
  restartContainers: boolean;
}

/**
 * Finds out whether and how a guest can leave its node, as Proxmox tells before it is tried.
 *
 * @throws the signal's reason
 */
export async function examine(
  cluster: GatedCluster,
  guest: GuestRow,
  storages: readonly StorageRow[],
  options: MoveOptions,
  signal: AbortSignal,
): Promise<Examined | Stays> {
  const stays = (why: string, advice: string): Stays => ({ guest, why, do: advice });
  if (guest.template)
    return stays('It is a template.', 'Templates do not run: leave it, or move it with migrate_guest.');
  try {
    const target = targetOf(cluster, guest);
    const live = await liveState(target);
    if (live.lock !== undefined) {
      return stays(`It is locked (${quoted(live.lock)}).`, 'Wait for its task (list_tasks), and ask again.');
    }
    return guest.type === 'qemu'
      ? await examineVm(target, live, options)
      : await examineContainer(target, live, storages, options);
  } catch (thrown) {
    signal.throwIfAborted();
    const { code, message, hint } = toCallError(thrown);
    return stays(`It could not be looked at (${code}): ${message}`, hint);
  }
}

async function examineVm(
  target: GuestTarget,
  live: LiveState,
  { includeLocal }: MoveOptions,
): Promise<Examined | Stays> {
  const { cluster, guest, at } = target;
  const { data } = await cluster.request({ method: 'GET', path: at('migrate') });
  const facts = isObject(data) ? data : {};
  const runs = live.state === 'running' || live.state === 'paused';
  const stays = (why: string, advice: string): Stays => ({ guest, why, do: advice });
  const devices = textsOf(facts.local_resources);
  if (devices.length > 0) {
    return stays(
      `It uses devices of its node: ${someOf(devices)}.`,
      runs ? 'Shut it down for the maintenance, or take them off.' : 'Take them off, or leave it.',
    );
  }
  const pinned = runs ? fixedMappings(facts) : [];
  if (pinned.length > 0) {
    return stays(
      `It uses mapped devices that can't move live: ${someOf(pinned.map(quoted))}.`,
      'Shut it down first.',
    );
  }
  const disks = rowsOf(facts.local_disks);
  const discs = disks.filter((disk) => isTrue(disk.cdrom)).flatMap(({ volid }) => textOf(volid) ?? []);
  if (discs.length > 0) {
    return stays(
      `It has a disc of its node in a drive: ${someOf(discs.map(quoted))}.`,
      "Eject it: update_guest disks=[{id, iso: 'none'}].",
    );
  }
  const local = disks.map((disk) => localDisk(textOf(disk.volid) ?? '', numberOf(disk.size) ?? 0));
  if (local.length > 0 && !includeLocal) return stays(...localReason(local));
  const refused = isObject(facts.not_allowed_nodes) ? facts.not_allowed_nodes : {};
  return {
    guest,
    how: runs ? 'live' : 'offline',
    isHa: live.isHa,
    local,
    refused: new Map(Object.entries(refused).map(([node, why]) => [node, reasonOf(why)])),
  };
}

async function examineContainer(
  target: GuestTarget,
  live: LiveState,
  storages: readonly StorageRow[],
  { includeLocal, restartContainers }: MoveOptions,
): Promise<Examined | Stays> {
  const { guest } = target;
  const stays = (why: string, advice: string): Stays => ({ guest, why, do: advice });
  const runs = live.state === 'running';
  if (runs && !restartContainers) {
    return stays(
      "It is a running container, and these can't move live.",
      'Pass restart_containers=true, or shut it down.',
    );
  }
  const [{ values }, refused] = await Promise.all([readConfig(target), refusedToContainer(target)]);
  const entries = Object.entries(values).flatMap(([key, value]) =>
    typeof value === 'string' ? [[key, value] as const] : [],
  );
  const binds = entries.filter(
    ([key, value]) => /^(?:mp|dev)\d+$/.test(key) && value.startsWith('/') && !/(?:^|,)shared=1/.test(value),
  );
  if (binds.length > 0) {
    return stays(
      `It uses what its node alone has: ${someOf(binds.map(([key]) => key))}.`,
      'Shut it down for the maintenance, or take it off.',
    );
  }
  const isShared = (storage: string) => storages.some((row) => row.storage === storage && row.shared);
  const local = entries
    .filter(([key, value]) => VOLUME_KEY.test(key) && value.includes(':') && !value.startsWith('/'))
    .map(([, value]) =>
      localDisk(value.split(',')[0] ?? '', sizeOf(/(?:^|,)size=([^,]+)/.exec(value)?.[1] ?? '') ?? 0),
    )
    .filter(({ storage }) => !isShared(storage));
  if (local.length > 0 && !includeLocal) return stays(...localReason(local));
  return { guest, how: runs ? 'restart' : 'offline', isHa: live.isHa, local, refused };
}

/** Told since Proxmox VE 9.1. */
async function refusedToContainer({ cluster, at }: GuestTarget): Promise<ReadonlyMap<string, string>> {
  const catalogue = await cluster.catalogue();
  if (
    catalogue.get('GET', '/nodes/{node}/lxc/{vmid}/migrate') === undefined ||
    catalogue.source === 'built-in'
  ) {
    return new Map();
  }
  const { data } = await cluster.request({ method: 'GET', path: at('migrate') });
  const refused = isObject(data) && isObject(data['not-allowed-nodes']) ? data['not-allowed-nodes'] : {};
  return new Map(Object.entries(refused).map(([node, why]) => [node, reasonOf(why)]));
}

/** Whether a storage of this name on the node has room for what is copied there; undefined where it has. */
export function lacksRoom(
  local: readonly LocalDisk[],
  node: string,
  storages: readonly StorageRow[],
): string | undefined {
  for (const [storage, disks] of Map.groupBy(local, (disk) => disk.storage)) {
    const row = storages.find((one) => one.node === node && one.storage === storage && isAvailable(one));
    if (row === undefined) return `it has no storage ${quoted(storage)} for the local disks`;
    const free = (row.totalBytes ?? 0) - (row.usedBytes ?? 0);
    const wanted = disks.reduce((sum, { bytes }) => sum + bytes, 0);
    if (free < wanted) return `${quoted(storage)} on it has no room for the local disks`;
  }
  return undefined;
}

function localDisk(volid: string, bytes: number): LocalDisk {
  return { volid, storage: volid.split(':')[0] ?? '', bytes };
}

function localReason(local: readonly LocalDisk[]): [why: string, advice: string] {
  const names = someOf(
    local.map(({ volid }) => quoted(volid)),
    5,
  );
  return [
    `It has local disks: ${names}.`,
    'Pass include_local=true to have them copied, or move_disk to a shared storage first.',
  ];
}

function fixedMappings(facts: Readonly<Record<string, unknown>>): string[] {
  const known = isObject(facts['mapped-resource-info']) ? facts['mapped-resource-info'] : {};
  const canMove = (name: string): boolean => {
    const info = known[name];
    return isObject(info) && isTrue(info['live-migration']);
  };
  return textsOf(facts['mapped-resources']).filter((name) => !canMove(name));
}

function reasonOf(refusal: unknown): string {
  if (!isObject(refusal)) return 'Proxmox refuses it';
  const storages = textsOf(refusal.unavailable_storages);
  const resources = [...textsOf(refusal['unavailable-resources']), ...textsOf(refusal.unavailable_resources)];
  const blocking = rowsOf(refusal['blocking-ha-resources']).flatMap(({ sid }) => textOf(sid) ?? []);
  const parts = [
    ...(storages.length === 0 ? [] : [`it lacks the storage ${someOf(storages.map(quoted))}`]),
    ...(resources.length === 0 ? [] : [`it lacks the mapped devices ${someOf(resources.map(quoted))}`]),
    ...(blocking.length === 0 ? [] : [`rules of HA keep it away: ${someOf(blocking.map(quoted))}`]),
  ];
  return parts.join('; ') || 'Proxmox refuses it';
}

function textsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}
