import { describe, expect, it } from 'vitest';
import { Secret } from '../../../../src/config/secret.ts';
import type { GuestSpec } from '../../../../src/simulator/estate.ts';
import {
  guest,
  type MigrationClient,
  migrationClient,
  twoClusters,
} from '../../../support/migration-site.ts';
import type { Answer } from '../../../support/tool-client.ts';

/** One thing is wrong with each of these. */
const WRONG: readonly (readonly [what: string, guest: GuestSpec, says: RegExp, advice: RegExp])[] = [
  [
    'snapshots',
    guest(301, 'snapped', { snapshots: [{ name: 'one' }] }),
    /1 snapshots.*one/,
    /delete_snapshot/,
  ],
  ['a lock', guest(302, 'locked', { lock: 'backup' }), /locked \(backup\)/, /unlock/],
  ['args', guest(303, 'rooted', { config: { args: '-cpu x' } }), /root@pam.*args/, /update_guest/],
  [
    'a raw PCI device',
    guest(304, 'pci', { config: { hostpci0: '0000:01:00.0' } }),
    /devices of its node: hostpci0/,
    /mapping/,
  ],
  [
    'a raw USB device',
    guest(305, 'usb', { config: { usb0: 'host=1050:0407' } }),
    /devices of its node: usb0/,
    /mapping/,
  ],
  [
    'a mapping that the target lacks',
    guest(306, 'mapped', { config: { hostpci0: 'mapping=gpu' } }),
    /no mapping pci gpu/,
    /same name/,
  ],
  [
    'a disc in a drive',
    guest(307, 'disc', { config: { ide2: 'local:iso/debian-13.1.0-amd64-netinst.iso,media=cdrom' } }),
    /disc is in a drive: ide2/,
    /Eject/,
  ],
  [
    'a disk of the node',
    guest(308, 'raw', { config: { scsi1: '/dev/disk/by-id/x,size=8G' } }),
    /scsi1 is a path/,
    /Take it off/,
  ],
  [
    'a machine type that is too new',
    guest(309, 'new', { config: { machine: 'pc-q35-11.0' } }),
    /machine type pc-q35-11\.0/,
    /pin an older/,
  ],
  [
    'an unknown CPU model',
    guest(310, 'cpu', { config: { cpu: 'custom-ours' } }),
    /CPU model custom-ours/,
    /Define it there/,
  ],
  [
    'a CPU model that is too much',
    guest(311, 'v4', { config: { cpu: 'x86-64-v4' } }),
    /lacks avx512f/,
    /smaller model/,
  ],
  [
    'a running container',
    guest(312, 'ct', { type: 'lxc', status: 'running' }),
    /can't move live/,
    /restart=true/,
  ],
  [
    'features of a container',
    guest(313, 'fuse', { type: 'lxc', config: { features: 'fuse=1,nesting=1' } }),
    /features \(fuse\)/,
    /set them anew/,
  ],
  [
    'a bind mount',
    guest(314, 'bind', { type: 'lxc', config: { mp0: '/srv/x,mp=/x' } }),
    /mp0 is a path/,
    /Take it off/,
  ],
  [
    'disks that are too large',
    guest(315, 'large', { diskGib: 600 }),
    /600 GiB go to tank of away, which has/,
    /storage_map/,
  ],
  [
    'a bridge that is not there',
    guest(316, 'bridge', { config: { net0: 'virtio=AA:BB:CC:00:00:01,bridge=vmbr9' } }),
    /no bridge or VNet vmbr8/,
    /It has: vmbr0/,
  ],
  ['a name that is taken', guest(317, 'away-monitor'), /a guest away-monitor already: 100 on a1/, /Rename/],
];

const MORE: Readonly<Record<string, Record<string, unknown>>> = {
  'disks that are too large': { storage_map: { 'local-lvm': 'tank' } },
  'a bridge that is not there': { bridge_map: { vmbr9: 'vmbr8' } },
};

const blocking = (answer: Answer): { what: string; do: string }[] =>
  answer.findings.filter(({ severity }: { severity: string }) => severity === 'blocks');

describe('what is wrong with a guest: said by check, and refused by start, with nothing sent to either cluster', () => {
  it('one by one', async () => {
    const clusters = twoClusters(WRONG.map(([, spec]) => spec));
    const client = await migrationClient({ simulator: { clusters } });
    const { ha, replication } = client.production.state.datacenter;
    ha.resources['vm:101'] = {
      sid: 'vm:101',
      type: 'vm',
      state: 'started',
      max_restart: 1,
      max_relocate: 1,
      failback: 1,
    };
    replication['101-0'] = { id: '101-0', type: 'local', guest: 101, jobnum: 0, target: 'h2' } as never;
    for (const [what, { vmid }, says, advice] of WRONG) {
      const wish = { vmid, target_node: 'a1', ...MORE[what] };
      const answer = await client.move(wish);
      expect(answer.status, what).toBe('blocked');
      expect(blocking(answer), what).toEqual([
        { severity: 'blocks', what: expect.stringMatching(says), do: expect.stringMatching(advice) },
      ]);
      const refusal = await client.fails({ ...wish, action: 'start' });
      expect(refusal, what).toMatchObject({ code: 'CONFLICT', message: expect.stringMatching(says) });
      expect(refusal.message, what).toMatch(advice);
    }
    const tied = blocking(await client.move({ vmid: 101 })).map(({ what }) => what);
    expect(tied).toEqual(['HA manages it.', expect.stringContaining('replicated by 101-0')]);
    expect(await client.fails({ vmid: 101, action: 'start' })).toMatchObject({ code: 'CONFLICT' });
    expect(client.sent()).toEqual([]);
  }, 60_000);

  it('all at once', async () => {
    const wreck = guest(400, 'wreck', {
      lock: 'backup',
      snapshots: [{ name: 'one' }, { name: 'two' }],
      config: {
        args: '-x',
        hostpci0: '01:00.0',
        cpu: 'custom-x',
        net0: 'virtio=AA:BB:CC:00:00:01,bridge=vmbr9',
      },
    });
    const client = await migrationClient({ simulator: { clusters: twoClusters([wreck]) } });
    const { code, message } = await client.fails({
      ...{ vmid: 400, action: 'start', target_vmid: 100 },
      ...{ storage_map: { 'local-lvm': 'local', nas: 'tank' }, bridge_map: { vmbr9: 'nowhere' } },
    });
    expect(code).toBe('CONFLICT');
    const parts = [
      ...[
        'locked (backup)',
        '2 snapshots',
        'args',
        'hostpci0',
        'custom-x',
        'VMID 100 is taken',
        'target_vmid=101',
      ],
      ...["can't hold images", 'storage nas, which the guest does not use', 'VNet nowhere'],
    ];
    for (const part of parts) expect(message).toContain(part);
    expect(client.sent()).toEqual([]);
  });

  it('a template with linked clones', async () => {
    const client = await migrationClient({
      simulator: { clusters: twoClusters([guest(900, 'base', { template: true })]) },
      clusters: ['home', 'away'],
    });
    await client.call('clone_guest', { cluster: 'home', vmid: 900, new_name: 'clone', new_vmid: 901 });
    client.production.requests.length = 0;
    const [finding] = blocking(await client.move({ vmid: 900 }));
    expect(finding?.what).toMatch(/Linked clones stand on its disks: 901/);
    expect(client.sent()).toEqual([]);
  });
});

/** Says what `start` is refused with, once it is certain that nothing was sent. */
async function refusalOf(client: MigrationClient, args: Record<string, unknown> = {}) {
  const refusal = await client.fails({ vmid: 101, action: 'start', ...args });
  expect(client.sent()).toEqual([]);
  return refusal;
}

describe('what is wrong with the target', () => {
  it('its own cluster, an unknown cluster, an unknown node, none at all', async () => {
    const client = await migrationClient();
    expect(await refusalOf(client, { to: 'home' })).toMatchObject({
      code: 'INVALID_ARGUMENTS',
      hint: expect.stringContaining('migrate_guest '),
    });
    expect(await refusalOf(client, { to: 'nowhere' })).toMatchObject({ code: 'CLUSTER_NOT_FOUND' });
    expect(await refusalOf(client, { target_node: 'a9' })).toMatchObject({
      code: 'NOT_FOUND',
      hint: expect.stringContaining('a1, a2'),
    });
    expect(await refusalOf(client, { to: undefined })).toMatchObject({ code: 'INVALID_ARGUMENTS' });
  });

  it('it is read_only, or has a password in place of a token', async () => {
    const client = await migrationClient({
      config: ({ name, user, password }) =>
        name === 'away'
          ? { readOnly: true, credentials: { kind: 'password', user, password: new Secret(password) } }
          : {},
    });
    const { code, message } = await client.fails({ vmid: 101, action: 'start' });
    expect(code).toBe('CONFLICT');
    expect(message).toContain('away is configured read_only');
    expect(message).toContain('configured with a password');
    expect(client.lines().filter((line) => !line.endsWith('/access/ticket'))).toEqual([]);
  });

  it('its token lacks privileges: with the pveum lines that grant them, for both clusters', async () => {
    const client = await migrationClient();
    for (const { state } of client.simulator.clusters) {
      state.access.acl.length = 0;
      state.access.acl.push({ path: '/', ugid: 'mcp@pve', role: 'PVEAuditor' });
    }
    const { message } = await refusalOf(client);
    const parts = [
      'home: mcp@pve!mcp lacks VM.Migrate on /vms/101.',
      'away: mcp@pve!mcp lacks VM.Allocate, VM.Config.Disk',
      'lacks Sys.Incoming on /.',
      "pveum role add GuestArrival --privs 'Sys.Incoming'; pveum acl modify / --tokens 'mcp@pve!mcp' --roles GuestArrival",
      "pveum acl modify /storage/local-lvm --tokens 'mcp@pve!mcp' --roles PVEDatastoreUser",
      "pveum acl modify /sdn/zones/localnetwork/vmbr0 --tokens 'mcp@pve!mcp' --roles PVESDNUser",
    ];
    for (const part of parts) expect(message).toContain(part);
  });

  it('its certificate is another one than was pinned, or nothing says which it has to be', async () => {
    const pinned = await migrationClient();
    await pinned.simulator.cluster('away').faults.add({ kind: 'certificate-changed' }).ready;
    expect((await refusalOf(pinned)).code).toBe('CLUSTER_UNREACHABLE');
    const open = await migrationClient({
      config: ({ name }) => (name === 'away' ? { tls: { verify: false } } : {}),
    });
    const { message } = await refusalOf(open);
    expect(message).toContain('neither verified nor pinned');
  });

  it('it is older: a running VM stays; its processor is of another maker', async () => {
    const clusters = twoClusters([guest(500, 'host-cpu', { status: 'running', config: { cpu: 'host' } })]);
    const [home, away] = clusters;
    if (home?.nodes[0]) home.nodes[0].cpuModel = 'Intel(R) Xeon(R) Gold 6338';
    for (const node of away?.nodes ?? []) node.cpuModel = 'AMD EPYC 7543';
    const client = await migrationClient({ simulator: { clusters } });
    client.simulator.cluster('away').state.release = { version: '8.4.11', networkRows: false };
    const { message } = await refusalOf(client, { vmid: 500 });
    expect(message).toContain('away has Proxmox VE 8.4.11, which is older than the 9.2.11 here');
    expect(message).toContain('machine type pc-i440fx-10.1 that it runs with');
    expect(message).toContain('different makers');
    // Stopped it may go: that is said, and not refused.
    const stopped = await client.move({ vmid: 101 });
    expect(stopped.status).toBe('ready');
    expect(JSON.stringify(stopped.findings)).toContain('older than');
  });

  it('it does not answer', async () => {
    const client = await migrationClient();
    await client.simulator.cluster('away').stop();
    expect(await refusalOf(client)).toMatchObject({ code: 'CLUSTER_UNREACHABLE' });
  });

  it('a storage that is full, disabled or elsewhere', async () => {
    const client = await migrationClient();
    const away = client.simulator.cluster('away');
    const tank = away.state.storages.find(({ storage }) => storage === 'tank');
    if (!tank) throw new Error('no tank');
    const wish = { storage_map: { 'local-lvm': 'tank' }, target_node: 'a1' };
    const full = away.faults.add({ kind: 'storage-full', storage: 'tank' });
    expect((await refusalOf(client, wish)).message).toContain(
      '20 GiB go to tank of away, which has 0 bytes free',
    );
    await full.remove();
    tank.disabled = true;
    expect((await refusalOf(client, wish)).message).toContain('tank');
    delete tank.disabled;
    tank.nodes = ['a2'];
    expect((await refusalOf(client, wish)).message).toContain('a1 of away has no storage tank');
  });

  it('nothing is claimed of what could not be read', async () => {
    const client = await migrationClient();
    const away = client.simulator.cluster('away');
    away.faults.add({
      kind: 'status',
      code: 403,
      message: 'Permission check failed (/nodes/a1, Sys.Audit)',
      match: /GET \/nodes\/a1\/(?:network|capabilities)/,
    });
    const { findings, status } = await client.move({ vmid: 101, target_node: 'a1' });
    expect(status).toBe('ready');
    const text = JSON.stringify(findings);
    expect(text).toContain('Not known of away (a1): network');
    expect(text).toContain('Whether a1 of away has vmbr0 is not known');
    expect(text).toContain('knows the CPU model kvm64 is not known');
    expect(client.sent()).toEqual([]);
  });
});

it('MCP_READ_ONLY and a token that only reads let it check, and nothing else', async () => {
  const shut = await migrationClient({ readOnly: true });
  expect((await shut.move({ vmid: 101 })).status).toBe('ready');
  expect((await refusalOf(shut)).code).toBe('POLICY_DENIED');
  const reader = await migrationClient({ scope: 'proxmox:read' });
  expect((await refusalOf(reader)).code).toBe('POLICY_DENIED');
});
