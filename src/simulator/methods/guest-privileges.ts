import { ApiError } from '../errors.ts';
import type { GuestType } from '../state/guest.ts';
import { isDrive } from '../state/volumes.ts';
import { require } from './declare.ts';
import type { Call } from './method.ts';

const AREAS: Record<GuestType, [RegExp, string][]> = {
  qemu: [
    [/^(cores|sockets|vcpus|cpu\w*|numa\d*|affinity|smp)$/, 'CPU'],
    [/^(memory|balloon|shares|hugepages|keephugepages)$/, 'Memory'],
    [/^net\d+$/, 'Network'],
    [/^(ci\w+|sshkeys|ipconfig\d+|nameserver|searchdomain)$/, 'Cloudinit'],
    [
      /^(acpi|arch|audio0|bios|hostpci\d+|kvm|machine|parallel\d+|rng0|scsihw|serial\d+|tablet|usb\d+|vga|watchdog)$/,
      'HWType',
    ],
  ],
  lxc: [
    [/^(cores|cpulimit|cpuunits)$/, 'CPU'],
    [/^(memory|swap)$/, 'Memory'],
    [/^(net\d+|nameserver|searchdomain|hostname)$/, 'Network'],
  ],
};

/** Files of the node are root's alone, whatever rights others have. */
export function refusePaths({ identity }: Call, options: Record<string, unknown>): void {
  if (identity.id === 'root@pam') return;
  if (Object.values(options).some((value) => /(?:^|,)import-from=\//.test(String(value)))) {
    throw new ApiError(403, 'Only root can pass arbitrary filesystem paths.');
  }
}

/** Any `VM.Config.*` lets a call in; each option then asks for the one of its own area. */
export function requireOptionPrivileges(call: Call, type: GuestType, options: Record<string, unknown>): void {
  refusePaths(call, options);
  for (const [key, value] of Object.entries(options)) {
    const disc = type === 'qemu' && String(value).includes('media=cdrom');
    const drive = disc || key === 'cdrom' ? 'CDROM' : 'Disk';
    const area = AREAS[type].find(([pattern]) => pattern.test(key))?.[1] ?? 'Options';
    require(call, `/vms/${call.parameters.vmid}`, `VM.Config.${isDrive(type, key) ? drive : area}`);
  }
}
