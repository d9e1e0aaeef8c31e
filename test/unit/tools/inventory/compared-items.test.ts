import { describe, expect, it } from 'vitest';
import {
  backupJobItems,
  isEnabled,
  networkItems,
  nodeItems,
  roleItems,
  storageItems,
  templateItems,
  versionItems,
} from '../../../../src/tools/inventory/compared-items.ts';
import type { Items } from '../../../../src/tools/inventory/comparison.ts';

const GIB = 1024 ** 3;
const texts = (items: Items) => Object.fromEntries([...items].map(([name, { text }]) => [name, text]));

describe('the items of an aspect', () => {
  it('versions: one, or which nodes have which', () => {
    expect(
      texts(
        versionItems(
          new Map([
            ['a', '9.2.11'],
            ['b', '9.2.11'],
          ]),
        ),
      ),
    ).toEqual({ 'Proxmox VE': '9.2.11' });
    expect(
      texts(
        versionItems(
          new Map([
            ['a', '9.2.11'],
            ['b', '8.4.1'],
            ['c', '9.2.11'],
          ]),
        ),
      ),
    ).toEqual({
      'Proxmox VE': '8.4.1 on b; 9.2.11 on a, c',
    });
  });

  it('nodes: how many, who is away, how large; nothing of what is not told', () => {
    const nodes = [
      { node: 'a', status: 'online', cpus: 8, maxMemBytes: 64 * GIB },
      { node: 'b', status: 'offline' },
    ];
    expect(texts(nodeItems(nodes))).toEqual({
      nodes: '2, b offline',
      'CPUs per node': '8',
      'memory per node': '64 GiB',
    });
    expect(texts(nodeItems([{ node: 'a', status: 'online' }]))).toEqual({ nodes: '1, all online' });
  });

  it('storages: shared by type or by setting, where they are, for which nodes', () => {
    expect(
      texts(
        storageItems([
          { storage: 'nas', type: 'nfs', server: 's', export: '/e', content: 'images,backup', nodes: 'a,b' },
          {
            storage: 'local-lvm',
            type: 'lvmthin',
            vgname: 'pve',
            thinpool: 'data',
            content: 'rootdir,images',
          },
          { storage: 'old', type: 'dir', path: '/mnt/old', shared: 1, disable: 1 },
          { storage: 'smb', type: 'cifs', server: 's', share: 'x', username: 'canary', content: 'iso' },
        ]),
      ),
    ).toEqual({
      nas: 'nfs, shared, backup+images, s:/e, on a,b only',
      'local-lvm': 'lvmthin, images+rootdir, pve/data',
      old: 'dir, shared, no content, /mnt/old, disabled',
      smb: 'cifs, shared, iso, s:x',
    });
  });

  it('networks: bridges over all nodes, VNets once', () => {
    const bridges = new Map([
      [
        'a',
        [
          { iface: 'vmbr0', type: 'bridge' },
          { iface: 'desks', type: 'vnet' },
        ],
      ],
      [
        'b',
        [
          { iface: 'vmbr0', type: 'bridge', bridge_vlan_aware: 1 },
          { iface: 'vmbr1', type: 'OVSBridge', mtu: 9000 },
        ],
      ],
    ]);
    expect(texts(networkItems(bridges, [{ vnet: 'desks', zone: 'office', tag: 20, vlanaware: 1 }]))).toEqual({
      vmbr0: 'bridge on a; bridge, VLAN-aware on b, on all nodes',
      vmbr1: 'Open vSwitch bridge, MTU 9000, on b only',
      'VNet desks': 'zone office, tag 20, VLAN-aware',
    });
  });

  it('templates: alike by size, not by VMID or node; other guests are none', () => {
    const template = {
      id: 'qemu/900',
      type: 'qemu' as const,
      vmid: 900,
      node: 'a',
      name: 'base',
      status: 'stopped',
      tags: [],
    };
    const items = templateItems([
      { ...template, template: true, cpus: 2, maxMemBytes: GIB, maxDiskBytes: 10 * GIB },
      { ...template, id: 'qemu/100', name: 'web', template: false },
    ]);
    expect([...items]).toEqual([
      [
        'base',
        {
          text: 'VM 900 on a: 2 CPUs, 1 GiB memory, 10 GiB disk',
          same: 'VM: 2 CPUs, 1 GiB memory, 10 GiB disk',
        },
      ],
    ]);
  });

  it('roles: only those that somebody made', () => {
    const roles = [
      { roleid: 'Administrator', privs: 'VM.Audit', special: 1 },
      { roleid: 'Ops', privs: 'VM.Console,VM.Audit', special: 0 },
      { roleid: 'None', privs: '' },
    ];
    expect(texts(roleItems(roles))).toEqual({ Ops: 'VM.Audit, VM.Console', None: 'no privileges' });
  });

  it('backup jobs: by name, or by what they do where the id is made up', () => {
    const jobs = [
      {
        id: 'nightly',
        schedule: '02:00',
        vmid: '100,101',
        storage: 'pbs',
        'prune-backups': 'keep-last=3',
        enabled: 1,
      },
      {
        id: 'backup-1a2b3c4d-5e6f',
        schedule: 'sun 03:00',
        all: 1,
        exclude: '900',
        storage: 'nas',
        mode: 'stop',
        enabled: 0,
      },
      {
        id: 'backup-0a2b3c4d-5e6f',
        comment: 'customers',
        dow: 'sat',
        starttime: '01:00',
        pool: 'web',
        compress: 'zstd',
        'prune-backups': { 'keep-last': '3' },
      },
    ];
    expect(texts(backupJobItems(jobs))).toEqual({
      nightly: 'enabled, 02:00, guests 100,101, to pbs, snapshot, keep-last=3',
      'sun 03:00 of all guests but 900': 'disabled, sun 03:00, all guests but 900, to nas, stop',
      customers: 'enabled, sat 01:00, pool web, to the default storage, snapshot, zstd, keep-last=3',
    });
    expect(jobs.map(isEnabled)).toEqual([true, false, true]);
  });
});
