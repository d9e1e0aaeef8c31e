import { describe, expect, it } from 'vitest';
import { mergedUpdates } from '../../../../src/tools/system/updates.ts';

const row = (name: string, to: string, more: Record<string, string> = {}) => ({
  Package: name,
  OldVersion: '1',
  Version: to,
  Origin: 'Proxmox',
  ...more,
});

describe('updates of many nodes', () => {
  it('are one row where package and versions are the same', () => {
    const merged = mergedUpdates([
      { node: 'a1', answer: [row('qemu-server', '2'), row('pve-manager', '2')] },
      { node: 'a2', answer: [row('pve-manager', '2'), row('qemu-server', '3')] },
    ]);
    expect(merged.map(({ package: name, to, nodes }) => [name, to, nodes])).toEqual([
      ['pve-manager', '2', ['a1', 'a2']],
      ['qemu-server', '2', ['a1']],
      ['qemu-server', '3', ['a2']],
    ]);
  });

  it('begin with security, as far as Proxmox tells, then what needs a reboot', () => {
    const merged = mergedUpdates([
      {
        node: 'a1',
        answer: [
          row('bash', '2'),
          row('proxmox-kernel-6.17', '2'),
          row('openssl', '2', { Origin: 'Debian-Security' }),
          row('intel-microcode', '2', { Origin: 'Debian' }),
        ],
      },
    ]);
    expect(merged.map(({ package: name }) => name)).toEqual([
      'openssl',
      'intel-microcode',
      'proxmox-kernel-6.17',
      'bash',
    ]);
    expect(merged[0]).toMatchObject({ security: true });
    expect(merged[3]).not.toHaveProperty('security');
    expect(merged[3]).not.toHaveProperty('restart');
  });
});
