import type { ClusterState, Node } from './cluster-state.ts';
import type { Entry, Section } from './section.ts';

export interface HostDisk {
  devpath: string;
  type: 'nvme' | 'ssd' | 'hdd';
  /** bytes */
  size: number;
  model: string;
  serial: string;
  vendor: string;
  /** `LVM`, `partitions`, `ZFS`, `ext4`, `LVM, OSD`; without it the disk is free */
  used?: string;
  osdid?: number;
  gpt: boolean;
  /** percent of its life that is left, as PVE counts it */
  wearout: number;
}

export interface HostPool {
  kind: 'zfs' | 'lvm' | 'lvmthin' | 'directory';
  name: string;
  devices: string[];
  options: Entry;
}

export interface AptRepository {
  path: string;
  handle?: string;
  name: string;
  uri: string;
  suite: string;
  components: string[];
  enabled: boolean;
}

/** What an administrator sets up on one host. */
export interface NodeSettings {
  dns: Entry;
  hosts: string;
  timezone: string;
  /** Services that do not run. */
  stoppedServices: string[];
  subscriptionKey?: string;
  repositories: AptRepository[];
  /** Packages that `apt update` found; empty before its first run. */
  listsUpdated: boolean;
  config: Entry;
  customCertificate?: string;
  acmeCertificate?: boolean;
  disks: HostDisk[];
  pools: HostPool[];
  interfaces: Section;
  /** `/etc/network/interfaces.new`: what waits to be applied. */
  pendingInterfaces?: Section;
}

const GIB = 1024 ** 3;

function interfacesOf({ ip }: Node): Section {
  return {
    eno1: { iface: 'eno1', type: 'eth', method: 'manual', method6: 'manual', exists: 1, active: 1 },
    eno2: { iface: 'eno2', type: 'eth', method: 'manual', method6: 'manual', exists: 1, active: 1 },
    vmbr0: {
      iface: 'vmbr0',
      type: 'bridge',
      method: 'static',
      method6: 'manual',
      autostart: 1,
      active: 1,
      cidr: `${ip}/24`,
      address: ip,
      netmask: '24',
      gateway: '192.0.2.1',
      bridge_ports: 'eno1',
      bridge_stp: 'off',
      bridge_fd: '0',
    },
  };
}

function disksOf(state: ClusterState, { name, nodeid }: Node): HostDisk[] {
  const serial = (disk: number): string => `SIM${nodeid}0${disk}A7C3${disk}${nodeid}`;
  const osds = state.datacenter.ceph?.osds.filter(({ host }) => host === name) ?? [];
  return [
    {
      devpath: '/dev/nvme0n1',
      type: 'nvme',
      size: 953 * GIB,
      model: 'Simulated NVMe 1T',
      serial: serial(0),
      vendor: 'unknown',
      used: 'BIOS boot',
      gpt: true,
      wearout: 97,
    },
    ...osds.map(
      ({ id, device, size }, index): HostDisk => ({
        devpath: device,
        type: 'nvme',
        size,
        model: 'Simulated NVMe 1T92',
        serial: serial(index + 1),
        vendor: 'unknown',
        used: 'LVM',
        osdid: id,
        gpt: false,
        wearout: 95 - index,
      }),
    ),
    ...['/dev/sda', '/dev/sdb'].map(
      (devpath, index): HostDisk => ({
        devpath,
        type: 'ssd',
        size: 894 * GIB,
        model: 'Simulated SATA SSD',
        serial: serial(8 + index),
        vendor: 'ATA',
        gpt: false,
        wearout: 99,
      }),
    ),
  ];
}

const DEBIAN = 'http://debian.example/debian/';
const PROXMOX = 'http://download.proxmox.com/debian/pve';

function repositoriesOf(): AptRepository[] {
  const debian = { path: '/etc/apt/sources.list.d/debian.sources', name: 'Debian', uri: DEBIAN };
  return [
    { ...debian, suite: 'trixie', components: ['main', 'contrib'], enabled: true },
    { ...debian, suite: 'trixie-updates', components: ['main', 'contrib'], enabled: true },
    {
      path: '/etc/apt/sources.list.d/pve-enterprise.sources',
      handle: 'enterprise',
      name: 'Enterprise',
      uri: 'https://enterprise.proxmox.com/debian/pve',
      suite: 'trixie',
      components: ['pve-enterprise'],
      enabled: false,
    },
    {
      path: '/etc/apt/sources.list.d/proxmox.sources',
      handle: 'no-subscription',
      name: 'No-Subscription',
      uri: PROXMOX,
      suite: 'trixie',
      components: ['pve-no-subscription'],
      enabled: true,
    },
  ];
}

/** @returns what is set on a host, made from the host itself when it is first asked for */
export function settingsOf(state: ClusterState, node: Node): NodeSettings {
  const { nodes } = state.datacenter;
  const settings = nodes[node.name] ?? {
    dns: { search: 'example.com', dns1: '192.0.2.1' },
    hosts: `127.0.0.1 localhost.localdomain localhost\n${node.ip} ${node.name}.example.com ${node.name}\n`,
    timezone: 'Europe/Vienna',
    stoppedServices: ['ksmtuned'],
    repositories: repositoriesOf(),
    listsUpdated: true,
    config: {},
    disks: disksOf(state, node),
    pools: [],
    interfaces: interfacesOf(node),
  };
  nodes[node.name] = settings;
  return settings;
}
