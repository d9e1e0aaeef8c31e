import { describe, expect, it } from 'vitest';
import { parseConfig, savedDisks, savedName } from '../../../../src/tools/backups/guest-config.ts';

const VM = [
  '#Web%20server%0A',
  '#qmdump#map:scsi0:drive-scsi0:local-lvm:raw:',
  'boot: order=scsi0',
  'cipassword: $5$canary',
  'ide2: local:iso/debian.iso,media=cdrom',
  'name: web',
  'scsi0: local-lvm:vm-100-disk-0,size=32G',
  'scsi1: nas:100/vm-100-disk-1.qcow2,backup=0,size=500G',
  'unused0: local-lvm:vm-100-disk-7',
  '',
  '[before]',
  'name: older',
  'scsi5: local-lvm:vm-100-disk-5',
].join('\n');

describe('parseConfig', () => {
  it('reads options and the description, and no section of it', () => {
    const { options, description } = parseConfig(VM);
    expect(options).toMatchObject({ name: 'web', boot: 'order=scsi0', cipassword: '[redacted]' });
    expect(options).not.toHaveProperty('scsi5');
    expect(description).toContain('Web server');
    expect(description).not.toContain('qmdump');
  });

  it('takes broken percent-encoding as it is, and nothing for nothing', () => {
    expect(parseConfig('#100%\n').description).toBe('100%');
    expect(parseConfig('')).toEqual({ options: {}, description: '' });
  });
});

describe('savedDisks', () => {
  it('counts what the archive holds: no CD, no excluded or unused disk', () => {
    expect(savedDisks(parseConfig(VM), 'qemu')).toEqual([
      { key: 'scsi0', storage: 'local-lvm', size: '32G' },
    ]);
  });

  it('of a container: its root, and mount points that say so', () => {
    const text =
      'hostname: dns\nrootfs: tank:subvol-1-disk-0,size=4G\nmp0: tank:x,mp=/a,backup=1\nmp1: tank:y,mp=/b\nmp2: /srv,mp=/c,backup=1';
    const saved = parseConfig(text);
    expect(savedDisks(saved, 'lxc').map(({ key }) => key)).toEqual(['rootfs', 'mp0']);
    expect(savedName(saved)).toBe('dns');
  });
});
