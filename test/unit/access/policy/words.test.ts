import { describe, expect, it } from 'vitest';
import { defaultPolicy } from '../../../../src/access/policy/policy.ts';
import { ask, type Call, guest, policyOf, somebody } from '../../../support/policy.ts';

const STOP = 'POST /nodes/pve1/qemu/100/status/stop';
const READ = 'GET /nodes/pve1/qemu/100/config';
const DELETE = 'DELETE /nodes/pve1/qemu/100';
const CONFIG = 'PUT /nodes/pve1/qemu/100/config';
const ALL = 'POST /nodes/pve1/stopall';
const guests = [guest(100, 'web-1', ['web'], 'team-a'), guest(200, 'db-1', ['db'], 'team-b')];
const alice = { match: { subject: 'alice' } };
const withGrants = (grants: unknown[], more: object = {}, ofEntry: object = {}) =>
  policyOf({ roles: { own: { grants, ...more } }, principals: [{ ...alice, roles: 'own', ...ofEntry }] });
const ADMIN = policyOf({ principals: [{ ...alice, roles: 'admin' }] });
const POLICY_TEST = 'Ask the operator, who finds out why with `proxmox-mcp policy test`.';
const TENANT = withGrants([{ allow: '*' }], {}, { tenant: { pools: 'team-a', tags: 'Blue' } });

describe('why a call does not pass, and what to do', () => {
  it.each<[ReturnType<typeof policyOf>, string, Call, object]>([
    [
      policyOf({ principals: [] }),
      READ,
      {},
      {
        rule: 'no entry of principals',
        reason: 'The policy names no principal that "alice" is',
        hint: 'Ask the operator to add you to the policy.',
      },
    ],
    [
      ADMIN,
      STOP,
      { more: { serverReadOnly: true } },
      {
        rule: 'read-only',
        reason: 'Only GET is allowed: this server runs with MCP_READ_ONLY',
        hint: 'Read instead, or ask the operator to lift the restriction.',
      },
    ],
    [
      ADMIN,
      STOP,
      { more: { clusterReadOnly: true, requestReadOnly: true } },
      { reason: 'Only GET is allowed: the cluster production is configured with "read_only"' },
    ],
    [
      ADMIN,
      STOP,
      { more: { requestReadOnly: true } },
      { reason: 'Only GET is allowed: the request came with X-MCP-Readonly' },
    ],
    [
      policyOf({ read_only: true, principals: [{ ...alice, roles: 'admin' }] }),
      STOP,
      {},
      { reason: 'Only GET is allowed: the policy says "read_only"' },
    ],
    [
      policyOf({ principals: [{ ...alice, roles: 'admin', read_only: true }] }),
      STOP,
      {},
      { reason: 'Only GET is allowed: principals[0] (subject alice) says "read_only"' },
    ],
    [
      withGrants([{ allow: '*' }], { read_only: true }),
      STOP,
      {},
      { reason: 'Only GET is allowed: the role "own" says "read_only"' },
    ],
    [
      ADMIN,
      DELETE,
      { as: somebody('alice', { scope: 'proxmox:read' }), more: { reasons: ['it deletes', 'it is bad'] } },
      {
        rule: 'scopes of the token',
        reason: 'This token does not hold proxmox:destroy. The call needs it because: it deletes; it is bad',
        hint: 'Ask the operator for a token with proxmox:destroy, or call it so that it does less; describe_api tells the risk.',
      },
    ],
    [
      ADMIN,
      DELETE,
      {
        as: somebody('alice', { scope: 'proxmox:read' }),
        more: { risks: ['destroy', 'secret'], reasons: [] },
      },
      {
        reason: 'This token does not hold proxmox:destroy and proxmox:secret',
        hint: 'Ask the operator for a token with proxmox:destroy and proxmox:secret, or call it so that it does less; describe_api tells the risk.',
      },
    ],
    [
      ADMIN,
      READ,
      { more: { risks: [], reasons: [] } },
      { rule: 'scopes of the token', reason: 'This token does not hold a scope for it' },
    ],
    [
      withGrants([{ allow: '*' }, { deny: 'destroy' }]),
      DELETE,
      {},
      {
        rule: 'role "own", grant 2',
        reason: 'The policy denies it: role "own", grant 2',
        hint: 'Ask the operator, who finds the rule with `proxmox-mcp policy test`.',
      },
    ],
    [
      withGrants([{ allow: 'read' }]),
      STOP,
      {},
      {
        rule: 'nothing granted',
        reason: 'Nothing in the policy grants "alice" to change on guest 100 this way',
        hint: POLICY_TEST,
      },
    ],
    [
      withGrants([{ allow: 'read' }]),
      'POST /pools',
      {},
      { reason: 'Nothing in the policy grants "alice" to change this way', hint: POLICY_TEST },
    ],
    [
      withGrants([{ allow: '*' }], { limits: { bulk: 2 } }),
      STOP,
      { more: { bulk: 3 } },
      {
        rule: 'limit of changes at once',
        reason: 'It makes 3 changes at once, and the policy allows 2',
        hint: 'Name the guests, 2 at most in one call.',
      },
    ],
    [
      withGrants([{ allow: '*' }], { limits: { bulk: 2 } }),
      ALL,
      {},
      { reason: 'It makes an unknown number of changes at once, and the policy allows 2' },
    ],
    [
      withGrants([{ allow: '*' }, { deny: 'destroy', guests: { tags: 'web' } }]),
      CONFIG,
      { data: { tags: '' } },
      {
        rule: 'role "own", grant 2',
        reason: 'Name, tags or pool of guest 100 decide what role "own", grant 2 says of it',
        hint: 'Leave them as they are, or ask the operator to change them.',
      },
    ],
    [
      TENANT,
      CONFIG,
      { data: { revert: 'tags' } },
      {
        rule: 'the binding to tenants',
        reason: 'Name, tags or pool of guest 100 decide what the binding to tenants says of it',
      },
    ],
    [
      ADMIN,
      'POST /nodes/pve1/execute',
      {},
      {
        rule: 'calls that hold others',
        reason: 'A batch holds calls that the policy can not see',
        hint: 'Make the calls one by one.',
      },
    ],
    [
      ADMIN,
      'DELETE /nodes/pve1/qemu/0100',
      {},
      {
        rule: 'calls whose guest can not be told',
        reason: '"0100" stands where a VMID should, and is none',
        hint: 'Give VMIDs as Proxmox writes them, from 100 and without zeros before them.',
      },
    ],
  ])('%#', (policy, line, call, expected) => {
    const decision = ask(policy, line, { guests, ...call });
    expect(decision).toMatchObject({ allowed: false, approval: 'none', ...expected });
  });

  it('is the guests that are protected', () => {
    const policy = policyOf({
      principals: [{ ...alice, roles: 'admin' }],
      protected: { tags: 'web', vmids: { production: '300' } },
    });
    const refused = {
      rule: 'protected guests',
      hint: 'It can be done in Proxmox VE itself, by a person who may.',
    };
    expect(ask(policy, DELETE, { guests })).toMatchObject({
      ...refused,
      reason: 'Guest 100 is protected: nobody may destroy it through this server',
    });
    expect(ask(policy, CONFIG, { guests, data: { tags: 'other' } })).toMatchObject({
      ...refused,
      reason: 'Guest 100 is protected: nobody may take the name or tag away that protects it',
    });
    expect(ask(policy, 'DELETE /nodes/pve1/storage/l/prunebackups', { guests })).toMatchObject({
      rule: 'protected guests',
      reason: 'It deletes backups of every guest, those of protected ones among them',
      hint: 'Name the guest whose backups are meant in vmid.',
    });
    expect(ask(policy, STOP, { guests }).trace).toContain(
      'guest 100 is protected, and this call does not destroy it',
    );
    expect(ask(policy, DELETE, { guests }).trace).toContain('guest 100 is protected');
  });

  it.each<[string, Call, object]>([
    ['GET /nodes/pve1/qemu/200/config', {}, { missing: true, reason: 'There is no guest 200 on production' }],
    [
      'GET /nodes/pve1/qemu/0100/config',
      {},
      { missing: true, reason: 'There is no guest 0100 on production' },
    ],
    [
      'GET /nodes/pve1/qemu/200/config',
      {},
      { rule: 'the binding to tenants', hint: 'List your guests to see which there are.' },
    ],
    [
      'POST /nodes/pve1/qemu',
      { data: { vmid: 300 } },
      {
        reason: 'The new guest would be none of yours',
        hint: 'Set pool to one of team-a, or tags to one of blue.',
      },
    ],
    [
      CONFIG,
      { data: { args: '-x' } },
      {
        reason: 'args reaches what is on the node itself',
        hint: 'Use volumes, and leave devices of the node alone.',
      },
    ],
    [
      ALL,
      {},
      { reason: 'It acts on all guests of the node', hint: 'Name the guests that are meant by their VMIDs.' },
    ],
    [
      'GET /access/users',
      {},
      { reason: 'It is about more than your guests', hint: 'Call what is about your own guests.' },
    ],
    [
      'POST /cluster/ha/resources',
      {},
      { reason: 'It names none of your guests', hint: 'Name one of your guests by its VMID.' },
    ],
    ['GET /pools/team-b', {}, { missing: true, reason: 'There is no pool team-b' }],
    ['GET /pools', { data: { poolid: 'team-b' } }, { missing: true, reason: 'There is no pool team-b' }],
    [
      'GET /pools',
      { data: { poolid: 'x'.repeat(200) } },
      { missing: true, reason: `There is no pool ${'x'.repeat(100)}` },
    ],
    [
      'GET /cluster/nextid',
      { data: { vmid: 300 } },
      {
        reason: 'It tells of guests that may not be yours',
        hint: 'Ask for the next free VMID without naming one.',
      },
    ],
    [
      'GET /nodes',
      {},
      { reason: 'Nodes and storages are not for you to see', hint: 'Ask the operator for "infrastructure".' },
    ],
  ])('for a tenant: %s', (line, call, expected) => {
    const decision = ask(TENANT, line, { guests, ...call });
    expect(decision).toMatchObject({ allowed: false, ...expected });
    expect(decision.missing).toBe('missing' in expected || 'rule' in expected ? true : undefined);
    expect(decision.trace).toContain('tenant: pools team-a; tags blue');
    expect(decision.trace).toContain(`tenant: ${decision.reason}`);
  });

  it('and a tenant of pools or tags alone is told of those', () => {
    const hint = (tenant: object) =>
      ask(withGrants([{ allow: '*' }], {}, { tenant }), 'POST /nodes/pve1/qemu', { data: { vmid: 300 } });
    expect(hint({ pools: ['a', 'b'] }).hint).toBe('Set pool to one of a, b.');
    expect(hint({ tags: 'c' }).hint).toBe('Set tags to one of c.');
    expect(hint({ pools: 'a' }).trace).toContain('tenant: pools a; tags none');
    expect(hint({ tags: 'c' }).trace).toContain('tenant: pools none; tags c');
  });
});

describe('the trace', () => {
  const policy = policyOf({
    roles: {
      base: { grants: [{ allow: 'change', approval: 'self' }] },
      own: {
        extends: 'base',
        limits: { bulk: 5 },
        grants: [
          { allow: ['read', 'change'], guests: { tags: 'web' } },
          { allow: 'change', methods: ['PUT', 'DELETE'] },
          { allow: 'change', clusters: ['a', 'b'] },
          { allow: 'change', tools: ['x', 'y'] },
          { allow: 'change', paths: ['/x/**', '/y'] },
          { allow: 'execute' },
          { allow: 'change', guests: { tags: 'db' } },
          { deny: 'change', guests: { tags: 'db' } },
          { deny: 'destroy' },
        ],
      },
    },
    approval: { execute: 'second' },
    principals: [
      { ...alice, roles: 'own' },
      { match: { group: ['ops', 'dev'], client: 'ci' }, roles: 'viewer' },
    ],
  });

  it('says of each entry, rule, limit and approval how it went, in order', () => {
    const { trace, reason, rule, hint } = ask(policy, STOP, { guests });
    expect(trace).toEqual(
      [
        'principals[0] (subject alice): matches, roles own',
        'principals[1] (client ci, group ops or dev): does not match, the token names no client',
        'read-only: no',
        'scopes: the token holds proxmox:admin; enough',
        'role "own", grant 8: deny change of guests with {"tags":["db"]}: not about this guest',
        'role "own", grant 9: deny destroy: not a risk of this call',
        'limit of 5 changes at once: kept',
        'role "base", grant 1 (extended by "own"): allow change approval self: matches',
        'role "own", grant 1: allow read, change of guests with {"tags":["web"]}: matches guest 100',
        'role "own", grant 2: allow change PUT|DELETE: not for this method',
        'role "own", grant 3: allow change in a, b: not in this cluster',
        'role "own", grant 4: allow change through x, y: not through this tool',
        'role "own", grant 5: allow change on /x/**, /y: not on this path',
        'role "own", grant 6: allow execute: not a risk of this call',
        'role "own", grant 7: allow change of guests with {"tags":["db"]}: not about this guest',
        'approval of change: self, as a grant or role says',
        'allowed by role "base", grant 1 (extended by "own")',
      ].map((line) => (/^role/.test(line) ? `principals[0] (subject alice), ${line}` : line)),
    );
    expect({ rule, reason, hint }).toEqual({
      rule: 'role "base", grant 1 (extended by "own")',
      reason: 'Allowed by role "base", grant 1 (extended by "own")',
      hint: '',
    });
  });

  it.each<[Parameters<typeof somebody>[1], string]>([
    [{ client: 'other', groups: ['ops'] }, 'does not match, the client is "other"'],
    [{ client: 'ci', groups: ['a', 'b'] }, 'does not match, the groups are a, b'],
    [{ client: 'ci' }, 'does not match, the groups are none'],
    [{ client: 'ci', groups: ['dev'] }, 'matches, roles viewer'],
  ])('says why an entry is not about %j', (more, words) => {
    const { trace } = ask(policy, READ, { as: somebody('bob', more), guests });
    expect(trace[0]).toBe('principals[0] (subject alice): does not match, the subject is "bob"');
    expect(trace[1]).toBe(`principals[1] (client ci, group ops or dev): ${words}`);
  });

  it('says which scopes an entry misses', () => {
    const scoped = policyOf({ principals: [{ match: { scope: 'proxmox:execute' }, roles: 'viewer' }] });
    const lines = (scope: string) => ask(scoped, READ, { as: somebody('a', { scope }) }).trace[0];
    expect(lines('proxmox:read proxmox:change')).toBe(
      'principals[0] (scope proxmox:execute): does not match, the scopes are proxmox:read, proxmox:change',
    );
    expect(lines('')).toContain('the scopes are none');
  });

  it.each<[string, Call, string]>([
    [
      READ,
      { more: { serverReadOnly: true } },
      'read-only: this server runs with MCP_READ_ONLY; a GET passes',
    ],
    [STOP, { more: { requestReadOnly: true } }, 'read-only: the request came with X-MCP-Readonly'],
    [
      STOP,
      { as: somebody('alice', { scope: 'proxmox:read proxmox:secret' }) },
      'scopes: the token holds proxmox:read proxmox:secret; proxmox:change is missing',
    ],
    [
      STOP,
      { as: somebody('alice', { scope: '' }) },
      'scopes: the token holds no scope; proxmox:change is missing',
    ],
    [STOP, { more: { bulk: 6 } }, 'limit of 5 changes at once: exceeded'],
    [STOP, { more: { bulk: 2 } }, 'approval of bulk: self, as the default says'],
    ['POST /nodes/pve1/qemu/100/agent/exec', {}, 'approval of execute: second, as the file says'],
    ['GET /version', {}, 'nothing grants read'],
    ['GET /nodes/pve1/qemu/200/config', {}, 'nothing grants read on guest 200'],
    [CONFIG, { data: { tags: 'x' } }, 'the change of guest 100 would change what role "own", grant 1 says'],
    [
      'GET /version',
      {},
      'principals[0] (subject alice), role "own", grant 1: allow read, change of guests with {"tags":["web"]}: the call is about no guest that it names',
    ],
    [
      STOP,
      { guests: [{ ...guest(100), unknown: true }] },
      'principals[0] (subject alice), role "own", grant 8: deny change of guests with {"tags":["db"]}: matches',
    ],
    [
      READ,
      { guests: [{ ...guest(100), unknown: true }] },
      'principals[0] (subject alice), role "own", grant 1: allow read, change of guests with {"tags":["web"]}: nothing is known of the guest',
    ],
  ])('of %s %j holds: %s', (line, call, expected) => {
    expect(ask(policy, line, { guests, ...call }).trace).toContain(expected);
  });

  it('without a file is that of the scopes', () => {
    expect(ask(defaultPolicy(), STOP).trace).toEqual([
      'policy: no POLICY_FILE, so that the scopes of the token decide',
      'read-only: no',
      'scopes: the token holds proxmox:admin; enough',
    ]);
    expect(ask(defaultPolicy(), STOP)).toMatchObject({
      rule: 'scopes of the token',
      reason: 'Allowed by scopes of the token',
    });
  });
});

describe('what holds for a principal', () => {
  it('is said a line for each entry and rule', () => {
    const policy = policyOf({
      roles: { own: { grants: [{ allow: 'read' }, { deny: 'change' }], read_only: true } },
      principals: [
        { ...alice, roles: 'own', tenant: { pools: 'a' } },
        { match: { subject: '*' }, roles: ['own'] },
      ],
    });
    expect(policy.describe(somebody('alice', { scope: 'proxmox:read proxmox:change' }))).toEqual([
      'principals[0] (subject alice): matches, roles own',
      'principals[1] (subject *): matches, roles own',
      'the role "own" says "read_only"',
      'role "own", grant 1: allow read for its tenant alone',
      'role "own", grant 2: deny change',
      'role "own", grant 1: allow read',
      'role "own", grant 2: deny change',
      'scopes of the token, which all of it needs too: proxmox:read, proxmox:change',
    ]);
    expect(policy.describe(somebody('bob', { scope: '' })).at(-1)).toBe(
      'scopes of the token, which all of it needs too: none',
    );
  });

  it('without a file is what the scopes say', () => {
    const said = (scope: string) => defaultPolicy().describe(somebody('a', { scope }));
    expect(said('proxmox:read proxmox:change')).toEqual([
      'scopes of the token: proxmox:read, proxmox:change',
    ]);
    expect(said('')).toEqual(['scopes of the token: none']);
    expect(defaultPolicy().needsGuest(somebody('a'))).toBe(false);
    expect(defaultPolicy().tenantOf(somebody('a'))).toBeUndefined();
    expect(defaultPolicy().isProtected(guest(100), 'a')).toBe(false);
    expect(defaultPolicy().limitsOf(somebody('a'))).toEqual({});
  });

  it('is whether the guests have to be looked up', () => {
    const needs = (policy: ReturnType<typeof policyOf>) => policy.needsGuest(somebody('alice'));
    expect(needs(ADMIN)).toBe(false);
    expect(needs(TENANT)).toBe(true);
    expect(needs(withGrants([{ allow: '*', guests: { vmids: 100 } }]))).toBe(false);
    for (const by of [{ names: 'a' }, { tags: 'a' }, { pools: 'a' }])
      expect(needs(withGrants([{ allow: '*', guests: by }]))).toBe(true);
    const guarded = (by: object) => policyOf({ principals: [], protected: by });
    expect(needs(guarded({ vmids: { a: '100' } }))).toBe(false);
    expect(needs(guarded({ tags: 'a' }))).toBe(true);
    expect(needs(guarded({ names: 'a' }))).toBe(true);
  });

  it('is its tenant: all of its entries together, tags in lower case', () => {
    const policy = policyOf({
      principals: [
        { ...alice, roles: 'viewer', tenant: { pools: ['a', 'b'], tags: 'X' } },
        { ...alice, roles: 'viewer', tenant: { pools: 'b', tags: ['x', 'Y'], infrastructure: true } },
        { ...alice, roles: 'viewer' },
      ],
    });
    expect(policy.tenantOf(somebody('alice'))).toEqual({
      pools: ['a', 'b'],
      tags: ['x', 'y'],
      infrastructure: true,
    });
    expect(TENANT.tenantOf(somebody('alice'))).toMatchObject({ infrastructure: false });
    expect(ADMIN.tenantOf(somebody('alice'))).toBeUndefined();
  });
});
