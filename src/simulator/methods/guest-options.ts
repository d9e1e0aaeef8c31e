import type { Guest, GuestType } from '../state/guest.ts';
import type { Properties } from '../verify.ts';
import { boolean, integer, optional, string } from './method.ts';

const text = optional(string);
const name = optional({ type: 'string', format: 'dns-name' });
const description = optional({ type: 'string', maxLength: 8192 });
const choice = (...values: string[]) => optional({ type: 'string', enum: values });

const COMMON: Properties = {
  cores: integer(1),
  cpuunits: integer(0, 500_000),
  cpulimit: { type: 'number', optional: 1, minimum: 0 },
  description,
  hookscript: text,
  nameserver: text,
  onboot: boolean,
  protection: boolean,
  searchdomain: text,
  startup: text,
  tags: text,
  template: boolean,
  'net[n]': text,
  'unused[n]': text,
};

const QEMU_OSTYPES = [
  'other',
  'wxp',
  'w2k',
  'w2k3',
  'w2k8',
  'wvista',
  'win7',
  'win8',
  'win10',
  'win11',
  'l24',
  'l26',
];

const QEMU: Properties = {
  ...COMMON,
  acpi: boolean,
  agent: text,
  args: text,
  balloon: integer(0),
  bios: choice('seabios', 'ovmf'),
  boot: text,
  cipassword: text,
  citype: choice('configdrive2', 'nocloud', 'opennebula'),
  ciuser: text,
  cpu: text,
  efidisk0: text,
  hotplug: text,
  kvm: boolean,
  machine: text,
  memory: optional({ type: 'string', pattern: '(?:current=)?\\d+' }),
  name,
  numa: boolean,
  ostype: choice(...QEMU_OSTYPES, 'solaris'),
  scsihw: choice('lsi', 'lsi53c810', 'virtio-scsi-pci', 'virtio-scsi-single', 'megasas', 'pvscsi'),
  sockets: integer(1),
  sshkeys: text,
  tablet: boolean,
  tpmstate0: text,
  vga: text,
  'hostpci[n]': text,
  'ide[n]': text,
  'ipconfig[n]': text,
  'sata[n]': text,
  'scsi[n]': text,
  'serial[n]': text,
  'usb[n]': text,
  'virtio[n]': text,
};

const LXC_OSTYPES = [
  'debian',
  'devuan',
  'ubuntu',
  'centos',
  'fedora',
  'opensuse',
  'archlinux',
  'alpine',
  'gentoo',
  'nixos',
];

const LXC: Properties = {
  ...COMMON,
  arch: choice('amd64', 'i386', 'arm64', 'armhf', 'riscv32', 'riscv64'),
  cmode: choice('shell', 'console', 'tty'),
  console: boolean,
  features: text,
  hostname: name,
  memory: integer(16),
  ostype: choice(...LXC_OSTYPES, 'unmanaged'),
  rootfs: text,
  swap: integer(0),
  timezone: text,
  tty: integer(0, 6),
  unprivileged: boolean,
  'dev[n]': text,
  'mp[n]': text,
};

/** The options a guest's configuration may hold: those of PVE's that callers set most. */
export const GUEST_OPTIONS: Record<GuestType, Properties> = { qemu: QEMU, lxc: LXC };

/** Options a running VM takes over at once, with the hotplugging that is on by default. */
const HOT_OPTIONS =
  /^(name|description|tags|onboot|protection|startup|hookscript|agent|template|lock|(ci|cloudinit)\w+|sshkeys|nameserver|searchdomain|(ipconfig|net|scsi|virtio|sata|ide|usb|unused)\d+)$/;

/** Options a running container takes over at its next start only. */
const COLD_CONTAINER_OPTIONS =
  /^(arch|cmode|console|dev\d+|features|mp\d+|ostype|rootfs|timezone|tty|unprivileged)$/;

/** Whether a running guest takes the option over at its next start only. */
export function isCold({ type }: Pick<Guest, 'type'>, key: string): boolean {
  return type === 'qemu' ? !HOT_OPTIONS.test(key) : COLD_CONTAINER_OPTIONS.test(key);
}
