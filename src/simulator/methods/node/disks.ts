import { basename } from 'node:path';
import { failure } from '../../errors.ts';
import type { HostDisk, HostPool, NodeSettings } from '../../state/node-settings.ts';
import { items, scatter, served, startNodeTask } from '../declare.ts';
import { type Call, flag, type Method, optionalText, text } from '../method.ts';
import { hostOf, settings } from './system.ts';

function row({ wearout, osdid, type, gpt, ...disk }: HostDisk): Record<string, unknown> {
  return {
    ...disk,
    type,
    gpt: gpt ? 1 : 0,
    health: 'PASSED',
    wearout,
    rpm: type === 'hdd' ? 7200 : 0,
    wwn: `eui.${disk.serial.toLowerCase()}`,
    osdid: osdid ?? -1,
    'osdid-list': osdid === undefined ? null : [osdid],
    by_id_link: `/dev/disk/by-id/${type}-${disk.serial}`,
  };
}

function list(call: Call): unknown {
  const unused = optionalText(call, 'type') === 'unused';
  const { disks } = settings(call);
  const rows = disks.filter(({ used }) => !unused || used === undefined).map(row);
  const system = disks[0];
  if (!flag(call, 'include-partitions') || unused || !system) return rows;
  const partitions = ['BIOS boot', 'EFI', 'LVM'].map((used, index) => ({
    devpath: `${system.devpath}p${index + 1}`,
    parent: system.devpath,
    type: 'partition',
    used,
    size: index === 2 ? system.size - 1024 ** 3 : 512 * 1024 ** 2,
    gpt: 1,
  }));
  return [...rows, ...partitions];
}

function requireDisk({ disks }: NodeSettings, device: string): HostDisk {
  const disk = disks.find(({ devpath }) => devpath === device);
  if (!disk) throw failure(`not a valid block device '${device}'`);
  return disk;
}

function smart(call: Call): unknown {
  const disk = requireDisk(settings(call), text(call, 'disk'));
  if (flag(call, 'healthonly')) return { health: 'PASSED' };
  const hours = 4000 + Math.floor(scatter(disk.serial) * 9000);
  if (disk.type === 'nvme') {
    const used = `Percentage Used: ${100 - disk.wearout}%`;
    return {
      health: 'PASSED',
      type: 'text',
      text: `Temperature: 38 Celsius\n${used}\nPower On Hours: ${hours}\n`,
    };
  }
  const attribute = (id: number, name: string, raw: number) => {
    return {
      id: String(id).padStart(3),
      name,
      value: '100',
      worst: '100',
      threshold: '0',
      fail: '-',
      raw: String(raw),
      flags: '-O--CK',
    };
  };
  return {
    health: 'PASSED',
    type: 'ata',
    attributes: [attribute(5, 'Reallocated_Sector_Ct', 0), attribute(9, 'Power_On_Hours', hours)],
  };
}

function wipe(call: Call): string {
  const disk = requireDisk(settings(call), text(call, 'disk'));
  const { devpath } = disk;
  if (disk.used !== undefined && disk.osdid === undefined && settings(call).disks[0] === disk) {
    throw failure(`error wiping '${devpath}': disk/partition is mounted or in use`);
  }
  return startNodeTask(call, 'wipedisk', basename(devpath), {
    end: () => {
      delete disk.used;
      delete disk.osdid;
      disk.gpt = false;
    },
    log: [`wiping disk/partition ${devpath}`],
  });
}

function initialize(call: Call): string {
  const disk = requireDisk(settings(call), text(call, 'disk'));
  if (disk.used !== undefined || disk.gpt) throw failure(`disk '${disk.devpath}' is not empty`);
  return startNodeTask(call, 'diskinit', basename(disk.devpath), {
    end: () => {
      disk.gpt = true;
    },
    log: [`write an empty GPT to ${disk.devpath}`],
  });
}

type Kind = HostPool['kind'];
const USED: Record<Kind, string> = { zfs: 'ZFS', lvm: 'LVM', lvmthin: 'LVM', directory: 'ext4' };

/** Free disks become a pool, a volume group, a thin pool or a mounted file system. */
function make(kind: Kind) {
  return (call: Call): string => {
    const present = settings(call);
    const name = text(call, 'name');
    const devices = items(optionalText(call, 'devices') ?? text(call, 'device'));
    const disks = devices.map((device) => requireDisk(present, device));
    const busy = disks.find(({ used }) => used !== undefined);
    if (busy) throw failure(`device '${busy.devpath}' is already in use`);
    if (present.pools.some((pool) => pool.name === name)) throw failure(`'${name}' already exists`);
    const raidlevel = optionalText(call, 'raidlevel');
    return startNodeTask(call, `${kind === 'directory' ? 'dir' : kind}create`, name, {
      end: () => {
        for (const disk of disks) disk.used = USED[kind];
        present.pools.push({ kind, name, devices, options: raidlevel === undefined ? {} : { raidlevel } });
      },
      log: [`create ${kind} '${name}' on ${devices.join(', ')}`],
    });
  };
}

function destroy(kind: Kind) {
  return (call: Call): string => {
    const present = settings(call);
    const pool = requirePool(call, kind);
    return startNodeTask(call, `${kind === 'directory' ? 'dir' : kind}remove`, pool.name, {
      end: () => {
        present.pools = present.pools.filter((other) => other !== pool);
        if (!flag(call, 'cleanup-disks')) return;
        for (const disk of present.disks.filter(({ devpath }) => pool.devices.includes(devpath)))
          delete disk.used;
      },
      log: [`destroy ${kind} '${pool.name}'`],
    });
  };
}

function requirePool(call: Call, kind: Kind): HostPool {
  const pool = settings(call).pools.find((other) => other.kind === kind && other.name === text(call, 'name'));
  if (!pool) throw failure(`no such ${kind} '${text(call, 'name')}'`);
  return pool;
}

function poolsOf(call: Call, kind: Kind): { pool: HostPool; size: number }[] {
  const { pools, disks } = settings(call);
  return pools
    .filter((pool) => pool.kind === kind)
    .map((pool) => {
      const own = disks.filter(({ devpath }) => pool.devices.includes(devpath));
      const mirrored = pool.options.raidlevel === 'mirror' ? 1 / Math.max(1, own.length) : 1;
      return { pool, size: Math.floor(own.reduce((sum, { size }) => sum + size, 0) * mirrored) };
    });
}

function zfs(call: Call): unknown {
  return poolsOf(call, 'zfs').map(({ pool, size }) => {
    const alloc = Math.floor(size * 0.01);
    return { name: pool.name, size, alloc, free: size - alloc, frag: 0, dedup: 1, health: 'ONLINE' };
  });
}

function zfsDetail(call: Call): unknown {
  const { name, devices, options } = requirePool(call, 'zfs');
  const counts = { state: 'ONLINE', read: 0, write: 0, cksum: 0, msg: '' };
  const leaves = devices.map((device) => ({ name: device, ...counts, leaf: 1 }));
  const group =
    options.raidlevel === 'mirror' ? [{ name: 'mirror-0', ...counts, leaf: 0, children: leaves }] : leaves;
  const children = [{ name, ...counts, leaf: 0, children: group }];
  return { name, state: 'ONLINE', scan: 'none requested', errors: 'No known data errors', leaf: 0, children };
}

/** The volume group of the installer and those made since. */
function lvm(call: Call): unknown {
  const { disks } = settings(call);
  const installed = { name: 'pve', size: disks[0]?.size ?? 0, device: `${disks[0]?.devpath}p3`, lvcount: 3 };
  const made = [...poolsOf(call, 'lvm'), ...poolsOf(call, 'lvmthin')].map(({ pool, size }) => {
    return { name: pool.name, size, device: pool.devices[0] ?? '', lvcount: pool.kind === 'lvm' ? 0 : 1 };
  });
  return {
    leaf: 0,
    children: [installed, ...made].map(({ name, size, device, lvcount }) => {
      const free = name === 'pve' ? 16 * 1024 ** 3 : size;
      return { name, size, free, lvcount, leaf: 0, children: [{ name: device, size, free, leaf: 1 }] };
    }),
  };
}

function lvmthin(call: Call): unknown {
  const lvSize = 816 * 1024 ** 3;
  const used = Math.floor(lvSize * (0.2 + 0.2 * scatter(hostOf(call).name)));
  const metadata = { metadata_size: 8 * 1024 ** 3, metadata_used: Math.floor(used / 200) };
  const made = poolsOf(call, 'lvmthin').map(({ pool, size }) => {
    return {
      lv: pool.name,
      vg: pool.name,
      lv_size: size,
      used: 0,
      metadata_size: 1024 ** 3,
      metadata_used: 0,
    };
  });
  return [{ lv: 'data', vg: 'pve', lv_size: lvSize, used, ...metadata }, ...made];
}

function directories(call: Call): unknown {
  return poolsOf(call, 'directory').map(({ pool }) => ({
    path: `/mnt/pve/${pool.name}`,
    device: pool.devices[0],
    type: 'ext4',
    options: 'defaults',
    unitfile: `/etc/systemd/system/mnt-pve-${pool.name}.mount`,
  }));
}

const path = '/nodes/{node}/disks';
const kinds: [Kind, (call: Call) => unknown][] = [
  ['zfs', zfs],
  ['lvm', lvm],
  ['lvmthin', lvmthin],
  ['directory', directories],
];

export const diskMethods: Method[] = [
  served('GET', `${path}/list`, list),
  served('GET', `${path}/smart`, smart),
  served('PUT', `${path}/wipedisk`, wipe),
  served('POST', `${path}/initgpt`, initialize),
  served('GET', `${path}/zfs/{name}`, zfsDetail),
  ...kinds.flatMap(([kind, read]) => [
    served('GET', `${path}/${kind}`, read),
    served('POST', `${path}/${kind}`, make(kind)),
    served('DELETE', `${path}/${kind}/{name}`, destroy(kind)),
  ]),
];
