import { failure } from '../errors.ts';
import type { ClusterState } from '../state/cluster-state.ts';
import type { Guest } from '../state/guest.ts';

export const CPU_MODELS = [
  'host',
  'max',
  'kvm64',
  'qemu64',
  'x86-64-v2',
  'x86-64-v2-AES',
  'x86-64-v3',
  'x86-64-v4',
  'EPYC-Milan',
];

const MACHINES = ['10.1', '10.0', '9.2', '8.1'];

/** The versions of machine types that the QEMU of this release has, newest first. */
export function machineVersions({ release }: Pick<ClusterState, 'release'>): string[] {
  const newest = Number.parseInt(release.version, 10) >= 9 ? 10.1 : 9.2;
  return MACHINES.filter((version) => Number(version) <= newest);
}

/** The machine type that a VM starts with: the one it is pinned to, or the newest of its kind. */
export function machineOf(state: Pick<ClusterState, 'release'>, { config }: Pick<Guest, 'config'>): string {
  const [wanted = ''] = String(config.machine ?? '').split(',');
  if (/-\d+\.\d+/.test(wanted)) return wanted;
  const kind = wanted.includes('q35') ? 'q35' : 'i440fx';
  return `pc-${kind}-${machineVersions(state)[0]}`;
}

/** Throws what QEMU and qemu-server say on the target of a VM that can't start as it runs on the source. */
export function refuseStart(source: ClusterState, target: ClusterState, guest: Guest): void {
  const fail = (why: string): never => {
    throw failure(`error - tunnel command '{"cmd":"start",...}' failed - start failed: ${why}`);
  };
  const machine = machineOf(source, guest).replace(/\+pve\d+$/, '');
  if (!machineVersions(target).some((version) => machine.endsWith(`-${version}`))) {
    fail(`qemu-system-x86_64: unsupported machine type '${machine}'`);
  }
  const cpu =
    String(guest.config.cpu ?? '')
      .split(',')[0]
      ?.replace(/^cputype=/, '') ?? '';
  if (cpu.startsWith('custom-')) fail(`Custom cputype '${cpu.slice('custom-'.length)}' not found`);
  for (const [key, value] of Object.entries(guest.config)) {
    const kind = /^hostpci\d+$/.test(key) ? 'pci' : /^usb\d+$/.test(key) ? 'usb' : undefined;
    const [, mapping] = /(?:^|,)mapping=([^,]+)/.exec(String(value)) ?? [];
    if (kind === undefined || mapping === undefined) continue;
    if (!target.collections.has(`/cluster/mapping/${kind}`, mapping)) {
      fail(`${kind === 'pci' ? 'PCI' : 'USB'} device mapping not found for '${mapping}'.`);
    }
  }
}
