import { describe, expect, it } from 'vitest';
import { defaultPolicy } from '../../../../src/access/policy/policy.ts';
import { ask, guest, policyOf, somebody } from '../../../support/policy.ts';

const STOP = 'POST /nodes/pve1/qemu/100/status/stop';
const READ = 'GET /nodes/pve1/qemu/100/config';
const DELETE = 'DELETE /nodes/pve1/qemu/100';
const web = guest(100, 'web-1', ['web'], 'team-a');
const guests = [web, guest(200, 'db-1', ['db'], 'team-b')];
const alice = { match: { subject: 'alice' } };
const withGrants = (grants: unknown[], more: object = {}) =>
  policyOf({ roles: { own: { grants, ...more } }, principals: [{ ...alice, roles: 'own' }] });

describe('who a policy is about', () => {
  const policy = policyOf({
    principals: [
      { match: { subject: 'alice' }, roles: 'viewer' },
      { match: { group: 'ops' }, roles: 'operator' },
      { match: { client: 'ci', group: 'build' }, roles: 'admin' },
      { match: { scope: 'proxmox:execute' }, roles: 'viewer' },
    ],
  });
  it.each([
    ['alice', {}, READ, true],
    ['alice', {}, STOP, false],
    ['Alice', {}, READ, false],
    ['alice ', {}, READ, false],
    ['bob', { groups: ['ops'] }, STOP, true],
    ['bob', { groups: ['Ops'] }, STOP, false],
    ['bob', { groups: ['ops'] }, DELETE, false],
    ['bob', { client: 'ci', groups: ['build'] }, DELETE, true],
    ['bob', { client: 'ci' }, DELETE, false],
    ['bob', { groups: ['build'] }, DELETE, false],
    ['bob', { scope: 'proxmox:read proxmox:execute' }, READ, true],
    ['bob', {}, READ, false],
    ['*', {}, READ, false],
    ['__proto__', {}, READ, false],
    ['alice', { groups: ['ops'], scope: 'proxmox:read' }, STOP, false],
    ['alice', { groups: ['ops'], scope: 'proxmox:read proxmox:change' }, STOP, true],
  ])('%s %j: %s is allowed: %s', (subject, more, line, allowed) => {
    expect(ask(policy, line, { as: somebody(subject, more), guests }).allowed).toBe(allowed);
  });

  it('is everyone with "*", and nobody without an entry', () => {
    const open = policyOf({ principals: [{ match: { subject: '*' }, roles: 'viewer' }] });
    expect(ask(open, READ, { as: somebody('x') }).allowed).toBe(true);
    expect(ask(policyOf({ principals: [] }), READ)).toMatchObject({
      allowed: false,
      rule: 'no entry of principals',
    });
  });
});

describe('what a grant is about', () => {
  it.each([
    [{ paths: '/nodes/*/qemu/*/status/*' }, STOP, true],
    [{ paths: '/nodes/pve1/**' }, STOP, true],
    [{ paths: '/nodes/pve2/**' }, STOP, false],
    [{ paths: '/nodes/pve*/qemu/**' }, STOP, true],
    [{ paths: '/nodes/*/qemu/*' }, STOP, false],
    [{ paths: '/nodes/*/qemu/*/status/sto' }, STOP, false],
    [{ paths: '/NODES/*/qemu/*/status/*' }, STOP, false],
    [{ paths: ['/access/**', '/nodes/**'] }, STOP, true],
    [{ methods: 'POST' }, STOP, true],
    [{ methods: ['PUT', 'DELETE'] }, STOP, false],
    [{ clusters: 'production' }, STOP, true],
    [{ clusters: 'prod*' }, STOP, true],
    [{ clusters: 'staging' }, STOP, false],
    [{ clusters: 'Production' }, STOP, false],
    [{ tools: 'proxmox_api_call' }, STOP, true],
    [{ tools: 'list_*' }, STOP, false],
    [{ guests: { vmids: '100-199' } }, STOP, true],
    [{ guests: { vmids: '101-199' } }, STOP, false],
    [{ guests: { names: 'web-*' } }, STOP, true],
    [{ guests: { names: 'db-*' } }, STOP, false],
    [{ guests: { tags: 'WEB' } }, STOP, true],
    [{ guests: { pools: 'team-a' } }, STOP, true],
    [{ guests: { pools: 'Team-A' } }, STOP, false],
    [{ guests: { names: 'web-*', pools: 'team-b' } }, STOP, false],
    [{ guests: { vmids: 100, names: 'web-1', tags: ['x', 'web'], pools: 'team-*' } }, STOP, true],
    // Not about a guest.
    [{ guests: { vmids: '100-199' } }, 'POST /nodes/pve1/apt/update', false],
    [{ guests: { vmids: '100-199' } }, 'POST /nodes/pve1/suspendall', false],
    [{}, 'POST /nodes/pve1/suspendall', true],
  ])('%j lets %s through: %s', (limits, line, allowed) => {
    const policy = withGrants([{ allow: ['change'], ...limits }]);
    const decision = ask(policy, line, { guests });
    expect(decision.allowed).toBe(allowed);
    expect(decision.rule).toBe(allowed ? 'role "own", grant 1' : 'nothing granted');
  });

  it('has to grant every risk and every guest that a call names', () => {
    const policy = withGrants([{ allow: ['change', 'read'], guests: { pools: 'team-a' } }]);
    const config = 'PUT /nodes/pve1/qemu/100/config';
    expect(ask(policy, config, { guests, data: { cores: 2 } }).allowed).toBe(true);
    expect(ask(policy, config, { guests, data: { delete: 'scsi1' } }).allowed).toBe(false);
    expect(ask(policy, config, { guests, data: { scsi1: 'local-lvm:vm-200-disk-0' } })).toMatchObject({
      allowed: false,
      reason: expect.stringContaining('guest 200'),
    });
    const bulk = { guests, data: { vms: '100,200' } };
    expect(ask(policy, 'POST /nodes/pve1/startall', bulk).allowed).toBe(false);
    expect(ask(policy, 'POST /nodes/pve1/startall', { guests, data: { vms: '100' } }).allowed).toBe(true);
  });

  it('never holds for a guest of which nothing is known, but for its VMID', () => {
    const unknown = { ...guest(100), unknown: true };
    const by = (guestsOf: object) =>
      ask(withGrants([{ allow: 'change', guests: guestsOf }]), STOP, { guests: [unknown] });
    expect(by({ names: '*' }).allowed).toBe(false);
    expect(by({ tags: '*' }).allowed).toBe(false);
    expect(by({ pools: '*' }).allowed).toBe(false);
    expect(by({ vmids: 100 }).allowed).toBe(true);
  });
});

describe('deny', () => {
  const all = { allow: '*' };
  it.each([
    [{ deny: 'destroy' }, DELETE, false],
    [{ deny: 'destroy' }, STOP, true],
    [{ deny: '*', guests: { tags: 'web' } }, STOP, false],
    [{ deny: '*', guests: { tags: 'db' } }, STOP, true],
    [{ deny: '*', paths: '/nodes/pve1/**' }, STOP, false],
    [{ deny: '*', paths: '/nodes/pve1/**' }, 'POST /nodes/localhost/qemu/100/status/stop', false],
    [
      { deny: '*', paths: '/nodes/*/storage/*/content/*' },
      'DELETE /nodes/pve1/storage/local/content/local:iso/x.iso',
      false,
    ],
    [{ deny: 'change', guests: { vmids: 100 } }, 'POST /nodes/pve1/suspendall', false],
    [{ deny: 'change', guests: { vmids: 300 } }, STOP, true],
    [{ deny: 'change', clusters: 'staging' }, STOP, true],
    [{ deny: 'change', tools: '*_call' }, STOP, false],
  ])('wins over what allows: %j, %s is allowed: %s', (grant, line, allowed) => {
    for (const grants of [
      [all, grant],
      [grant, all],
    ]) {
      expect(ask(withGrants(grants), line, { guests }).allowed, JSON.stringify(grants)).toBe(allowed);
    }
  });

  it('holds for a guest of which nothing is known', () => {
    const policy = withGrants([all, { deny: 'destroy', guests: { tags: 'prod' } }]);
    expect(ask(policy, DELETE, { guests: [{ ...guest(100), unknown: true }] }).allowed).toBe(false);
    expect(ask(policy, DELETE, { guests: [guest(100)] }).allowed).toBe(true);
  });

  it('can not be changed away: what it tells guests by stays as it is', () => {
    const policy = withGrants([all, { deny: 'destroy', guests: { tags: 'prod', names: 'x-*' } }]);
    const prod = [guest(100, 'x-1', ['prod', 'web'])];
    const set = (data: Record<string, unknown>) =>
      ask(policy, 'PUT /nodes/pve1/qemu/100/config', { guests: prod, data }).allowed;
    expect(set({ tags: 'web' })).toBe(false);
    expect(set({ tags: '' })).toBe(false);
    expect(set({ delete: 'tags' })).toBe(false);
    expect(set({ delete: 'description,tags' })).toBe(false);
    expect(set({ revert: 'tags' })).toBe(false);
    expect(set({ name: 'y-1' })).toBe(false);
    expect(set({ tags: 'prod;new' })).toBe(true);
    expect(set({ name: 'x-2' })).toBe(true);
    expect(set({ cores: 2 })).toBe(true);
  });

  it('is no way around an allow either: tagging a guest into it is refused', () => {
    const policy = withGrants([
      { allow: ['read', 'change'] },
      { allow: 'destroy', guests: { tags: 'scratch' } },
    ]);
    const tag = { guests, data: { tags: 'scratch' } };
    expect(ask(policy, 'PUT /nodes/pve1/qemu/100/config', tag)).toMatchObject({
      allowed: false,
      rule: 'role "own", grant 2',
    });
    expect(ask(policy, 'PUT /nodes/pve1/qemu/100/config', { guests, data: { tags: 'red' } }).allowed).toBe(
      true,
    );
  });
});

describe('read-only', () => {
  const admin = policyOf({ principals: [{ ...alice, roles: 'admin' }] });
  const readOnly = { read_only: true };
  it.each([
    ['the server', admin, { serverReadOnly: true }],
    ['the cluster', admin, { clusterReadOnly: true }],
    ['the request', admin, { requestReadOnly: true }],
    ['the policy', policyOf({ ...readOnly, principals: [{ ...alice, roles: 'admin' }] }), {}],
    [
      'an entry',
      policyOf({
        principals: [
          { ...alice, roles: 'admin' },
          { ...alice, roles: 'viewer', ...readOnly },
        ],
      }),
      {},
    ],
    [
      'a role',
      policyOf({
        roles: { ro: { extends: 'admin', ...readOnly } },
        principals: [{ ...alice, roles: ['admin', 'ro'] }],
      }),
      {},
    ],
    [
      'an extended role',
      policyOf({
        roles: { ro: readOnly, own: { extends: ['admin', 'ro'] } },
        principals: [{ ...alice, roles: 'own' }],
      }),
      {},
    ],
  ])('of %s sends nothing but GET', (_who, policy, more) => {
    for (const method of ['POST', 'PUT', 'DELETE']) {
      expect(ask(policy, `${method} /nodes/pve1/qemu/100/config`, { more })).toMatchObject({
        allowed: false,
        rule: 'read-only',
      });
    }
    expect(ask(policy, READ, { more }).allowed).toBe(true);
  });
});

describe('protected guests', () => {
  const policy = policyOf({
    principals: [{ match: { subject: '*' }, roles: 'admin' }],
    protected: { tags: 'protected', names: 'dc-*', vmids: { production: '300', 'dr-*': '400' } },
  });
  const some = [
    guest(100, 'web-1', ['protected']),
    guest(101, 'dc-1'),
    guest(200, 'x'),
    guest(300, 'y'),
    guest(400, 'z'),
  ];
  it.each([
    ['DELETE /nodes/pve1/qemu/100', {}, false],
    ['DELETE /nodes/pve1/qemu/101', {}, false],
    ['DELETE /nodes/pve1/lxc/300', {}, false],
    ['DELETE /nodes/pve1/qemu/400', {}, true],
    ['DELETE /nodes/pve1/qemu/200', {}, true],
    ['DELETE /nodes/localhost/qemu/100', {}, false],
    ['PUT /nodes/pve1/qemu/100/config', { delete: 'scsi0' }, false],
    ['PUT /nodes/pve1/qemu/100/config', { tags: 'other' }, false],
    ['PUT /nodes/pve1/qemu/100/config', { tags: 'other,protected' }, true],
    ['PUT /nodes/pve1/qemu/101/config', { name: 'old' }, false],
    ['PUT /nodes/pve1/qemu/100/unlink', { idlist: 'scsi0' }, false],
    ['POST /nodes/pve1/qemu/100/snapshot/a/rollback', {}, false],
    ['POST /nodes/pve1/qemu/100/move_disk', { disk: 'scsi0', storage: 'x', delete: 1 }, false],
    ['POST /nodes/pve1/qemu', { vmid: 100, archive: 'local:backup/x.vma', force: 1 }, false],
    ['POST /nodes/pve1/qemu', { vmid: '100', force: '1' }, false],
    ['DELETE /nodes/pve1/storage/lvm/content/vm-100-disk-0', {}, false],
    ['DELETE /nodes/pve1/storage/lvm/content/lvm:vm-100-disk-0', {}, false],
    ['DELETE /nodes/pve1/storage/dir/content/dir:100/vm-100-disk-0.qcow2', {}, false],
    ['DELETE /nodes/pve1/storage/dir/content/dir:backup/vzdump-qemu-100-2026_01_01-00_00_00.vma', {}, false],
    ['DELETE /nodes/pve1/storage/lvm/content/vm-200-disk-0', {}, true],
    ['DELETE /nodes/pve1/storage/dir/prunebackups', {}, false],
    ['POST /nodes/pve1/qemu/200/move_disk', { disk: 'scsi0', 'target-vmid': 100, delete: 1 }, false],
    // A disk that became another guest's could be destroyed with that one.
    ['POST /nodes/pve1/qemu/100/move_disk', { disk: 'scsi0', 'target-vmid': 200 }, false],
    ['POST /nodes/pve1/lxc/300/move_volume', { volume: 'mp0', 'target-vmid': '200' }, false],
    // Two guests that write to one disk leave nothing of it.
    ['PUT /nodes/pve1/qemu/200/config', { scsi7: 'lvm:vm-100-disk-0' }, false],
    ['POST /nodes/pve1/qemu/200/config', { sata0: 'ssd=1,file=dir:100/vm-100-disk-0.qcow2' }, false],
    ['POST /nodes/pve1/qemu', { vmid: 210, virtio0: { file: 'lvm:vm-100-disk-0' } }, false],
    ['PUT /nodes/pve1/lxc/200/config', { mp0: 'lvm:vm-300-disk-1,mp=/x' }, false],
    ['POST /nodes/pve1/qemu', { vmid: 300, scsi0: 'lvm:vm-300-disk-0' }, true],
    ['PUT /nodes/pve1/qemu/200/config', { unused0: 'lvm:vm-100-disk-0' }, false],
    ['PUT /nodes/pve1/qemu/100/config', { scsi7: 'lvm:vm-100-disk-3' }, true],
    ['PUT /nodes/pve1/qemu/100/config', { scsi7: 'lvm:vm-200-disk-0' }, true],
    ['PUT /nodes/pve1/qemu/200/config', { scsi7: 'lvm:0,import-from=lvm:vm-100-disk-0' }, true],
    [
      'PUT /nodes/pve1/qemu/200/config',
      { scsi7: { file: 'lvm:0', 'import-from': 'lvm:vm-100-disk-0' } },
      true,
    ],
    ['PUT /nodes/pve1/qemu/200/config', { scsi7: 'lvm:base-100-disk-0/vm-200-disk-0' }, true],
    ['PUT /nodes/pve1/qemu/200/config', { description: 'lvm:vm-100-disk-0' }, true],
    ['POST /nodes/pve1/qemu/200/move_disk', { disk: 'scsi0', 'target-vmid': 100 }, true],
    ['POST /nodes/pve1/qemu/100/move_disk', { disk: 'scsi0', 'target-vmid': 100 }, true],
    ['POST /nodes/pve1/qemu/100/move_disk', { disk: 'scsi0', storage: 'x', 'target-vmid': null }, true],
    ['POST /nodes/pve1/qemu', { vmid: 100, force: '1\n' }, false],
    ['POST /nodes/pve1/execute', { commands: '[]' }, false],
    ['DELETE /nodes/pve1/qemu/0100', {}, false],
    ['POST /nodes/pve1/qemu/100/status/stop', {}, true],
    ['DELETE /nodes/pve1/qemu/100/snapshot/a', {}, true],
    ['DELETE /nodes/pve1/qemu/100/firewall/rules/0', {}, true],
    ['POST /nodes/pve1/vzdump', { vmid: 100 }, true],
    ['POST /nodes/pve1/vzdump', { vmid: 100, 'prune-backups': 'keep-last=1' }, false],
  ])('%s %j is allowed: %s', (line, data, allowed) => {
    expect(ask(policy, line, { as: somebody('root'), guests: some, data }).allowed).toBe(allowed);
  });

  it('are told', () => {
    expect(some.map((one) => policy.isProtected(one, 'production'))).toEqual([
      true,
      true,
      false,
      true,
      false,
    ]);
    expect(policy.isProtected({ ...guest(200), unknown: true }, 'production')).toBe(true);
    expect(policy.isProtected(guest(400), 'dr-east')).toBe(true);
  });
});

describe('approval', () => {
  const EXEC = 'POST /nodes/pve1/qemu/100/agent/exec';
  const roles = {
    own: { extends: 'admin', approval: { destroy: 'second' } },
    loose: { grants: [{ allow: 'destroy', guests: { tags: 'web' }, approval: 'none' }] },
  };
  it.each([
    ['admin', {}, READ, 'none'],
    ['admin', {}, STOP, 'none'],
    ['admin', {}, DELETE, 'person'],
    ['admin', {}, EXEC, 'person'],
    ['own', {}, DELETE, 'second'],
    ['own', {}, EXEC, 'person'],
    ['admin', { approval: { destroy: 'self', change: 'self' } }, DELETE, 'self'],
    ['admin', { approval: { destroy: 'self', change: 'self' } }, STOP, 'self'],
    [['admin', 'loose'], {}, DELETE, 'none'],
    [['loose', 'admin'], {}, DELETE, 'none'],
    [['own', 'loose'], {}, DELETE, 'second'],
    [['loose', 'own'], {}, DELETE, 'second'],
  ])('of %j with %j: %s needs %s', (names, more, line, approval) => {
    const policy = policyOf({ roles, principals: [{ ...alice, roles: names }], ...more });
    expect(ask(policy, line, { guests, data: {} }).approval).toBe(approval);
  });

  it('is the strictest of all risks, and of bulk', () => {
    const admin = policyOf({ principals: [{ ...alice, roles: 'admin' }] });
    expect(ask(admin, STOP, { more: { bulk: 2 } }).approval).toBe('self');
    expect(ask(admin, 'POST /nodes/pve1/startall', { data: { vms: '100,200' }, guests }).approval).toBe(
      'self',
    );
    expect(ask(admin, 'POST /nodes/pve1/startall').approval).toBe('self');
    expect(ask(admin, DELETE, { more: { bulk: 2 } }).approval).toBe('person');
    expect(ask(admin, READ, { more: { bulk: 9 } }).approval).toBe('none');
  });

  it('has the same defaults without a file', () => {
    expect(ask(defaultPolicy(), DELETE)).toMatchObject({ allowed: true, approval: 'person' });
    expect(ask(defaultPolicy(), STOP)).toMatchObject({ allowed: true, approval: 'none' });
    expect(ask(defaultPolicy(), STOP, { more: { bulk: 3 } })).toMatchObject({ approval: 'self' });
    expect(ask(defaultPolicy(), STOP, { as: somebody('a', { scope: 'proxmox:read' }) }).allowed).toBe(false);
    expect(ask(defaultPolicy(), READ, { as: somebody('a', { scope: 'proxmox:approve' }) }).allowed).toBe(
      false,
    );
  });
});

describe('limits', () => {
  const policy = policyOf({
    roles: { few: { extends: 'admin', limits: { bulk: 2 } } },
    principals: [
      { ...alice, roles: 'few', limits: { calls_per_minute: 30 } },
      { ...alice, roles: 'admin', limits: { calls_per_minute: 90, bulk: 9 } },
    ],
    limits: { calls_per_minute: 60 },
  });
  it('are the lowest of all that hold', () => {
    expect(policy.limitsOf(somebody('alice'))).toEqual({ callsPerMinute: 30, bulk: 2 });
    expect(policy.limitsOf(somebody('bob'))).toEqual({ callsPerMinute: 60 });
  });
  it.each([
    [STOP, {}, 2, true],
    [STOP, {}, 3, false],
    ['POST /nodes/pve1/startall', { vms: '100,200' }, undefined, true],
    ['POST /nodes/pve1/startall', { vms: '100,200,300' }, undefined, false],
    ['POST /nodes/pve1/startall', {}, undefined, false],
    [READ, {}, 100, true],
  ])('%s %j with bulk %s is allowed: %s', (line, data, bulk, allowed) => {
    expect(ask(policy, line, { data, more: bulk === undefined ? {} : { bulk } }).allowed).toBe(allowed);
  });
});

describe('the trace', () => {
  it('names every rule in order, and which decided', () => {
    const policy = withGrants([
      { allow: '*' },
      { deny: 'destroy', guests: { tags: 'web' } },
      { deny: 'destroy' },
    ]);
    const { trace, rule } = ask(policy, DELETE, { guests });
    expect(rule).toBe('role "own", grant 2');
    expect(trace.at(-1)).toBe('denied by role "own", grant 2');
    const text = trace.join('\n');
    expect(text).toMatch(/principals\[0\] \(subject alice\): matches, roles own/);
    expect(text).toMatch(/grant 2: deny destroy .*matches[\s\S]*grant 3: deny destroy: matches/);
  });
});

describe('tools', () => {
  const tool = (name: string, readOnlyHint: boolean, calls: ['GET' | 'POST' | 'DELETE', string][] = []) => ({
    name,
    readOnlyHint,
    calls,
  });
  const list = tool('list_nodes', true, [['GET', '/nodes']]);
  const stop = tool('stop_guest', false, [
    ['GET', '/cluster/resources'],
    ['POST', '/nodes/{node}/qemu/{vmid}/status/stop'],
  ]);
  const remove = tool('delete_guest', false, [['DELETE', '/nodes/{node}/qemu/{vmid}']]);
  const raw = tool('proxmox_api_call', false);
  const backup = tool('backup', false, [['POST', '/nodes/{node}/vzdump']]);
  it.each([
    [{ grants: [{ allow: 'read' }] }, 'list_nodes proxmox_api_call'],
    [{ extends: 'operator' }, 'list_nodes stop_guest proxmox_api_call backup'],
    [{ extends: 'admin' }, 'list_nodes stop_guest delete_guest proxmox_api_call backup'],
    [
      { extends: 'admin', grants: [{ deny: '*', tools: 'proxmox_*' }] },
      'list_nodes stop_guest delete_guest backup',
    ],
    [{ extends: 'admin', grants: [{ deny: 'destroy' }] }, 'list_nodes stop_guest proxmox_api_call backup'],
    [{ extends: 'admin', read_only: true }, 'list_nodes proxmox_api_call'],
    [{ grants: [{ allow: '*', tools: 'list_*' }] }, 'list_nodes'],
    [{ grants: [{ allow: 'change', paths: '/nodes/*/lxc/**' }] }, 'proxmox_api_call'],
    [{ grants: [] }, ''],
  ])('%j may use %s', (role, names) => {
    const policy = policyOf({ roles: { own: role }, principals: [{ ...alice, roles: 'own' }] });
    const used = [list, stop, remove, raw, backup].filter((one) => policy.mayUse(somebody('alice'), one));
    expect(used.map(({ name }) => name).join(' ')).toBe(names);
    expect([list, stop, remove, raw].some((one) => policy.mayUse(somebody('bob'), one))).toBe(false);
  });

  it('are those of the scopes without a file', () => {
    const reader = somebody('a', { scope: 'proxmox:read' });
    expect([list, stop, remove, raw].map((one) => defaultPolicy().mayUse(reader, one))).toEqual([
      true,
      false,
      false,
      true,
    ]);
    const approver = somebody('a', { scope: 'proxmox:approve' });
    expect([list, stop, remove, raw].some((one) => defaultPolicy().mayUse(approver, one))).toBe(false);
  });
});
