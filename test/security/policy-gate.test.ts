import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import type { Policy } from '../../src/access/policy/policy.ts';
import { POLICY_RISKS } from '../../src/config/policy-schema.ts';
import { DEFAULT_TOOLSETS } from '../../src/config/toolsets.ts';
import { type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import { TOOLS } from '../../src/tools/registry.ts';
import { secretOf } from '../support/canary-parameters.ts';
import { type GuardedClient, GuardedService } from '../support/guarded-service.ts';
import { policyOf } from '../support/policy.ts';
import { ask, callTool, entryOf, ReloadingService } from '../support/reloading-service.ts';
import { tokenFor } from '../support/service.ts';
import { TOOL_CALLS } from '../support/tool-calls.ts';

const NO_APPROVAL = { change: 'none', secret: 'none', destroy: 'none', execute: 'none', bulk: 'none' };
const SOON = { timeout: 5000, interval: 20 };

/** Calls of each risk, among others perhaps. */
const OF_RISK: Record<(typeof POLICY_RISKS)[number], [string, Record<string, unknown>?][]> = {
  read: [['GET /version'], ['GET /nodes/pve1/qemu/100/config'], ['GET /access/users'], ['GET /no/such/path']],
  change: [
    ['POST /nodes/pve1/qemu/100/status/start'],
    ['PUT /nodes/pve1/qemu/100/config', { cores: 2 }],
    ['POST /nodes/pve1/qemu/9000/clone', { newid: 800 }],
    ['PUT /access/acl', { path: '/', roles: 'Administrator', users: 'a@pve' }],
    ['POST /cluster/ha/resources', { sid: 'vm:103' }],
  ],
  secret: [
    ['POST /access/users/mcp@pve/token/other'],
    ['PUT /access/password', { userid: 'mcp@pve', password: secretOf('a changed password') }],
    ['GET /nodes/pve1/qemu/100/cloudinit/dump', { type: 'user' }],
    ['GET /access/domains/pve'],
  ],
  destroy: [
    ['DELETE /nodes/pve1/qemu/100'],
    ['PUT /nodes/pve1/qemu/100/config', { delete: 'scsi0' }],
    ['POST /nodes/pve1/qemu', { vmid: 100, archive: 'local:backup/x.vma', force: 1 }],
    ['POST /nodes/pve1/stopall'],
    ['POST /nodes/pve1/no/such/method'],
    ['DELETE /access/users/mcp@pve'],
  ],
  execute: [
    ['POST /nodes/pve1/qemu/100/agent/exec', { command: ['id'] }],
    ['POST /nodes/pve1/qemu/100/monitor', { command: 'info' }],
    ['GET /nodes/pve1/qemu/100/agent/file-read', { file: '/etc/shadow' }],
    ['POST /nodes/pve1/termproxy'],
    ['POST /nodes/pve1/execute', { commands: '[]' }],
  ],
};

let simulator: Simulator;
beforeAll(async () => {
  simulator = await startSimulator({ taskSeconds: 0, authDelaySeconds: 0, resourcesLagSeconds: 0 });
});
afterAll(() => simulator.close());

/** One service whose policy a test puts in place, so that not every case has to start one. */
let policy: Policy;
const live: Policy = {
  decide: (asked) => policy.decide(asked),
  needsGuest: (principal) => policy.needsGuest(principal),
  tenantOf: (principal) => policy.tenantOf(principal),
  tenantsFor: (principal) => policy.tenantsFor(principal),
  isProtected: (guest, cluster) => policy.isProtected(guest, cluster),
  mayUse: (principal, tool) => policy.mayUse(principal, tool),
  limitsOf: (principal) => policy.limitsOf(principal),
  describe: (principal) => policy.describe(principal),
};
let guarded: GuardedService;
let client: GuardedClient;
beforeAll(async () => {
  policy = policyOf({ principals: [{ match: { subject: '*' }, roles: 'admin' }], approval: NO_APPROVAL });
  guarded = await GuardedService.start(simulator, {
    gateOptions: { policy: live },
    limitsOf: (principal) => policy.limitsOf(principal),
  });
  client = await guarded.connect();
  // From now on the descriptions of the API are known.
  for (const cluster of ['production', 'staging', 'disaster-recovery'])
    await client.api('GET /version', undefined, { cluster });
});
afterAll(() => guarded.close());

function use(grants: object[], more: object = {}): void {
  policy = policyOf({
    roles: { tested: { grants } },
    principals: [{ match: { subject: '*' }, roles: 'tested' }],
    approval: NO_APPROVAL,
    ...more,
  });
  guarded.mark();
}

describe.each(POLICY_RISKS)('a policy that forbids %s', (risk) => {
  const rest = POLICY_RISKS.filter((other) => other !== risk);

  it.each([
    ['by granting all else', [{ allow: rest }]],
    ['by a deny beside a grant of all', [{ allow: '*' }, { deny: risk }]],
    [
      'by a deny for the tool',
      [{ allow: '*' }, { deny: risk, tools: 'proxmox_api_call', clusters: 'prod*' }],
    ],
  ])('%s lets no raw call of it through', async (_way, grants) => {
    use(grants);
    for (const [line, data] of OF_RISK[risk]) {
      const { error } = await client.api(line, data);
      expect(error?.code, line).toBe('POLICY_DENIED');
    }
    expect(guarded.requests()).toEqual([]);
  });
});

describe('deny wins', () => {
  it.each<[string, object[], object]>([
    ['over a grant behind it', [{ deny: 'destroy' }, { allow: '*' }], {}],
    ['for a path', [{ allow: '*' }, { deny: '*', paths: '/nodes/*/qemu/100/**' }], {}],
    ['for a method', [{ allow: '*' }, { deny: '*', methods: 'DELETE' }], {}],
    ['for a cluster', [{ allow: '*' }, { deny: '*', clusters: 'production' }], {}],
    ['for a VMID', [{ allow: '*' }, { deny: 'destroy', guests: { vmids: '100-102' } }], {}],
    ['for a tag', [{ allow: '*' }, { deny: 'destroy', guests: { tags: 'web' } }], {}],
    ['for a name', [{ allow: '*' }, { deny: 'destroy', guests: { names: 'web-*' } }], {}],
    ['for a pool', [{ allow: '*' }, { deny: 'destroy', guests: { pools: 'web' } }], {}],
    [
      'from another entry',
      [{ allow: '*' }],
      {
        roles: { tested: { grants: [{ allow: '*' }] }, no: { grants: [{ deny: 'destroy' }] } },
        principals: [
          { match: { subject: 'alice' }, roles: 'tested' },
          { match: { scope: 'proxmox:admin' }, roles: 'no' },
        ],
      },
    ],
  ])('%s', async (_name, grants, more) => {
    use(grants, more);
    expect((await client.api('DELETE /nodes/pve1/qemu/100')).error?.code).toBe('POLICY_DENIED');
    expect(guarded.writes()).toEqual([]);
  });

  it('and a name is asked for anew before a write: a tag that was put on a moment ago counts', async () => {
    use([{ allow: '*' }, { deny: 'change', guests: { tags: 'frozen' } }]);
    const start = 'POST /nodes/pve2/qemu/103/status/start';
    expect((await client.api(start)).isError).toBe(false);
    simulator.cluster('production').state.guests.get(103)?.config &&
      Object.assign(simulator.cluster('production').state.guests.get(103)?.config ?? {}, { tags: 'frozen' });
    guarded.mark();
    expect((await client.api(start)).error?.code).toBe('POLICY_DENIED');
    expect(guarded.writes()).toEqual([]);
  });
});

describe.each<[string, object]>([
  ['its tag', { tags: 'web' }],
  ['its name', { names: 'web-0*' }],
  ['its VMID', { vmids: { production: '100' } }],
  ['its VMID on any cluster', { vmids: { '*': 100 } }],
])('a guest protected by %s', (_how, protectedGuests) => {
  it.each<[string, Record<string, unknown>?]>([
    ['DELETE /nodes/pve1/qemu/100'],
    ['DELETE /nodes/pve1/qemu/100', { purge: 1, 'destroy-unreferenced-disks': 1 }],
    ['DELETE /nodes/pve2/qemu/100'],
    ['DELETE /nodes/pve1/lxc/100'],
    ['PUT /nodes/pve1/qemu/100/config', { delete: 'scsi0' }],
    ['POST /nodes/pve1/qemu/100/config', { delete: 'name,scsi0' }],
    ['PUT /nodes/pve1/qemu/100/unlink', { idlist: 'scsi0', force: 1 }],
    ['POST /nodes/pve1/qemu/100/snapshot/installed/rollback'],
    ['POST /nodes/pve1/qemu', { vmid: 100, archive: 'nas:backup/vzdump-qemu-100-x.vma', force: 1 }],
    ['POST /nodes/pve1/qemu', { vmid: '100', archive: 'local:backup/other.vma', force: true }],
    ['POST /nodes/pve1/lxc', { vmid: 100, ostemplate: 'local:vztmpl/x.tar', restore: 1, force: 1 }],
    ['DELETE /nodes/pve1/storage/local-lvm/content/vm-100-disk-0'],
    ['DELETE /nodes/pve1/storage/local-lvm/content/local-lvm:vm-100-disk-0'],
    ['DELETE /nodes/pve1/storage/nas/content/nas:backup/vzdump-qemu-100-2026_01_01-00_00_00.vma.zst'],
    ['POST /nodes/pve1/qemu/100/template'],
    ['PUT /nodes/pve2/qemu/103/config', { scsi5: 'local-lvm:vm-100-disk-0', delete: 'scsi5' }],
  ])('is not destroyed by an admin: %s', async (line, data) => {
    use([{ allow: '*' }], { protected: protectedGuests });
    const { error } = await client.api(line, data);
    expect(error?.code).toBe('POLICY_DENIED');
    expect(guarded.writes()).toEqual([]);
  });
});

it('what protects a guest is not taken away first', async () => {
  use([{ allow: '*' }], { protected: { tags: 'web', names: 'web-0*' } });
  for (const data of [
    { tags: '' },
    { delete: 'tags' },
    { tags: 'other', name: 'x' },
    { revert: 'tags,name' },
  ]) {
    const { error } = await client.api('PUT /nodes/pve1/qemu/100/config', { name: 'other', ...data });
    expect(error?.code, JSON.stringify(data)).toBe('POLICY_DENIED');
  }
  expect(guarded.writes()).toEqual([]);
});

describe('the list of tools', () => {
  const two = {
    roles: {
      looker: { grants: [{ allow: 'read', tools: ['find_guests', 'list_nodes'] }] },
      caller: { grants: [{ allow: '*', tools: 'proxmox_api_call' }] },
    },
    principals: [
      { match: { subject: 'alice' }, roles: 'looker' },
      { match: { subject: 'bob' }, roles: 'caller' },
    ],
  };

  it('is that of the principal, whoever asked before', async () => {
    use([], two);
    const bob = await guarded.connect({ subject: 'bob' });
    const nobody = await guarded.connect({ subject: 'mallory', door: 'stateless' });
    for (let round = 0; round < 2; round++) {
      const lists = await Promise.all([client.tools(), bob.tools(), nobody.tools()]);
      expect(lists).toEqual([['list_nodes', 'find_guests'], ['proxmox_api_call'], []]);
    }
    for (const { name } of TOOLS) {
      expect((await nobody.call(name, TOOL_CALLS[name] ?? { path: '/version' })).error?.code, name).toBe(
        'POLICY_DENIED',
      );
    }
    expect(guarded.writes()).toEqual([]);
  });

  it('is on one session that of each request’s own token', async () => {
    use([{ allow: '*' }]);
    const session = await openSession(await tokenFor('alice'));
    expect(await namesIn(session, await tokenFor('alice'))).toHaveLength(TOOLS.length);
    const destroying = await namesIn(session, await tokenFor('alice', 'proxmox:destroy'));
    expect(destroying).toEqual(expect.arrayContaining(['proxmox_api_call', 'delete_guest']));
    expect(TOOLS.filter(({ name }) => [destroying].flat().includes(name))).not.toContainEqual(
      expect.objectContaining({ annotations: expect.objectContaining({ readOnlyHint: true }) }),
    );
    expect(destroying).not.toContain('create_vm');
    expect(await namesIn(session, await tokenFor('alice', 'proxmox:approve'))).toEqual([]);
    expect(await namesIn(session, await tokenFor('bob'))).toBe(404);
    expect(await namesIn(session, await tokenFor('alice'))).toHaveLength(TOOLS.length);
  });

  const HEADERS = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };

  function post(token: string, body: object, more: Record<string, string> = {}): Promise<Response> {
    return fetch(new URL('/mcp', guarded.url), {
      method: 'POST',
      headers: { ...HEADERS, authorization: `Bearer ${token}`, ...more },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, ...body }),
    });
  }

  async function openSession(token: string): Promise<string> {
    const params = {
      protocolVersion: '2025-06-18',
      capabilities: {},
      clientInfo: { name: 'raw', version: '1' },
    };
    const opened = await post(token, { method: 'initialize', params });
    await opened.text();
    return opened.headers.get('mcp-session-id') ?? '';
  }

  async function namesIn(session: string, token: string): Promise<string[] | number> {
    const answer = await post(token, { method: 'tools/list' }, { 'mcp-session-id': session });
    const text = await answer.text();
    if (!answer.ok) return answer.status;
    const { result } = JSON.parse(/^data: (.*)$/m.exec(text)?.[1] ?? text);
    return result.tools.map(({ name }: { name: string }) => name);
  }
});

describe('limits', () => {
  it('a principal makes so many calls a minute, and another one as many', async () => {
    use([{ allow: '*' }], { limits: { calls_per_minute: 5 } });
    const [carol, dave] = await Promise.all(['carol', 'dave'].map((subject) => guarded.connect({ subject })));
    const answers = await Promise.all(Array.from({ length: 12 }, () => carol?.api('GET /version')));
    const refused = answers.flatMap((answer) => answer?.error ?? []);
    expect(refused).toHaveLength(7);
    for (const error of refused) {
      expect(error.code).toBe('RATE_LIMITED');
      expect(error.retry_after_seconds).toBeGreaterThan(0);
      expect(error.retry_after_seconds).toBeLessThanOrEqual(61);
    }
    expect(guarded.requests().filter((line) => line === 'GET /version')).toHaveLength(5);
    expect((await dave?.api('GET /version'))?.isError).toBe(false);
  });

  it('a call changes so many guests at once', async () => {
    use([{ allow: '*' }], { limits: { bulk: 2 } });
    const shutdown = 'POST /cluster/bulk-action/guest/shutdown';
    for (const data of [{ vms: [100, 101, 102] }, { vms: ['100', '101', '110'] }, {}, { vms: [] }]) {
      expect((await client.api(shutdown, data)).error?.code, JSON.stringify(data)).toBe('POLICY_DENIED');
    }
    for (const line of ['POST /nodes/pve1/stopall', 'POST /nodes/pve1/migrateall']) {
      expect((await client.api(line, { target: 'pve2' })).error?.code, line).toBe('POLICY_DENIED');
    }
    expect(guarded.writes()).toEqual([]);
  });
});

/** What is offered where MCP_TOOLSETS says nothing. */
const OFFERED = TOOLS.filter(({ isAlwaysOn, toolset }) => isAlwaysOn || DEFAULT_TOOLSETS.includes(toolset));

describe('a policy file that changes while the service runs', () => {
  const file = (grants: object[]) =>
    JSON.stringify({
      roles: { tested: { grants } },
      principals: [{ match: { subject: 'test' }, roles: 'tested' }],
      approval: NO_APPROVAL,
    });

  async function site(): Promise<ReloadingService> {
    const made = await ReloadingService.start({ production: entryOf(simulator.cluster('production')) });
    onTestFinished(() => made.stop());
    return made;
  }

  it('holds for the next call of an open session; a broken one leaves the old one in place', async () => {
    const made = await site();
    const clients = await Promise.all((['http', 'sse', 'modern'] as const).map((kind) => made.connect(kind)));
    const start = () =>
      Promise.all(
        clients.map(async ({ client: one }) => {
          const { data } = await ask(one, '/nodes/pve2/qemu/101/status/start', { method: 'POST' });
          return data.error?.code;
        }),
      );
    const reads = () =>
      Promise.all(clients.map(async ({ client: one }) => (await ask(one, '/version')).isError));
    expect(await start()).not.toContain('POLICY_DENIED');
    made.writeFile('policy.json', file([{ allow: ['read', 'change'] }]));
    made.writeEnv('POLICY_FILE=policy.json\n');
    made.reload();
    expect(await start()).not.toContain('POLICY_DENIED');

    made.writeFile('policy.json', file([{ allow: 'read' }]));
    made.reload();
    expect(await start()).toEqual(Array(3).fill('POLICY_DENIED'));
    expect(await reads()).toEqual([false, false, false]);

    for (const broken of [
      '{',
      '',
      '[]',
      '{"principals":[{"match":{},"roles":"admin"}]}',
      file([{ alow: '*' }]),
    ]) {
      made.writeFile('policy.json', broken);
      made.reload();
      expect(made.log.at(-1)?.level).toBe('error');
      expect(await start(), broken).toEqual(Array(3).fill('POLICY_DENIED'));
      expect(await reads()).toEqual([false, false, false]);
    }
    made.writeFile('policy.json', file([]));
    made.reload();
    expect(await reads()).toEqual([true, true, true]);
  });

  it('is seen by itself, and clients are told that their list is another one', async () => {
    const made = await site();
    made.writeFile('policy.json', file([{ allow: '*' }]));
    made.writeEnv('POLICY_FILE=policy.json\n');
    made.reload();
    const clients = await Promise.all((['http', 'sse', 'modern'] as const).map((kind) => made.connect(kind)));
    await Promise.all(clients.map(({ listen }) => listen()));
    // A session of Streamable HTTP is told on its stream, which may open after the first answer.
    for (const { tools } of clients) expect((await tools()).tools).toHaveLength(OFFERED.length);
    await sleep(200);
    const before = clients.map(({ told }) => told.count);
    made.reload();
    made.writeFile('policy.json', file([{ allow: '*' }, { deny: '*', tools: 'cluster_*' }]));
    await vi.waitFor(() => {
      expect(clients.map(({ told }, index) => told.count - (before[index] ?? 0))).toEqual([1, 1, 1]);
    }, SOON);
    for (const { client: one, tools } of clients) {
      const names = (await tools()).tools.map(({ name }) => name);
      expect(names).not.toContain('cluster_health');
      expect(names).toContain('list_nodes');
      expect((await callTool(one, 'cluster_health', {})).data.error?.code).toBe('POLICY_DENIED');
    }
  });
});
