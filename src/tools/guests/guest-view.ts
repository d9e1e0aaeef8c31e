import { isObject, isTrue } from '../../catalogue/json.ts';
import { NIC_KEY, VOLUME_KEY } from '../guest-config.ts';
import type { LiveState } from '../guest-live.ts';
import { readProperties } from '../property-string.ts';
import { compact, numberOf, percentOf, rowsOf, textOf } from '../results.ts';

const MOST_ADDRESSES = 50;
const MOST_SNAPSHOTS = 50;
/** Of what a person wrote about the guest. */
const MOST_NOTES = 2000;

/** Models of a VM's NIC stand as a key, with the MAC as its value. */
const MODEL = /^(?:e1000|i825|ne2k|pcnet|rtl8139|virtio|vmxnet3)/;
/** Whatever they hold, it is nothing to show. */
const HIDDEN = new Set(['cipassword', 'digest']);

export function shownState(live: LiveState) {
  const { state, lock, row } = live;
  const [memory, maxMemory] = [numberOf(row.mem), numberOf(row.maxmem)];
  return {
    state,
    ...compact({
      lock,
      uptime_seconds: numberOf(row.uptime),
      cpus: numberOf(row.cpus),
      cpu_percent: state === 'running' ? percentOf(numberOf(row.cpu), 1) : undefined,
      mem_bytes: memory,
      max_mem_bytes: maxMemory,
      mem_percent: state === 'running' ? percentOf(memory, maxMemory) : undefined,
      ha_state: live.isHa ? (live.haState ?? 'managed') : undefined,
      template: live.isTemplate ? true : undefined,
    }),
  };
}

/** The configuration as people read it: disks and NICs taken apart, the rest under Proxmox' own keys. */
export function shownConfig(values: Readonly<Record<string, unknown>>) {
  const entries = Object.entries(values).filter(([key]) => !HIDDEN.has(key));
  const byKey = ([one]: [string, unknown], [other]: [string, unknown]): number =>
    one.localeCompare(other, 'en', { numeric: true });
  const disks = entries.filter(([key]) => VOLUME_KEY.test(key)).sort(byKey);
  const nics = entries.filter(([key]) => NIC_KEY.test(key)).sort(byKey);
  const rest = entries.filter(([key]) => !VOLUME_KEY.test(key) && !NIC_KEY.test(key));
  return {
    options: Object.fromEntries(rest.map(([key, value]) => [key, shownValue(key, value)])),
    disks: disks.map(([id, value]) => shownDisk(id, String(value))),
    nics: nics.map(([id, value]) => shownNic(id, String(value))),
  };
}

function shownValue(key: string, value: unknown): unknown {
  if (key === 'tags' && typeof value === 'string') return value.split(/[;,\s]+/).filter(Boolean);
  if (key === 'description' && typeof value === 'string') return value.slice(0, MOST_NOTES).toWellFormed();
  // They are kept percent-encoded.
  return key === 'sshkeys' && typeof value === 'string' ? decoded(value) : value;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text).trim();
  } catch {
    return text;
  }
}

function shownDisk(id: string, value: string) {
  const { lead, options } = readProperties(value);
  const volume = lead ?? options.get('file') ?? options.get('volume');
  const { file: _file, volume: _volume, ...rest } = Object.fromEntries(options);
  const storage = volume?.includes(':') ? volume.split(':')[0] : undefined;
  return { id, ...compact({ volume, storage }), ...rest };
}

function shownNic(id: string, value: string) {
  const { lead, options } = readProperties(value);
  const { tag: vlan, hwaddr, macaddr, ...rest } = Object.fromEntries(options);
  const [model] = Object.keys(rest).filter((key) => MODEL.test(key));
  const mac = model === undefined ? (hwaddr ?? macaddr) : rest[model];
  if (model !== undefined) delete rest[model];
  return { id, ...compact({ model: model ?? lead, mac, vlan }), ...rest };
}

/** What the agent of a VM or the host of a container says, without loopback. */
export function shownAddresses(data: unknown) {
  const rows = isObject(data) ? rowsOf(data.result) : rowsOf(data);
  return rows
    .filter(({ name }) => name !== 'lo')
    .slice(0, MOST_ADDRESSES)
    .map((row) => ({
      nic: textOf(row.name) ?? '',
      ...compact({ mac: textOf(row['hardware-address']) ?? textOf(row.hwaddr) }),
      ips: rowsOf(row['ip-addresses'])
        .flatMap((address) => textOf(address['ip-address']) ?? [])
        .filter((ip) => ip !== '::1' && !ip.startsWith('127.')),
    }));
}

/** The newest snapshots first. */
export function shownSnapshots(data: unknown) {
  const rows = rowsOf(data).filter(({ name }) => name !== 'current');
  const sorted = rows.sort((one, other) => (numberOf(other.snaptime) ?? 0) - (numberOf(one.snaptime) ?? 0));
  return {
    total: rows.length,
    newest: sorted.slice(0, MOST_SNAPSHOTS).map((row) => ({
      name: textOf(row.name) ?? '',
      ...compact({
        created_at: isoSeconds(row.snaptime),
        description: textOf(row.description)?.trim(),
        with_ram: isTrue(row.vmstate) ? true : undefined,
      }),
    })),
  };
}

function isoSeconds(value: unknown): string | undefined {
  const seconds = numberOf(value);
  return seconds === undefined ? undefined : new Date(seconds * 1000).toISOString();
}

/** What waits for the next start. */
export function shownPending(data: unknown) {
  return rowsOf(data)
    .filter((row) => row.pending !== undefined || isTrue(row.delete) || row.delete === 2)
    .map((row) => ({
      key: textOf(row.key) ?? '',
      ...(row.key === 'cipassword'
        ? { change: 'a new password' }
        : compact({ now: scalar(row.value), next: scalar(row.pending) })),
      ...(row.pending === undefined ? { removed: true } : {}),
    }));
}

function scalar(value: unknown): string | number | undefined {
  return typeof value === 'string' || typeof value === 'number' ? value : undefined;
}
