import { describe, expect, it } from 'vitest';
import type { GatedCluster } from '../../../../src/access/gate.ts';
import type { Finding } from '../../../../src/tools/between/finding.ts';
import { bridgeMap } from '../../../../src/tools/between/migration/bridge-map.ts';
import { type CpuMove, cpuFindings, cpuOf } from '../../../../src/tools/between/migration/cpu.ts';
import { partsOf } from '../../../../src/tools/between/migration/disks.ts';
import { journeyOf } from '../../../../src/tools/between/migration/journey.ts';
import { mapText } from '../../../../src/tools/between/migration/maps.ts';
import { routeOf } from '../../../../src/tools/between/migration/route.ts';
import { storageMap } from '../../../../src/tools/between/migration/storage-map.ts';
import type { TargetFacts } from '../../../../src/tools/between/migration/target-facts.ts';

const GIB = 1024 ** 3;
const says = (found: readonly Finding[]) => found.map(({ severity, what }) => `${severity}: ${what}`);

function target(changes: Partial<TargetFacts> & { settings?: object } = {}): TargetFacts {
  const { settings = {}, ...rest } = changes;
  return {
    cluster: { name: 'away', settings } as unknown as GatedCluster,
    node: 'a1',
    vmid: 200,
    guests: [],
    address: undefined,
    rooms: [
      { storage: 'small', content: ['images'], isUsable: true, freeBytes: 10 * GIB },
      { storage: 'big', content: ['images', 'rootdir'], isUsable: true, freeBytes: 100 * GIB },
      { storage: 'files', content: ['iso'], isUsable: true, freeBytes: 900 * GIB },
      { storage: 'off', content: ['images'], isUsable: false, freeBytes: 900 * GIB },
    ],
    networks: [
      {
        iface: 'vmbr0',
        type: 'bridge',
        bridge_ports: 'eno1',
        bridge_vlan_aware: 1,
        bridge_vids: '2-100 300',
      },
    ],
    vnets: [{ vnet: 'customers', zone: 'z' }],
    cpu: undefined,
    release: undefined,
    machines: undefined,
    models: undefined,
    mappings: undefined,
    found: [],
    ...rest,
  };
}

const disks = (...sizes: string[]) =>
  partsOf(Object.fromEntries(sizes.map((size, at) => [`scsi${at}`, `lvm:vm-1-disk-${at},size=${size}`])));

describe('what becomes of the parts of a guest', () => {
  it('tells disks, seeds, discs, paths, detached disks and NICs apart', () => {
    const parts = partsOf({
      scsi0: 'lvm:vm-1-disk-0,size=32G,iothread=1',
      efidisk0: 'lvm:vm-1-disk-1,efitype=4m,size=4M',
      scsi1: '/dev/disk/by-id/x,size=8G',
      ide0: 'none,media=cdrom',
      ide1: 'cdrom,media=cdrom',
      ide2: 'lvm:vm-1-cloudinit,media=cdrom',
      sata0: 'iso:iso/x.iso,media=cdrom,size=3M',
      unused0: 'lvm:vm-1-disk-9',
      net0: 'virtio=aa:bb:cc:dd:ee:ff,bridge=vmbr1,tag=20',
      net1: 'virtio=AA:BB:CC:DD:EE:00',
      name: 'x',
    });
    expect(parts.disks).toEqual([
      { key: 'efidisk0', volid: 'lvm:vm-1-disk-1', storage: 'lvm', bytes: 4 * 1024 ** 2 },
      { key: 'scsi0', volid: 'lvm:vm-1-disk-0', storage: 'lvm', bytes: 32 * GIB },
    ]);
    expect(parts).toMatchObject({
      seeds: ['lvm'],
      discs: [{ key: 'sata0', volid: 'iso:iso/x.iso' }],
      ofNode: ['ide1', 'scsi1'],
      unused: ['unused0'],
      nics: [
        { key: 'net0', bridge: 'vmbr1', mac: 'AA:BB:CC:DD:EE:FF', tag: 20 },
        { key: 'net1', bridge: undefined, tag: undefined },
      ],
    });
  });

  it('of a container: volumes, bind mounts, and those that every node has', () => {
    const parts = partsOf({
      rootfs: 'lvm:vm-2-disk-0,size=8G',
      mp0: '/srv/a,mp=/a',
      mp1: '/srv/b,mp=/b,shared=1',
      mp2: 'volume=lvm:vm-2-disk-1,mp=/c,size=1G',
    });
    expect(parts.disks.map(({ key }) => key)).toEqual(['mp2', 'rootfs']);
    expect(parts.ofNode).toEqual(['mp0']);
  });
});

describe('the storages that are proposed', () => {
  it.each([
    ['the one with the most room', {}, {}, { lvm: 'big' }],
    ['the default one', { settings: { defaultStorage: 'small' } }, {}, { lvm: 'small' }],
    ['what the caller says', {}, { lvm: 'small' }, { lvm: 'small' }],
  ])('%s', (_what, changes, given, map) => {
    expect(storageMap(disks('1G'), target(changes), given)).toEqual({ map, found: [] });
  });

  it('one of the same name comes first', () => {
    const rooms = [
      ...(target().rooms ?? []),
      { storage: 'lvm', content: ['images'], isUsable: true, freeBytes: 2 * GIB },
    ];
    expect(storageMap(disks('1G'), target({ rooms })).map).toEqual({ lvm: 'lvm' });
  });

  it('has to hold all disks together', () => {
    expect(says(storageMap(disks('6G', '6G'), target(), { lvm: 'small' }).found)).toEqual([
      'blocks: 12 GiB go to small of away, which has 10 GiB free.',
    ]);
    expect(storageMap(disks('6G', '4G'), target(), { lvm: 'small' }).found).toEqual([]);
  });

  it('is refused where it is not there, off, of another content, or not used by the guest', () => {
    const of = (given: Record<string, string>) => says(storageMap(disks('1G'), target(), given).found);
    expect(of({ lvm: 'nope' })[0]).toBe('blocks: a1 of away has no storage nope.');
    expect(of({ lvm: 'files' })[0]).toBe("blocks: The storage files of a1 of away can't hold images.");
    expect(of({ lvm: 'off' })[0]).toBe('blocks: The storage off of a1 of away is disabled or not reached.');
    expect(of({ nas: 'big' })[0]).toBe(
      'blocks: storage_map names the storage nas, which the guest does not use.',
    );
    expect(says(storageMap(disks('1G'), target({ rooms: [] })).found)[0]).toMatch(
      /^blocks: .*has to have a storage/,
    );
  });

  it('what is not known is said: sizes, and free space', () => {
    const parts = partsOf({ scsi0: 'lvm:vm-1-disk-0' });
    expect(says(storageMap(parts, target()).found)).toEqual(['warns: How large scsi0 is, is not known.']);
    const rooms = [{ storage: 'x', content: ['images'], isUsable: true, freeBytes: undefined }];
    expect(says(storageMap(disks('1G'), target({ rooms })).found)[0]).toMatch(
      /^warns: 1 GiB go to x .*not known/,
    );
  });
});

describe('the bridges that are proposed', () => {
  const nics = (...values: string[]) =>
    partsOf(Object.fromEntries(values.map((value, at) => [`net${at}`, value])));

  it('keep their names where they can, VNets too; another one is for a person to compare', () => {
    const map = bridgeMap(nics('virtio,bridge=vmbr0', 'virtio,bridge=customers'), target());
    expect(map).toEqual({ map: { vmbr0: 'vmbr0', customers: 'customers' }, found: [] });
    const other = bridgeMap(nics('virtio,bridge=vmbr7'), target());
    expect(other.map).toEqual({ vmbr7: 'vmbr0' });
    expect(says(other.found)).toEqual(['warns: a1 of away has no vmbr7: vmbr0 is proposed.']);
    expect(bridgeMap(nics('virtio,bridge=vmbr7'), target(), { vmbr7: 'customers' }).found).toEqual([]);
  });

  it.each([
    ['virtio,bridge=vmbr0,tag=50', []],
    ['virtio,bridge=vmbr0,tag=300', []],
    ['virtio,bridge=vmbr0,tag=200', ['blocks: net0 is in VLAN 200, which vmbr0 of a1 does not carry.']],
  ])('VLANs: %s', (nic, found) => {
    expect(says(bridgeMap(nics(nic), target()).found)).toEqual(found);
  });

  it('trunks need a bridge that knows VLANs, and a VLAN a way out', () => {
    const networks = [{ iface: 'vmbr0', type: 'bridge', bridge_ports: 'none' }];
    const found = says(bridgeMap(nics('virtio,bridge=vmbr0,tag=5,trunks=5;6'), target({ networks })).found);
    expect(found).toEqual([
      expect.stringMatching(/^blocks: net0 carries the VLANs .* not VLAN-aware\.$/),
      expect.stringMatching(/^warns: .*no port to the outside/),
    ]);
  });

  it('nothing is claimed of a network that could not be read', () => {
    const { map, found } = bridgeMap(nics('virtio,bridge=vmbr3'), target({ networks: undefined }));
    expect(map).toEqual({ vmbr3: 'vmbr3' });
    expect(says(found)).toEqual(['warns: Whether a1 of away has vmbr3 is not known.']);
  });
});

it('maps as Proxmox takes them, which wants one also where there is nothing', () => {
  expect(mapText({ a: 'b', c: 'd' })).toBe('a:b,c:d');
  expect(mapText({})).toBe('1');
  expect(mapText({}, 'tank')).toBe('tank');
});

describe('processors', () => {
  const xeon = {
    model: 'Intel(R) Xeon(R) 6338',
    vendor: 'Intel',
    flags: new Set(['aes', 'avx2', 'avx512f']),
  };
  const old = { model: 'Intel(R) Xeon(R) 2640', vendor: 'Intel', flags: new Set(['aes', 'avx2']) };
  const epyc = { model: 'AMD EPYC 7543', vendor: 'AMD', flags: new Set(['aes', 'avx2', 'avx512f', 'sse4a']) };
  const models = [
    { name: 'host' },
    { name: 'kvm64' },
    { name: 'x86-64-v4' },
    { name: 'EPYC-Milan', vendor: 'AuthenticAMD' },
    { name: 'custom-a', custom: 1 },
  ];
  const of = (changes: Partial<CpuMove>) =>
    says(
      cpuFindings({
        wanted: 'host',
        isRunning: true,
        here: xeon,
        there: xeon,
        models,
        place: 'a1',
        ...changes,
      }),
    );

  it('are read with their makers and flags', () => {
    expect(cpuOf({ cpuinfo: { model: 'AMD EPYC 7543 32-Core', flags: 'fpu  aes' } })).toEqual({
      model: 'AMD EPYC 7543 32-Core',
      vendor: 'AMD',
      flags: new Set(['fpu', 'aes']),
    });
    expect(cpuOf({})).toEqual({ model: undefined, vendor: undefined, flags: undefined });
  });

  it.each<[string, Partial<CpuMove>, RegExp[]]>([
    ['the same', {}, []],
    ['another maker', { there: epyc }, [/^blocks: .*different makers/]],
    ['flags that are missing', { there: old }, [/^blocks: .*lacks flags.*avx512f/]],
    ['more than enough', { here: old, there: xeon }, [/^warns: .*moves live to another processor/]],
    ['not known', { there: undefined }, [/^warns: .*not known/]],
    ['stopped', { there: epyc, isRunning: false }, [/^warns: .*find another one/]],
    ['no model given', { wanted: undefined }, []],
    ['a model that is not known there', { wanted: 'Cascadelake-Server' }, [/^blocks: a1 does not know/]],
    ['a model of one’s own', { wanted: 'custom-a' }, [/^warns: The custom CPU model/]],
    [
      'a model that takes more',
      { wanted: 'cputype=x86-64-v4', there: old },
      [/^blocks: .*lacks popcnt.*x86-64-v4 needs/],
    ],
    ['a model of another maker', { wanted: 'EPYC-Milan,flags=+aes' }, [/^blocks: .*AMD's, and a1 has Intel/]],
    ['… stopped', { wanted: 'EPYC-Milan', isRunning: false }, [/^warns: /]],
    ['models that could not be read', { wanted: 'kvm64', models: undefined }, [/^warns: Whether a1 knows/]],
  ])('%s', (_what, changes, found) => {
    const texts = of(changes);
    expect(texts).toHaveLength(found.length);
    for (const [index, pattern] of found.entries()) expect(texts[index]).toMatch(pattern);
  });
});

describe('the way from node to node', () => {
  const at = (host: string) => ({ host, port: 8006, fingerprint: 'AA' });
  const networks = [
    { iface: 'vmbr0', cidr: '192.0.2.11/24', gateway: '192.0.2.1' },
    { iface: 'vmbr6', cidr6: '2001:db8::1/64' },
  ];

  it.each([
    ['192.0.2.77', /in the network of vmbr0/],
    ['2001:db8::9', /in the network of vmbr6/],
  ])('%s is next to it', (host, words) => {
    const route = routeOf('h1', at(host), networks);
    expect(route.words).toMatch(words);
    expect(route.found).toEqual([]);
  });

  it.each([
    ['198.51.100.1', networks, /behind a gateway/],
    ['2001:db8:1::9', networks, /which has no gateway/],
    ['127.0.0.1', networks, /loopback/],
    ['localhost', networks, /loopback/],
    ['::1', networks, /loopback/],
    ['pve.example.com', networks, /is a name, which h1 has to resolve/],
    ['192.0.2.77', undefined, /could not be read/],
  ])('%s: not known', (host, known, what) => {
    const [found] = routeOf('h1', at(host), known).found;
    expect(found).toMatchObject({ severity: 'warns', what: expect.stringMatching(what) });
  });
});

it('what another version remembered is no journey', () => {
  expect(() => journeyOf({ to: 'away' })).toThrow('can’t be read');
});
