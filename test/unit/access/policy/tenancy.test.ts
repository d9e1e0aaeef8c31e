import { describe, expect, it } from 'vitest';
import { defaultPolicy, type Tenant } from '../../../../src/access/policy/policy.ts';
import {
  tenantAnswer,
  tenantBackups,
  tenantInventory,
  visibleVmids,
} from '../../../../src/access/policy/tenant-view.ts';
import { InventoryRows } from '../../../../src/clusters/inventory-rows.ts';
import { ask, guest, policyOf, somebody } from '../../../support/policy.ts';

const mine = guest(100, 'a-1', ['red'], 'team-a');
const alsoMine = guest(101, 'a-2', ['team-a']);
const theirs = guest(200, 'b-1', ['team-b'], 'team-b');
const nobodys = guest(300, 'x');
const guests = [mine, alsoMine, theirs, nobodys];
const upid = (id: string) => `UPID:pve1:0000ABCD:00112233:66112233:qmstart:${id}:root@pam:`;

const policy = policyOf({
  principals: [
    { match: { subject: 'ann' }, roles: 'admin', tenant: { pools: 'team-a', tags: 'team-a' } },
    { match: { subject: 'ida' }, roles: 'admin', tenant: { pools: 'team-a', infrastructure: true } },
    { match: { subject: 'tim' }, roles: 'admin', tenant: { pools: 'team-a' } },
    { match: { subject: 'tim' }, roles: 'viewer', tenant: { pools: 'team-b' } },
    { match: { subject: 'tom' }, roles: 'viewer' },
    { match: { subject: 'tom' }, roles: 'admin', tenant: { tags: 'team-b' } },
    { match: { subject: 'bea' }, roles: 'admin', tenant: { tags: 'team-b' } },
  ],
});
const may = (subject: string, line: string, data: Record<string, unknown> = {}) =>
  ask(policy, line, { as: somebody(subject), guests, data });

describe('a tenant', () => {
  it.each([
    ['GET /nodes/pve1/qemu/100/config', {}],
    ['GET /nodes/pve1/qemu/101/status/current', {}],
    ['POST /nodes/pve1/qemu/100/status/stop', {}],
    ['DELETE /nodes/pve1/qemu/100', {}],
    ['PUT /nodes/pve1/qemu/100/config', { cores: 2, tags: 'red,new' }],
    ['PUT /nodes/pve1/lxc/100/config', { mp0: 'local-lvm:8,mp=/data' }],
    ['GET /cluster/resources', {}],
    ['GET /nodes/pve1/qemu', {}],
    ['GET /cluster/tasks', {}],
    [`GET /nodes/pve1/tasks/${upid('100')}/log`, {}],
    [`DELETE /nodes/pve1/tasks/${upid('100')}`, {}],
    ['GET /pools', {}],
    ['GET /pools/team-a', {}],
    ['GET /pools', { poolid: 'team-a' }],
    ['GET /nodes/pve1/storage/local/content', {}],
    ['DELETE /nodes/pve1/storage/l/content/l:vm-100-disk-1', {}],
    ['GET /cluster/nextid', {}],
    ['GET /version', {}],
    ['POST /nodes/pve1/qemu', { vmid: 110, pool: 'team-a' }],
    ['POST /nodes/pve1/qemu', { vmid: 110, tags: 'x;TEAM-A' }],
    ['POST /nodes/pve1/qemu/100/clone', { newid: 110, pool: 'team-a' }],
    ['POST /nodes/pve1/qemu/101/clone', { newid: 110 }],
    ['POST /nodes/pve1/vzdump', { vmid: '100,101' }],
    ['POST /nodes/pve1/vzdump', { pool: 'team-a' }],
    ['POST /nodes/pve1/startall', { vms: '100' }],
    ['POST /cluster/ha/resources', { sid: 'vm:100' }],
    ['GET /cluster/replication/100-0', {}],
  ])('may %s %j', (line, data) => {
    expect(may('ann', line, data)).toMatchObject({ allowed: true });
  });

  it.each([
    ['GET /nodes/pve1/qemu/200/config', {}],
    ['DELETE /nodes/pve1/qemu/200', {}],
    ['GET /nodes/pve1/qemu/300/config', {}],
    ['GET /nodes/pve1/qemu/999/config', {}],
    ['GET /nodes/pve1/qemu/0100/config', {}],
    [`GET /nodes/pve1/tasks/${upid('200')}/log`, {}],
    ['DELETE /nodes/pve1/storage/l/content/l:vm-200-disk-0', {}],
    ['PUT /nodes/pve1/qemu/100/config', { scsi1: 'l:vm-200-disk-0' }],
    ['PUT /nodes/pve1/qemu/100/config', { scsi1: 'l:0,import-from=l:vm-200-disk-0' }],
    [
      'POST /nodes/pve1/qemu',
      { vmid: 110, pool: 'team-a', archive: 'pbs:backup/vm/200/2026-01-01T00:00:00Z' },
    ],
    ['POST /nodes/pve1/qemu/100/move_disk', { disk: 'scsi0', 'target-vmid': 200 }],
    ['POST /nodes/pve1/qemu/200/clone', { newid: 110, pool: 'team-a' }],
    ['POST /nodes/pve1/qemu', { vmid: 200, pool: 'team-a', force: 1 }],
    ['POST /nodes/pve1/vzdump', { vmid: '100,200' }],
    ['GET /cluster/ha/resources/vm:200', {}],
    ['GET /cluster/replication/200-0', {}],
    ['GET /nodes/pve1/vzdump/extractconfig', { volume: 'l:backup/vzdump-qemu-200-x.vma' }],
  ])('is told that the guest of %s %j is not there', (line, data) => {
    const decision = may('ann', line, data);
    expect(decision).toMatchObject({ allowed: false, missing: true });
    // Exactly as for a guest that is nobody's, and in the same words.
    expect(decision.reason).toMatch(/^There is no guest \d+ on production$/);
    expect(decision.reason.replace(/\d+/, '…')).toBe(
      may('ann', 'GET /nodes/n/qemu/999/config').reason.replace(/\d+/, '…'),
    );
    expect(decision.hint).toBe(may('ann', 'GET /nodes/n/qemu/999/config').hint);
  });

  it.each([
    ['GET /nodes', {}],
    ['GET /nodes/pve1/status', {}],
    ['GET /nodes/pve1/storage', {}],
    ['GET /cluster/status', {}],
    ['GET /cluster/log', {}],
    ['GET /nodes/pve1/syslog', {}],
    ['GET /access/users', {}],
    ['PUT /access/acl', { path: '/', users: 'x@pve', roles: 'Administrator' }],
    ['GET /pools/team-b', {}],
    ['GET /pools', { poolid: 'team-b' }],
    ['PUT /pools/team-a', { vms: '100', delete: 1 }],
    ['PUT /pools/team-a', { comment: 'x' }],
    ['POST /pools', { poolid: 'team-c' }],
    ['PUT /nodes/pve1/qemu/101/config', { tags: 'other' }],
    ['PUT /nodes/pve1/qemu/101/config', { delete: 'tags' }],
    ['PUT /nodes/pve1/qemu/100/config', { tags: 'team-b' }],
    ['POST /nodes/pve1/qemu', { vmid: 110 }],
    ['POST /nodes/pve1/qemu', { vmid: 110, pool: 'team-b' }],
    ['POST /nodes/pve1/qemu', { vmid: 110, pool: 'Team-A' }],
    ['POST /nodes/pve1/qemu/100/clone', { newid: 110 }],
    ['POST /nodes/pve1/qemu/100/clone', { newid: 110, pool: 'team-b' }],
    ['POST /nodes/pve1/vzdump', { all: 1 }],
    ['POST /nodes/pve1/vzdump', { pool: 'team-b' }],
    ['POST /nodes/pve1/stopall', {}],
    ['POST /nodes/pve1/execute', { commands: '[]' }],
    ['POST /cluster/bulk-action/guest/start', {}],
    ['DELETE /nodes/pve1/storage/l/prunebackups', {}],
    ['POST /cluster/backup', { vmid: '100' }],
    ['GET /cluster/backup/job-1', {}],
    ['GET /cluster/nextid', { vmid: 200 }],
    ['GET /nodes/pve1/storage/local/content/local:snippets/other.yml', {}],
    [`GET /nodes/pve1/tasks/${upid('')}/log`, {}],
    ['PUT /nodes/pve1/qemu/100/config', { args: '-drive file=/etc/shadow' }],
    ['PUT /nodes/pve1/qemu/100/config', { scsi1: '/dev/sda' }],
    ['PUT /nodes/pve1/qemu/100/config', { scsi1: 'file=/dev/sda' }],
    ['PUT /nodes/pve1/qemu/100/config', { cdrom: '/dev/sda' }],
    ['PUT /nodes/pve1/lxc/100/config', { mp0: '/etc,mp=/x' }],
    ['PUT /nodes/pve1/lxc/100/config', { mp0: { volume: '/etc', mp: '/x' } }],
    ['PUT /nodes/pve1/qemu/100/config', { hostpci0: '0000:01:00.0' }],
    ['PUT /nodes/pve1/qemu/100/config', { virtiofs0: 'dirid=backups' }],
    ['PUT /nodes/pve1/qemu/100/config', { ivshmem: 'size=32,name=team-b' }],
    ['POST /nodes/pve1/qemu', { vmid: 110, pool: 'team-a', cicustom: 'user=local:snippets/b.yml' }],
    ['DELETE /cluster/something-new', {}],
  ])('may not %s %j', (line, data) => {
    const { allowed, reason } = may('ann', line, data);
    expect(allowed).toBe(false);
    // Its own words it may hear again, and learns nothing by them.
    expect(reason.replace('team-b', '')).not.toMatch(/200|team-b|b-1/);
  });

  it('sees nodes and storages only where its entry says so', () => {
    for (const line of [
      'GET /nodes',
      'GET /nodes/pve1/status',
      'GET /nodes/pve1/storage',
      'GET /cluster/status',
    ]) {
      expect(may('ida', line).allowed, line).toBe(true);
    }
    expect(may('ida', 'GET /nodes/pve1/qemu/200/config').allowed).toBe(false);
    expect(may('ida', 'PUT /nodes/pve1/config', { description: 'x' }).allowed).toBe(false);
  });

  it('of two tenants has in each what its entry there gives, and an entry without one lifts nothing', () => {
    expect(policy.tenantOf(somebody('tim'))).toEqual({
      pools: ['team-a', 'team-b'],
      tags: [],
      infrastructure: false,
    });
    expect(may('tim', 'DELETE /nodes/pve1/qemu/100').allowed).toBe(true);
    expect(may('tim', 'GET /nodes/pve1/qemu/200/config').allowed).toBe(true);
    expect(may('tim', 'DELETE /nodes/pve1/qemu/200')).toMatchObject({
      allowed: false,
      rule: 'nothing granted',
    });
    expect(may('tom', 'GET /nodes/pve1/qemu/200/config').allowed).toBe(true);
    expect(may('tom', 'GET /nodes/pve1/qemu/100/config')).toMatchObject({ allowed: false, missing: true });
    expect(policy.needsGuest(somebody('tim'))).toBe(true);
    expect(policy.tenantOf(somebody('nobody'))).toBeUndefined();
  });
});

describe('which tenants a principal may know of', () => {
  const all = ['read', 'change', 'secret', 'destroy', 'execute'];
  const divided = policyOf({
    roles: {
      both: { grants: [{ allow: ['read', 'change'] }, { allow: ['secret', 'destroy', 'execute'] }] },
      part: { grants: [{ allow: all, clusters: 'a' }] },
      tool: { grants: [{ allow: all, tools: 'x*' }] },
      most: { grants: [{ allow: ['read', 'change', 'destroy', 'execute'] }] },
    },
    principals: [
      { match: { subject: 'ada' }, roles: 'admin' },
      { match: { subject: 'bo' }, roles: 'both' },
      ...['part', 'tool', 'most'].map((role) => ({ match: { subject: role }, roles: role })),
      { match: { subject: 'una' }, roles: 'admin', tenant: { pools: ['one', 'two'], tags: 'Red' } },
      { match: { subject: 'ulf' }, roles: 'viewer', tenant: { tags: 'red', pools: ['two', 'one'] } },
      { description: 'Shop', match: { subject: 'sue' }, roles: 'viewer', tenant: { pools: 'shop' } },
    ],
  });
  const known = (subject: string, scope?: string) =>
    divided.tenantsFor(somebody(subject, scope === undefined ? {} : { scope }))?.map(({ name }) => name);

  it('is each once for an administrator, by its binding and never by who is bound', () => {
    expect(known('ada')).toEqual(['pools one, two; tags red', 'Shop']);
    expect(known('bo')).toEqual(['pools one, two; tags red', 'Shop']);
    expect(JSON.stringify(divided.tenantsFor(somebody('ada')))).not.toMatch(/una|ulf|sue/);
  });

  it('is itself alone for a tenant, whatever its role', () => {
    expect(known('una')).toEqual(['pools one, two; tags red']);
    expect(known('sue')).toEqual(['pools shop']);
  });

  it.each(['part', 'tool', 'most', 'nobody'])('is none for %s', (subject) => {
    expect(known(subject)).toBeUndefined();
  });

  it('is none for a token that is no administrator’s, with a policy and without', () => {
    expect(known('ada', 'proxmox:read proxmox:change proxmox:destroy')).toBeUndefined();
    expect(defaultPolicy().tenantsFor(somebody('a', { scope: 'proxmox:read' }))).toBeUndefined();
    expect(defaultPolicy().tenantsFor(somebody('a'))).toEqual([]);
  });
});

describe('what a tenant is shown', async () => {
  const tenant: Tenant = { pools: ['team-a'], tags: ['team-a'], infrastructure: false };
  const rows = [
    { id: 'qemu/100', type: 'qemu', vmid: 100, node: 'pve1', status: 'running', pool: 'team-a', name: 'a-1' },
    { id: 'lxc/101', type: 'lxc', vmid: 101, node: 'pve1', status: 'running', tags: 'x;Team-A' },
    {
      id: 'qemu/200',
      type: 'qemu',
      vmid: 200,
      node: 'pve1',
      status: 'running',
      pool: 'team-b',
      name: 'b-secret',
    },
    { id: 'qemu/300', type: 'qemu', vmid: 300, node: 'pve1', status: 'running' },
    { id: 'node/pve1', type: 'node', node: 'pve1', status: 'online', mem: 1 },
    { id: 'storage/pve1/local', type: 'storage', storage: 'local', node: 'pve1', status: 'available' },
    { id: '/pool/team-a', type: 'pool', pool: 'team-a' },
    { id: '/pool/team-b', type: 'pool', pool: 'team-b' },
    { id: 'sdn/x', type: 'sdn', sdn: 'x' },
    { id: 'odd/200', type: 'something-new', vmid: 200 },
  ];
  const { inventory } = await new InventoryRows().next(rows, 5);
  const visible = visibleVmids(inventory.guests, tenant);
  const see = (path: string, data: unknown, total?: number, as: Tenant = tenant) =>
    tenantAnswer(
      { method: 'GET', path, tenant: as, visible },
      { data, ...(total === undefined ? {} : { total }), endpoint: 'e' },
    );

  it('is its own part of the inventory', () => {
    expect([...visible]).toEqual([100, 101]);
    const seen = tenantInventory(inventory, tenant);
    expect(seen.guests.map(({ vmid }) => vmid)).toEqual([100, 101]);
    expect(seen.rows.map(({ id }) => id)).toEqual(['qemu/100', 'lxc/101', '/pool/team-a']);
    expect([seen.nodes, seen.storages, seen.asOf]).toEqual([[], [], 5]);
    const wide = tenantInventory(inventory, { ...tenant, infrastructure: true });
    expect(wide.rows.map(({ id }) => id)).toEqual([
      'qemu/100',
      'lxc/101',
      'node/pve1',
      'storage/pve1/local',
      '/pool/team-a',
    ]);
    expect(JSON.stringify([seen, wide])).not.toMatch(/200|b-secret|team-b/);
  });

  it.each([
    ['/cluster/resources', rows, 3],
    ['/nodes/pve1/qemu', [{ vmid: 100 }, { vmid: '101' }, { vmid: 200 }, { vmid: '0100' }, {}], 2],
    ['/cluster/backup-info/not-backed-up', [{ vmid: 200 }, { vmid: 101 }], 1],
    [
      '/cluster/tasks',
      [
        { upid: upid('100') },
        { upid: upid('200') },
        { upid: upid('') },
        { upid: upid('0101') },
        { id: '100' },
      ],
      1,
    ],
    ['/nodes/pve1/tasks', [{ upid: upid('300') }, { upid: 'x' }, null, 'text'], 0],
    ['/pools', [{ poolid: 'team-a' }, { poolid: 'team-b' }], 1],
    [
      '/cluster/backup',
      [
        { id: 'a', vmid: '100,101' },
        { id: 'b', vmid: '100,200' },
        { id: 'c', all: 1 },
        { id: 'd', pool: 'team-a' },
        { id: 'e', pool: 'team-b' },
      ],
      2,
    ],
    [
      '/nodes/pve1/storage/local/content',
      [
        { vmid: 100 },
        { vmid: 200 },
        { content: 'iso' },
        { content: 'vztmpl' },
        { content: 'snippets' },
        { content: 'backup' },
      ],
      3,
    ],
    ['/cluster/ha/resources', [{ sid: 'vm:100' }, { sid: 'ct:200' }, { sid: 'vm:' }], 1],
    ['/cluster/replication', [{ id: '100-0', guest: 100 }, { id: '200-0', guest: 200 }, { id: '101-1' }], 2],
  ])('of %s is its own rows, and their number', (path, data, count) => {
    const { data: seen, total, ...rest } = see(path, data, 4711);
    expect(seen).toHaveLength(count);
    expect(total).toBe(count);
    expect(rest).toEqual({ endpoint: 'e' });
    expect(JSON.stringify(seen)).not.toMatch(/200|team-b/);
  });

  it('of pools is without the members of others', () => {
    const pool = {
      poolid: 'team-a',
      members: [
        { type: 'qemu', vmid: 100 },
        { type: 'qemu', vmid: 200 },
        { type: 'storage', storage: 's' },
      ],
    };
    const kept = [{ type: 'qemu', vmid: 100 }];
    expect(see('/pools', [pool]).data).toEqual([{ ...pool, members: kept }]);
    expect(see('/pools/team-a', { members: pool.members }).data).toEqual({ members: kept });
    expect(see('/pools/team-a', { ...pool, poolid: 'team-b' }).data).toEqual([]);
  });

  it('of anything odd is nothing, and of its own guest everything', () => {
    expect(see('/cluster/resources', { vmid: 200 }).data).toEqual([]);
    expect(see('/cluster/resources', 'text').data).toEqual([]);
    expect(see('/nodes/pve1/syslog', [{ t: 'x' }]).data).toEqual([]);
    expect(see('/nodes/pve1/qemu/100/config', { name: 'a-1' }).data).toEqual({ name: 'a-1' });
  });

  it('of backups is those of its guests', () => {
    const backups = {
      newest: new Map([
        [100, 1],
        [200, 2],
      ]),
      unread: [{ storage: 'secret-store', node: 'pve9', problem: 'p' }],
      hidden: new Set([101, 200]),
      asOf: 0,
    };
    const seen = tenantBackups(backups, visible, tenant);
    expect([...seen.newest.keys()]).toEqual([100]);
    expect([...(seen.hidden ?? [])]).toEqual([101]);
    expect(JSON.stringify(seen.unread)).not.toMatch(/secret-store|pve9/);
  });
});
