import { describe, expect, it } from 'vitest';
import { guestsOf, touchedGuests } from '../../../../src/access/policy/guests.ts';
import { tenantAnswer, tenantBackups } from '../../../../src/access/policy/tenant-view.ts';
import { ownersIn } from '../../../../src/access/policy/volumes.ts';
import type { Backups } from '../../../../src/clusters/inventory.ts';
import type { HttpMethod } from '../../../../src/proxmox/call.ts';
import { ask, guest, policyOf, somebody } from '../../../support/policy.ts';

// Policies are made within the tests here: what is made while a file is loaded, no mutant is switched on for.
const STOP = 'POST /nodes/pve1/qemu/100/status/stop';
const DELETE = 'DELETE /nodes/pve1/qemu/100';
const alice = { match: { subject: 'alice' } };
const guests = [guest(100, 'web-1', ['web'], 'team-a'), guest(200, 'db-1', ['db'], 'team-b')];

function found(line: string, data: Record<string, unknown> = {}) {
  const [method, path = ''] = line.split(' ') as [HttpMethod, string];
  return guestsOf({ method, path, data });
}

describe('a role that extends others', () => {
  const policyWith = (own: object) =>
    policyOf({
      roles: {
        a: { grants: [{ allow: '*' }], approval: { change: 'self', destroy: 'second' } },
        b: { approval: { change: 'person', destroy: 'none' }, limits: { bulk: 3, calls_per_minute: 9 } },
        own: { extends: ['a', 'b'], ...own },
      },
      principals: [{ ...alice, roles: 'own' }],
    });

  it('takes over the strictest of their approvals, and the lowest of their limits', () => {
    const policy = policyWith({ limits: { calls_per_minute: 20 } });
    expect(ask(policy, STOP, { guests }).approval).toBe('person');
    expect(ask(policy, DELETE, { guests }).approval).toBe('second');
    expect(policy.limitsOf(somebody('alice'))).toEqual({ bulk: 3, callsPerMinute: 9 });
    expect(ask(policy, STOP, { guests, more: { bulk: 4 } }).allowed).toBe(false);
  });

  it('says otherwise where it says so itself', () => {
    expect(ask(policyWith({ approval: { change: 'none' } }), STOP, { guests }).approval).toBe('none');
  });

  it.each([
    ['own', { read_only: true }],
    ['parent', {}],
  ])('is read-only by its %s', (_whose, own) => {
    const policy = policyOf({
      roles: {
        all: { grants: [{ allow: '*' }] },
        ro: { read_only: true },
        own: { extends: Object.keys(own).length > 0 ? ['all'] : ['all', 'ro'], ...own },
      },
      principals: [{ ...alice, roles: 'own' }],
    });
    expect(ask(policy, STOP, { guests })).toMatchObject({ allowed: false, rule: 'read-only' });
  });
});

describe('a tool that is denied on some condition', () => {
  it.each([{ methods: 'POST' }, { paths: '/nodes/**' }, { clusters: 'a' }, { guests: { vmids: 100 } }])(
    'is listed all the same: %j',
    (condition) => {
      const grants = [{ allow: '*' }, { deny: '*', ...condition }];
      const policy = policyOf({ roles: { own: { grants } }, principals: [{ ...alice, roles: 'own' }] });
      const tool = { name: 't', readOnlyHint: false, calls: [['POST', '/nodes/{node}/qemu']] as const };
      expect(policy.mayUse(somebody('alice'), tool)).toBe(true);
    },
  );
});

describe('the guests of a call', () => {
  it.each<[string, Record<string, unknown>, object]>([
    ['GET /nodes', {}, { vmids: [] }],
    ['PUT /nodes/p/qemu/100/config', { cores: 1 }, { vmids: [100] }],
    ['GET /nodes/p/qemu/100/config', { 'target-vmid': 200, name: 'x' }, { vmids: [100] }],
    ['PUT /nodes/p/qemu/100/agent', { name: 'x' }, { vmids: [100] }],
    ['PUT /nodes/p/qemu/100/config', { name: 'x' }, { vmids: [100], changes: { name: 'x' } }],
    ['PUT /nodes/p/lxc/100/config', { hostname: 'x', name: 'y' }, { vmids: [100], changes: { name: 'x' } }],
    ['PUT /nodes/p/lxc/100/config', { name: 'y' }, { vmids: [100] }],
    ['PUT /nodes/p/qemu/100/config', { name: null, tags: null }, { vmids: [100] }],
    ['PUT /nodes/p/qemu/100/config', { delete: 'Name' }, { vmids: [100], changes: { name: null } }],
    ['PUT /nodes/p/lxc/100/config', { delete: 'hostname' }, { vmids: [100], changes: { name: null } }],
    ['PUT /nodes/p/qemu/100/config', { delete: 'TAGS' }, { vmids: [100], changes: { tags: [] } }],
    ['PUT /nodes/p/qemu/100/config', { tags: 'A;b' }, { vmids: [100], changes: { tags: ['a', 'b'] } }],
    ['PUT /nodes/p/qemu/100/config', { revert: 'name' }, { vmids: [100], changes: { unknown: true } }],
    ['POST /nodes/p/qemu/100/move_disk', { 'target-vmid': null }, { vmids: [100] }],
    [
      'POST /nodes/p/lxc/100/clone',
      { newid: 300, hostname: 'x', pool: 'web' },
      { vmids: [100], creates: { vmid: 300, tags: [], from: 100, name: 'x', pool: 'web' } },
    ],
    [
      'POST /nodes/p/qemu/100/clone',
      { newid: 300, hostname: 'x', pool: '' },
      { vmids: [100], creates: { vmid: 300, tags: [], from: 100 } },
    ],
    ['POST /nodes/p/qemu/100/clone', { newid: 'x' }, { vmids: [100], unreadable: 'newid' }],
    ['POST /nodes/p/qemu', {}, { vmids: [], unreadable: 'vmid' }],
    [
      'POST /nodes/p/lxc',
      { vmid: 300, hostname: 'x', tags: 'A', pool: null, force: 'x1' },
      { vmids: [], creates: { vmid: 300, tags: ['a'], name: 'x' } },
    ],
    [
      'POST /nodes/p/qemu',
      { vmid: 300, name: '', force: '10' },
      { vmids: [], creates: { vmid: 300, tags: [] } },
    ],
    ['POST /cluster/ha/resources', { sid: 'xvm:100' }, { vmids: [], unreadable: 'xvm:100' }],
    ['GET /nodes/p/tasks/UPID', {}, { vmids: [] }],
    ['GET /nodes/p/qemu/100', { vms: 'x' }, { vmids: [100] }],
    ['GET /nodes/p/storage/l/prunebackups', {}, { vmids: [] }],
    ['GET /nodes/p/storage/l/prunebackups', { vmid: 'x' }, { vmids: [], unreadable: 'x' }],
    ['POST /nodes/p/storage/l/content', { vmid: 100 }, { vmids: [100] }],
    ['POST /nodes/p/storage/l/content', {}, { vmids: [] }],
    ['GET /nodes/p/storage/l/content', { vmid: 100 }, { vmids: [] }],
    ['GET /nodes/p/stopall', {}, { vmids: [] }],
    ['GET /pools/web', { vms: '100' }, { vmids: [] }],
    ['PUT /pools/web', { comment: 'x' }, { vmids: [] }],
    ['PUT /pools/a/b', { vms: 100 }, { vmids: [100], listed: 1, changes: { pool: 'a/b' } }],
    ['PUT /pools', { vms: '100,200' }, { vmids: [100, 200], listed: 2, changes: { unknown: true } }],
    ['PUT /pools', { vms: 100, poolid: 'w' }, { vmids: [100], listed: 1, changes: { pool: 'w' } }],
    ['PUT /pools/web', { vms: 100, delete: 'Yes' }, { vmids: [100], listed: 1, changes: { pool: null } }],
    ['POST /nodes/p/vzdump', { vmid: '100', pool: '' }, { vmids: [100], listed: 1 }],
    ['POST /nodes/p/vzdump', { vmid: '100', all: 'no' }, { vmids: [100], listed: 1 }],
    ['POST /nodes/p/vzdump', { pool: 'w' }, { vmids: [], unnamed: 'the guests of pool w' }],
    ['POST /nodes/p/vzdump', { all: 1 }, { vmids: [], unnamed: 'all guests but those that are excluded' }],
    ['POST /nodes/p/vzdump', {}, { vmids: [], unnamed: 'whichever guests the job holds' }],
    ['POST /nodes/p/execute', {}, { vmids: [], unnamed: 'whatever the batch holds' }],
    ['POST /cluster/bulk-action/guest/start', {}, { vmids: [], unnamed: 'all guests of the cluster' }],
    ['POST /nodes/p/suspendall', {}, { vmids: [], unnamed: 'all guests of the node' }],
    ['DELETE /nodes/p/storage/l/prunebackups', {}, { vmids: [], unnamed: 'backups of every guest' }],
    ['DELETE /nodes/p/qemu/x', {}, { vmids: [], unreadable: 'x' }],
    [`DELETE /nodes/p/qemu/${'x'.repeat(50)}`, {}, { vmids: [], unreadable: 'x'.repeat(40) }],
  ])('%s %j: %j', (line, data, expected) => {
    expect(found(line, data)).toEqual(expected);
  });

  it('have what is known of them, and will have what the call makes of them', () => {
    const facts = (vmid: number) => guests.find((one) => one.vmid === vmid);
    const moved = touchedGuests(found('PUT /pools/new', { vms: '100,300' }), facts);
    expect(moved).toEqual({
      listed: 2,
      named: [guests[0], { vmid: 300, tags: [] }],
      after: [
        { ...guests[0], pool: 'new' },
        { vmid: 300, tags: [], pool: 'new' },
      ],
    });
    const renamed = touchedGuests(found('PUT /nodes/p/qemu/100/config', { delete: 'name,tags' }), facts);
    expect(renamed.after).toEqual([{ vmid: 100, tags: [], pool: 'team-a' }]);
    const clone = found('POST /nodes/p/qemu/100/clone', { newid: 300 });
    expect(touchedGuests(clone, facts).creates).toEqual({ vmid: 300, tags: ['web'] });
    const unknown = touchedGuests(clone, (vmid) => ({ vmid, tags: [], unknown: true }));
    expect(unknown.creates).toEqual({ vmid: 300, tags: [], unknown: true });
  });
});

describe('names of volumes', () => {
  it.each<[string, number[]]>([
    ['l:vm-99-disk-0', []],
    ['l:vm-100-disk-0', [100]],
    ['l:vm-999999999-disk-0', [999999999]],
    ['l:vm-1000000000-disk-0', []],
    ['l:vm-0000000100-disk-0', []],
  ])('%s: %j', (volume, vmids) => {
    expect([...ownersIn({ volume })]).toEqual(vmids);
  });
});

describe('what a tenant sees', () => {
  const tenant = { pools: ['web'], tags: ['blue'], infrastructure: false };
  const visible = new Set([100]);
  const shown = (path: string, data: unknown, of = tenant) =>
    tenantAnswer({ method: 'GET', path, tenant: of, visible }, { data }).data;

  it('of backups: its own, and not which storages there are', () => {
    const backups = {
      newest: new Map([
        [100, { at: 1 }],
        [200, { at: 2 }],
      ]),
      unread: [{ storage: 's', node: 'n', code: 'TIMEOUT' }],
      hidden: new Set([100, 200]),
    } as unknown as Backups;
    const seen = tenantBackups(backups, visible, tenant);
    expect([...seen.newest.keys()]).toEqual([100]);
    expect(seen.unread).toEqual([{ storage: '', node: '', code: 'TIMEOUT' }]);
    expect([...(seen.hidden ?? [])]).toEqual([100]);
    const whole = tenantBackups(backups, visible, { ...tenant, infrastructure: true });
    expect(whole.unread).toEqual(backups.unread);
    const { hidden: _hidden, ...known } = backups;
    expect(tenantBackups(known, visible, tenant)).not.toHaveProperty('hidden');
  });

  it('of resources: its guests and pools, and nodes only where it may', () => {
    const rows = [
      { type: 'qemu', vmid: 100, tags: 'Blue;x' },
      { type: 'lxc', vmid: 101, pool: 'web' },
      { type: 'qemu', vmid: 102, tags: 'red', pool: 'other' },
      { type: 'qemu', vmid: 103 },
      { type: 'qemu', vmid: 104, tags: 1, pool: 1 },
      { type: 'pool', pool: 'web' },
      { type: 'pool', pool: 'other' },
      { type: 'node', node: 'n' },
      { type: 'storage', storage: 's' },
      { type: 'sdn', sdn: 'x' },
      'no row',
    ];
    expect(shown('/cluster/resources', rows)).toEqual([rows[0], rows[1], rows[5]]);
    expect(shown('/cluster/resources', rows, { ...tenant, infrastructure: true })).toEqual([
      rows[0],
      rows[1],
      rows[5],
      rows[7],
      rows[8],
    ]);
  });

  it('of pools: the members that are its own, and storages only where it may', () => {
    const members = [{ vmid: 100 }, { vmid: 200 }, { vmid: 'x' }, { type: 'storage', storage: 's' }, 1];
    expect(
      shown('/pools', [
        { poolid: 'web', members },
        { poolid: 'other', members },
      ]),
    ).toEqual([{ poolid: 'web', members: [members[0]] }]);
    expect(shown('/pools/web', { comment: 'c', members }, { ...tenant, infrastructure: true })).toEqual({
      comment: 'c',
      members: [members[0], members[3]],
    });
    expect(shown('/pools/web', { poolid: 'other', members })).toEqual([]);
  });

  it('counts what is left, and has nothing of what no tenant may call', () => {
    const reply = { data: [{ vmid: 100 }, { vmid: 200 }], total: 9 };
    const asked = { method: 'GET', tenant, visible } as const;
    expect(tenantAnswer({ ...asked, path: '/nodes/n/qemu' }, reply)).toEqual({
      data: [{ vmid: 100 }],
      total: 1,
    });
    expect(tenantAnswer({ ...asked, path: '/access/users' }, reply)).toMatchObject({ data: [], total: 0 });
    expect(tenantAnswer({ ...asked, path: '/version' }, reply)).toBe(reply);
    expect(tenantAnswer({ ...asked, method: 'POST', path: '/nodes/n/qemu' }, reply)).toBe(reply);
  });
});
