import { describe, expect, it } from 'vitest';
import type { GatedCluster } from '../../../../../src/access/gate.ts';
import type { Inventory, StorageRow } from '../../../../../src/clusters/inventory.ts';
import { parseConfig } from '../../../../../src/tools/backups/guest-config.ts';
import type { RestorePoint } from '../../../../../src/tools/between/backup/restore-points.ts';
import { type RestoreWish, restorePlan } from '../../../../../src/tools/between/backup/restore-request.ts';
import {
  proposedNode,
  proposedStorage,
  type RestoreTarget,
} from '../../../../../src/tools/between/backup/restore-target.ts';

const GIB = 1024 ** 3;

const row = (storage: string, node: string, more: Partial<StorageRow> = {}): StorageRow => ({
  ...{ id: `storage/${node}/${storage}`, storage, node, status: 'available', shared: false },
  ...{ content: ['images', 'rootdir'], pluginType: 'lvm', usedBytes: 0, totalBytes: 100 * GIB },
  ...more,
});

const NODES = [
  { node: 'a1', status: 'online', cpus: 4, memBytes: 0, maxMemBytes: 8 * GIB },
  { node: 'a2', status: 'online', cpus: 16, memBytes: 0, maxMemBytes: 64 * GIB },
  { node: 'a3', status: 'offline' },
];
const BACKUPS = NODES.map(({ node }) =>
  row('dumps', node, { content: ['backup'], shared: true, pluginType: 'nfs' }),
);

function target(more: Partial<Inventory> = {}, settings = {}): RestoreTarget {
  const guests = [
    {
      id: 'qemu/100',
      type: 'qemu',
      vmid: 100,
      node: 'a1',
      name: 'taken',
      nameLower: 'taken',
      status: 'running',
    },
  ];
  const inventory = {
    guests,
    nodes: NODES,
    storages: [...BACKUPS, row('disks', 'a1'), row('disks', 'a2')],
    ...more,
  };
  const bridges = ['a1', 'a2'].map((node) => [node, [{ name: 'vmbr0', isVnet: false }]] as const);
  return {
    cluster: { name: 'away', settings } as unknown as GatedCluster,
    inventory: inventory as unknown as Inventory,
    bridges: new Map(bridges),
    unreadBridges: new Map(),
    permissions: {
      '/': Object.fromEntries(
        [
          'VM.Allocate',
          'VM.Backup',
          'VM.PowerMgmt',
          'VM.Config.Network',
          'VM.Config.Options',
          'SDN.Use',
          'Datastore.AllocateSpace',
        ].map((privilege) => [privilege, 1]),
      ),
    },
  };
}

const POINT: RestorePoint = {
  ...{ volid: 'dumps:backup/vzdump-qemu-201-2026_01_01-00_00_00.vma.zst', storage: 'dumps', node: 'a1' },
  ...{ shared: true, vmid: 201, type: 'qemu', madeAt: 0, bytes: 1, format: 'vma.zst', notes: undefined },
  ...{ protected: false, verification: undefined, encrypted: undefined },
};
const SAVED = parseConfig(
  'name: idle\ncores: 2\nmemory: 512\nscsi0: old:vm-201-disk-0,size=4G\nnet0: virtio=BC:24:11:00:00:01,bridge=vmbr0\n',
);
const wish = (more: Partial<RestoreWish> = {}): RestoreWish => ({
  point: POINT,
  saved: SAVED,
  vmid: 201,
  node: 'a1',
  start: false,
  ...more,
});
const savedWith = (text: string) =>
  parseConfig(
    `${Object.entries(SAVED.options)
      .map(([key, value]) => `${key}: ${value}\n`)
      .join('')}${text}`,
  );
const findings = (asked: Partial<RestoreWish>, on = target()) =>
  restorePlan(on, wish(asked)).findings.map(
    ({ severity, what, do: advice }) => `${severity}: ${what} ${advice}`,
  );

describe('what is sent', () => {
  it('restores a VM, unique, and overwrites nothing', () => {
    const { requests, findings: against, bytes } = restorePlan(target(), wish());
    expect(against).toEqual([]);
    expect(bytes).toBe(4 * GIB);
    expect(requests.map(({ method, path, data }) => ({ call: `${method} ${path}`, data }))).toEqual([
      {
        call: 'POST /nodes/a1/qemu',
        data: { vmid: 201, archive: POINT.volid, name: 'idle', storage: 'disks', unique: true },
      },
    ]);
  });

  it('restores a container by its own parameters, settles it, and starts it last', () => {
    const saved = parseConfig(
      'hostname: dns\nrootfs: old:subvol-210-disk-0,size=4G\nnet0: name=eth0,bridge=vmbr7\n',
    );
    const point: RestorePoint = { ...POINT, type: 'lxc', vmid: 210 };
    const { requests } = restorePlan(
      target(),
      wish({ point, saved, vmid: 210, start: true, bridgeMap: { vmbr7: 'vmbr0' } }),
    );
    expect(requests.map(({ method, path, data }) => ({ call: `${method} ${path}`, data }))).toEqual([
      {
        call: 'POST /nodes/a1/lxc',
        data: {
          vmid: 210,
          ostemplate: POINT.volid,
          restore: true,
          hostname: 'dns',
          storage: 'disks',
          unique: true,
        },
      },
      { call: 'PUT /nodes/a1/lxc/210/config', data: { net0: 'name=eth0,bridge=vmbr0' } },
      { call: 'POST /nodes/a1/lxc/210/status/start', data: undefined },
    ]);
  });

  it('never holds force, start or the MAC of the original', () => {
    for (const start of [true, false]) {
      for (const { data = {} } of restorePlan(target(), wish({ start, name: 'x' })).requests) {
        expect(Object.keys(data)).not.toContain('force');
        expect(Object.keys(data)).not.toContain('start');
        expect(JSON.stringify(data)).not.toContain('BC:24:11');
      }
    }
  });
});

describe('what speaks against it', () => {
  it.each<[what: string, asked: Partial<RestoreWish>, words: RegExp]>([
    ['a taken VMID', { vmid: 100 }, /^blocks: away has 100 already: taken on a1/],
    ['a name that is there', { name: 'TAKEN' }, /^warns: 100 of away is called TAKEN, too/],
    ['a node that is offline', { node: 'a3' }, /^blocks: The node a3 of away is offline.*a1, a2/],
    [
      'too many vCPUs to start',
      { start: true, saved: savedWith('sockets: 4\n') },
      /^blocks: It has 8 vCPUs and a1 has 4 CPUs/,
    ],
    ['too many vCPUs, stopped', { saved: savedWith('sockets: 4\n') }, /^warns: It has 8 vCPUs/],
    [
      'too much memory',
      { saved: savedWith('memory: 65536\n') },
      /^warns: It may take 64 GiB of memory, and a1 has 8 GiB free/,
    ],
    [
      'a damaged backup',
      { point: { ...POINT, verification: 'failed' } },
      /^blocks: Its verification by PBS failed/,
    ],
    ['an encrypted backup', { point: { ...POINT, encrypted: '1' } }, /^warns: The backup is encrypted/],
    [
      'a backup of another node',
      { point: { ...POINT, shared: false, node: 'a2' } },
      /^blocks: a1 of away can't read the backup.*target_node a2/,
    ],
    [
      'a storage without room',
      { saved: savedWith('scsi1: old:vm-201-disk-1,size=200G\n') },
      /^blocks: Its disks have 204 GiB, and disks on a1 has 100 GiB free/,
    ],
    [
      'disks of unknown size',
      { saved: savedWith('scsi1: old:vm-201-disk-1\n') },
      /^warns: Whether its disks fit on disks is not known/,
    ],
    [
      'a bridge that is not there',
      { bridgeMap: { vmbr0: 'vmbr3' } },
      /^blocks: a1 of away has no bridge vmbr3.*bridge_map \{"vmbr0": …\} with one of vmbr0/,
    ],
    [
      'a map of a bridge that nobody is on',
      { bridgeMap: { vmbr8: 'vmbr0' } },
      /^warns: bridge_map names vmbr8/,
    ],
    [
      'a device of the node',
      { start: true, saved: savedWith('usb0: host=1050:0407\n') },
      /^blocks: It uses devices of its old node \(usb0\)/,
    ],
    ['a mapped device', { saved: savedWith('hostpci0: mapping=gpu\n') }, /^warns: It uses the mappings gpu/],
    [
      'a disk that is left out of backups',
      { saved: savedWith('scsi3: old:vm-201-disk-9,backup=0,size=1G\n') },
      /^warns: scsi3 is left out of backups/,
    ],
    [
      'a CPU model of its own',
      { start: true, saved: savedWith('cpu: custom-ours\n') },
      /^blocks: Its CPU model custom-ours/,
    ],
    [
      'files of its own',
      { saved: savedWith('hookscript: local:snippets/up.sh\n') },
      /^warns: Its hookscript is local:snippets\/up.sh/,
    ],
    [
      'a fixed address',
      { start: true, saved: savedWith('ipconfig0: ip=192.0.2.7/24\n') },
      /^warns: It keeps its fixed address 192.0.2.7\/24/,
    ],
  ])('is %s', (_what, asked, words) => {
    expect(findings(asked)).toEqual([expect.stringMatching(words)]);
  });

  it('is all of it at once, what blocks first', () => {
    const all = restorePlan(
      target(),
      wish({ vmid: 100, name: 'taken', bridgeMap: { vmbr0: 'x' }, storage: 'none' }),
    ).findings;
    expect(all.map(({ severity }) => severity)).toEqual(['blocks', 'blocks', 'blocks']);
    expect(all.every(({ do: advice }) => advice !== '')).toBe(true);
  });

  it('is what the token lacks, with the line that grants it', () => {
    const bare = { ...target(), permissions: { '/': { 'VM.Audit': 1 } } };
    const lacking = findings({ start: true }, bare);
    for (const privilege of [
      'VM.Allocate on /vms/201',
      'VM.Backup on /vms/201',
      'VM.PowerMgmt on /vms/201',
      'SDN.Use on /sdn/zones/localnetwork/vmbr0',
      'Datastore.AllocateSpace on /storage/disks',
      'Datastore.AllocateSpace on /storage/dumps',
    ])
      expect(lacking).toContainEqual(
        expect.stringMatching(
          new RegExp(`^blocks: The token of away lacks ${privilege}\\. .*pveum acl modify`),
        ),
      );
  });

  it('is not what could not be asked: that is said', () => {
    const blind = {
      ...target(),
      permissions: undefined,
      bridges: new Map(),
      unreadBridges: new Map([['a1', 'no answer']]),
    };
    expect(findings({}, blind)).toEqual([
      expect.stringMatching(/^warns: The bridges of a1 of away are not known: no answer/),
      expect.stringMatching(/^warns: What the token of away may do could not be asked/),
    ]);
  });

  it('is no lack of room on a storage that is thin', () => {
    const thin = target({
      storages: [...BACKUPS, row('thin', 'a1', { pluginType: 'lvmthin', totalBytes: GIB })],
    });
    expect(findings({}, thin)).toEqual([expect.stringMatching(/^warns: Its disks have 4 GiB.*It is thin/)]);
  });
});

describe('what is proposed', () => {
  it('is the default storage, then the one of the same name, then the largest with room', () => {
    const storages = [
      row('big', 'a1', { totalBytes: 900 * GIB, usedBytes: 899 * GIB }),
      row('mid', 'a1', { totalBytes: 500 * GIB }),
      row('small', 'a1'),
    ];
    const asked = { type: 'qemu', wereOn: ['small'], bytes: 4 * GIB } as const;
    expect(proposedStorage(target({ storages }, { defaultStorage: 'big' }), 'a1', asked)).toBe('big');
    expect(proposedStorage(target({ storages }), 'a1', asked)).toBe('small');
    expect(proposedStorage(target({ storages }), 'a1', { ...asked, wereOn: ['gone'] })).toBe('mid');
    expect(proposedStorage(target({ storages: [] }), 'a1', asked)).toBeUndefined();
  });

  it('is the default node, or the one with the most memory that nobody claims, where it reads the backup', () => {
    expect(proposedNode(target(), POINT)).toBe('a2');
    expect(proposedNode(target({}, { defaultNode: 'a1' }), POINT)).toBe('a1');
    expect(proposedNode(target({}, { defaultNode: 'a3' }), POINT)).toBe('a2');
    expect(proposedNode(target(), { ...POINT, shared: false, node: 'a1' })).toBe('a1');
    expect(proposedNode(target({ storages: [] }), POINT)).toBeUndefined();
  });

  it('is the bridge of the same name, or the only one there is', () => {
    const saved = savedWith('net1: virtio,bridge=vmbr4\n');
    expect(restorePlan(target(), wish({ saved })).bridges).toEqual({ vmbr0: 'vmbr0', vmbr4: 'vmbr0' });
    const two = {
      ...target(),
      bridges: new Map([
        [
          'a1',
          [
            { name: 'vmbr0', isVnet: false },
            { name: 'vmbr1', isVnet: false },
          ],
        ],
      ]),
    };
    expect(restorePlan(two, wish({ saved })).bridges).toEqual({ vmbr0: 'vmbr0' });
  });
});
