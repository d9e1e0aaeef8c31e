import { isTrue } from '../../../catalogue/json.ts';
import type { GuestRow, StorageRow } from '../../../clusters/inventory.ts';
import { quoted } from '../../../proxmox/text.ts';
import { someOf } from '../../fleet.ts';
import { CONFIG_CALLS, isCdrom, NIC_KEY, readConfig, VOLUME_KEY } from '../../guest-config.ts';
import { LIVE_CALLS, liveState } from '../../guest-live.ts';
import type { GuestTarget } from '../../guest-target.ts';
import { textOf } from '../../results.ts';
import { inWords, sizeOf } from '../../size.ts';
import { showsHostCpu } from './cpu-models.ts';
import { type LocalDisk, lacksRoom } from './examine.ts';

export const NEED_CALLS = [...CONFIG_CALLS, ...LIVE_CALLS] as const;

/** What a guest that is there needs of a node. */
export interface Needs {
  guest: GuestRow;
  isRunning: boolean;
  disks: readonly LocalDisk[];
  bridges: readonly string[];
  /** Devices of its own node. */
  devices: readonly string[];
  /** Mapped ones, which other nodes may have. */
  mappings: readonly string[];
  /** A running VM whose guest sees the CPU of its node. */
  hostCpu: boolean;
}

/** @throws CallError */
export async function needsOf(target: GuestTarget): Promise<Needs> {
  const [live, { values }] = await Promise.all([liveState(target), readConfig(target)]);
  const entries = Object.entries(values).flatMap(([key, value]) =>
    typeof value === 'string' ? [[key, value] as const] : [],
  );
  const devices = entries.filter(([key, value]) => isDevice(key, value));
  const mapped = devices.flatMap(([, value]) => /(?:^|,)mapping=([^,]+)/.exec(value)?.[1] ?? []);
  return {
    guest: target.guest,
    isRunning: live.state !== 'stopped',
    disks: entries
      .filter(([key, value]) => VOLUME_KEY.test(key) && !isCdrom(value) && /^[^/,]+:/.test(value))
      .map(([, value]) => {
        const volid = value.split(',')[0] ?? '';
        const bytes = sizeOf(/(?:^|,)size=([^,]+)/.exec(value)?.[1] ?? '') ?? 0;
        return { volid, storage: volid.split(':')[0] ?? '', bytes };
      }),
    bridges: bridgesIn(entries),
    devices: devices.filter(([, value]) => !/(?:^|,)mapping=/.test(value)).map(([key]) => key),
    mappings: mapped,
    hostCpu: target.guest.type === 'qemu' && live.state !== 'stopped' && showsHostCpu(values),
  };
}

function isDevice(key: string, value: string): boolean {
  if (/^(?:hostpci|dev|virtiofs)\d+$/.test(key)) return true;
  if (/^usb\d+$/.test(key)) return !/^(?:host=)?spice(?:,|$)/.test(value);
  return /^mp\d+$/.test(key) && value.startsWith('/') && !isTrue(/(?:^|,)shared=(\d)/.exec(value)?.[1]);
}

function bridgesIn(entries: readonly (readonly [string, string])[]): string[] {
  const nics = entries.filter(([key]) => NIC_KEY.test(key));
  return [...new Set(nics.flatMap(([, value]) => textOf(/(?:^|,)bridge=([^,]+)/.exec(value)?.[1]) ?? []))];
}

/** What its disks and devices say to another node of its own cluster. */
export function sayOfNode(
  { guest, disks, devices, mappings }: Needs,
  node: string,
  storages: readonly StorageRow[],
) {
  if (node === guest.node) return { for: ['it is there now'], against: [], lacks: [] };
  const rowOf = (storage: string) => storages.find((row) => row.node === node && row.storage === storage);
  const isShared = (storage: string) => storages.some((row) => row.storage === storage && row.shared);
  const local = disks.filter(({ storage }) => !isShared(storage));
  const missing = disks.filter(({ storage }) => isShared(storage) && rowOf(storage)?.status !== 'available');
  const lacking = lacksRoom(local, node, storages);
  const copied = local.reduce((sum, { bytes }) => sum + bytes, 0);
  return {
    for: [],
    against: [
      ...(local.length === 0 ? [] : [`${inWords(copied)} of local disks would be copied`]),
      ...(mappings.length === 0 ? [] : [`it needs the mapped devices ${someOf(mappings.map(quoted))} there`]),
    ],
    lacks: [
      ...(devices.length === 0
        ? []
        : [`the devices of ${quoted(guest.node)} that it uses: ${someOf([...devices])}`]),
      ...[...new Set(missing.map(({ storage }) => storage))].map(
        (storage) => `the storage ${quoted(storage)}`,
      ),
      ...(lacking === undefined ? [] : [`room: ${lacking}`]),
    ],
  };
}
