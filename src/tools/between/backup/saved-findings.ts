import { quoted } from '../../../proxmox/text.ts';
import { someOf } from '../../fleet.ts';
import { blocks, type Finding, warns } from '../finding.ts';
import type { RestoreWish } from './restore-request.ts';

/** What a guest has that only its old cluster may have, and what is not in its backup. */
export function hardwareFindings({ point: { type }, saved, start }: RestoreWish): Finding[] {
  const entries = Object.entries(saved.options);
  const withKey = (pattern: RegExp) => entries.filter(([key]) => pattern.test(key));
  const devices = withKey(/^(?:hostpci|usb|dev|virtiofs)\d+$/).filter(
    ([, value]) => !/^spice(?:,|$)/.test(value),
  );
  const mapped = devices.flatMap(([, value]) => /(?:^|,)(?:mapping|dirid)=([^,]+)/.exec(value)?.[1] ?? []);
  const raw = devices.filter(([, value]) => !/(?:^|,)(?:mapping|dirid)=/.test(value)).map(([key]) => key);
  const binds = type === 'lxc' ? withKey(/^mp\d+$/).filter(([, value]) => value.startsWith('/')) : [];
  const leftOut = withKey(/^(?:(?:scsi|virtio|sata|ide)\d+|mp\d+)$/).filter(([key, value]) =>
    isLeftOut(type, key, value),
  );
  const files = withKey(/^(?:hookscript|cicustom)$/);
  const special = withKey(/^(?:args|affinity)$/).map(([key]) => key);
  return [
    ...(raw.length === 0
      ? []
      : [
          (start ? blocks : warns)(
            `It uses devices of its old node (${someOf(raw)}): it does not start without the same there.`,
            'Restore it stopped (start: false), then change them with update_guest.',
          ),
        ]),
    ...(mapped.length === 0
      ? []
      : [
          warns(
            `It uses the mappings ${someOf(mapped.map(quoted))}.`,
            'The target needs mappings of the same names.',
          ),
        ]),
    ...binds.map(([key, value]) =>
      warns(
        `${key} is the folder ${quoted(value.split(',')[0] ?? '')} of its old node, and not in the backup.`,
        'Copy it, or take the mount point away after the restore.',
      ),
    ),
    ...(leftOut.length === 0
      ? []
      : [
          warns(
            `${someOf(leftOut.map(([key]) => key))} is left out of backups: the copy comes without.`,
            'Include it (update_guest disks backup: true) and back up anew, where it matters.',
          ),
        ]),
    ...files.map(([key, value]) =>
      warns(`Its ${key} is ${quoted(value)}.`, 'The target needs the same file on a storage of that name.'),
    ),
    ...(special.length === 0
      ? []
      : [warns(`It has ${someOf(special)}, made for its old node.`, 'Look at it after the restore.')]),
    ...(/^custom-|(?:^|,)cputype=custom-/.test(saved.options.cpu ?? '')
      ? [
          (start ? blocks : warns)(
            `Its CPU model ${quoted(saved.options.cpu ?? '')} is defined on its old cluster.`,
            'Define it on the target as well, or restore it stopped and choose another.',
          ),
        ]
      : []),
  ];
}

function isLeftOut(type: 'qemu' | 'lxc', key: string, value: string): boolean {
  if (/(?:^|,)media=cdrom/.test(value)) return false;
  if (type === 'lxc') return key.startsWith('mp') && !value.startsWith('/') && !/(?:^|,)backup=1/.test(value);
  return /(?:^|,)backup=(?:0|no|off|false)/i.test(value);
}
