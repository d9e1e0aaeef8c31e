import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ClusterSpec, GuestSpec } from '../../src/simulator/estate.ts';
import { type Answer, type GuardedClient, GuardedService } from '../support/guarded-service.ts';
import { policyOf } from '../support/policy.ts';
import { SimulatedApi } from '../support/simulated-api.ts';

/** Two tenants whose every name, tag, pool, note and VMID is found by its pattern, wherever it stands. */
const OF_MANGO = /mango|7210\d\d/i;
const OF_ZEBRA = /zebra|7310\d\d/i;

function guestsOf(word: string, first: number, node: string): GuestSpec[] {
  const common = { node, pool: `${word}-pool`, tags: [`${word}-tag`], diskGib: 4, memoryMib: 512 };
  const backups = [{ storage: 'local', ageDays: 1, notes: `${word} backup` }];
  const snapshots = [{ name: `${word}-snap`, description: `${word} before`, ageHours: 2 }];
  return [
    { ...common, vmid: first, type: 'qemu', name: `${word}-web`, status: 'running', backups, snapshots },
    { ...common, vmid: first + 1, type: 'lxc', name: `${word}-dns`, status: 'running', backups },
    { ...common, vmid: first + 2, type: 'qemu', name: `${word}-base`, template: true },
    {
      ...common,
      vmid: first + 3,
      type: 'qemu',
      name: `${word}-old`,
      config: { description: `${word} notes` },
    },
  ];
}

const JOBS: [string, string][] = [
  ['mango-nightly', '721000,721001'],
  ['zebra-nightly', '731000,731001'],
  ['both', '721000,731000'],
];

const cluster = (name: string, guests: GuestSpec[], node: string): ClusterSpec => ({
  name,
  nodes: [{ name: node }, { name: `${node}b` }],
  pools: [
    { poolid: 'mango-pool', comment: 'mango' },
    { poolid: 'zebra-pool', comment: 'zebra' },
  ],
  backupJobs: JOBS.map(([id, vmid]) => ({
    id,
    enabled: true,
    options: { vmid, storage: 'local', schedule: '02:00' },
  })),
  guests,
});

const POLICY = policyOf({
  roles: { all: { grants: [{ allow: '*' }] } },
  principals: [
    { match: { subject: 'mango' }, roles: 'all', tenant: { pools: 'mango-pool' } },
    { match: { subject: 'mango-ops' }, roles: 'all', tenant: { pools: 'mango-pool', infrastructure: true } },
    { match: { subject: 'zebra' }, roles: 'all', tenant: { tags: 'zebra-tag' } },
    { match: { subject: 'operator' }, roles: 'all' },
  ],
});

let api: SimulatedApi;
let guarded: GuardedService;
const upids: Record<string, string> = {};

beforeAll(async () => {
  api = await SimulatedApi.start({
    resourcesLagSeconds: 0,
    clusters: [
      cluster('one', [...guestsOf('mango', 721000, 'n1'), ...guestsOf('zebra', 731000, 'n1')], 'n1'),
      cluster('two', guestsOf('zebra', 731010, 'n2'), 'n2'),
    ],
  });
  const one = api.on('one');
  for (const first of [721000, 731000]) {
    const reply = await one.ok('POST', `/nodes/n1/qemu/${first}/status/stop`);
    upids[first] = reply.data;
    await one.finish(reply.data);
    await one.work('POST', '/nodes/n1/vzdump', { vmid: first, storage: 'local' });
    await one.ok('POST', '/cluster/ha/resources', { sid: `vm:${first + 3}` });
  }
  // A guest of zebra's that reads from the template of mango's.
  await one.work('POST', '/nodes/n1/qemu/721002/clone', {
    newid: 731050,
    name: 'zebra-linked',
    pool: 'zebra-pool',
  });
  await one.ok('PUT', '/nodes/n1/qemu/731050/config', { tags: 'zebra-tag' });
  guarded = await GuardedService.start(api.simulator, { gateOptions: { policy: POLICY } });
}, 30_000);
afterAll(async () => {
  await guarded.close();
  await api.close();
});

const WHOM = [
  ['mango', 'a pool', OF_ZEBRA, OF_MANGO, 721000, 731000],
  ['mango-ops', 'a pool, with infrastructure', OF_ZEBRA, OF_MANGO, 721000, 731000],
  ['zebra', 'a tag', OF_MANGO, OF_ZEBRA, 731000, 721000],
] as const;

const LISTS = [
  '/cluster/resources',
  '/nodes/n1/qemu',
  '/nodes/n1/lxc',
  '/cluster/tasks',
  '/nodes/n1/tasks',
  '/pools',
  '/cluster/backup',
  '/cluster/backup-info/not-backed-up',
  '/nodes/n1/storage/local/content',
  '/nodes/n1/storage/local-lvm/content',
  '/cluster/ha/resources',
  '/cluster/replication',
  '/nodes/n1/replication',
  '/cluster/nextid',
  '/version',
  '/nodes',
  '/nodes/n1/status',
  '/nodes/n1/storage',
  '/storage',
  '/cluster/status',
  // What is for no tenant.
  '/cluster/log',
  '/cluster/ha/status/current',
  '/cluster/ha/status/manager_status',
  '/cluster/ha/groups',
  '/cluster/options',
  '/cluster/firewall/refs',
  '/cluster/firewall/aliases',
  '/cluster/jobs',
  '/cluster/metrics/export',
  '/nodes/n1/syslog',
  '/nodes/n1/journal',
  '/nodes/n1/report',
  '/nodes/n1/rrddata',
  '/nodes/n1/firewall/log',
  '/nodes/n1/disks/lvmthin',
  '/nodes/n1/scan/lvm',
  '/nodes/n1/subscription',
  '/access/acl',
  '/access/users',
  '/access/permissions',
  '/no/such/path',
  '/',
  '/cluster',
  '/nodes/n1',
];

describe.each(WHOM)('%s, bound to %s', (subject, _how, foreign, own, mine, theirs) => {
  let client: GuardedClient;
  beforeAll(async () => {
    client = await guarded.connect({ subject });
    guarded.mark();
  });

  const get = (path: string, data?: Record<string, unknown>) =>
    client.api(`GET ${path}`, data, { cluster: 'one' });

  it.each<[string, Record<string, unknown>]>([
    ['list_clusters', {}],
    ['list_nodes', { fresh: true }],
    ['list_nodes', { cluster: 'one' }],
    ['get_cluster_resources', { cluster: 'one', fresh: true }],
    ['get_cluster_resources', { cluster: 'two' }],
    ['get_cluster_resources', { cluster: 'one', type: 'storage' }],
    ['get_cluster_resources', { cluster: 'one', type: 'pool' }],
    ['search_api', { cluster: 'one', query: 'list guests' }],
    ['describe_api', { cluster: 'one', path: '/nodes/{node}/qemu/{vmid}/config' }],
    ['find_guests', {}],
    ['find_guests', { fresh: true, sort: 'memory' }],
    ['find_guests', { cluster: 'two' }],
    ['find_guests', { status: 'running', template: false }],
    ['list_storage', {}],
    ['cluster_health', {}],
    ['cluster_health', { cluster: 'one' }],
    ['cluster_capacity', {}],
    ['cluster_capacity', { cluster: 'one', memory: '1G' }],
    ['compare_clusters', {}],
    ['compare_clusters', { details: true }],
    ['list_tasks', {}],
    ['list_tasks', { cluster: 'one' }],
    ['list_tasks', { cluster: 'one', node: 'n1' }],
    ['resolve_guest', {}],
  ])('%s %j tells nothing of the other', async (tool, args) => {
    expect((await client.call(tool, args)).raw).not.toMatch(foreign);
  });

  it('finds its own guests, and counts these alone', async () => {
    const found = await client.call('find_guests', { cluster: 'one', fresh: true });
    const total = subject === 'zebra' ? 5 : 4;
    expect(found.data).toMatchObject({ total });
    expect(found.raw).toMatch(own);
    const listed = await get('/cluster/resources', { type: 'vm' });
    expect(listed.data.data).toHaveLength(total);
    expect((await get('/cluster/tasks')).data.data).not.toEqual([]);
    expect((await get('/nodes/n1/storage/local/content')).raw).toMatch(own);
    expect((await get(`/nodes/n1/tasks/${upids[mine]}/log`)).raw).toMatch(own);
    const elsewhere = await client.call('find_guests', { cluster: 'two', fresh: true });
    expect(elsewhere.data.total).toBe(subject === 'zebra' ? 4 : 0);
  });

  it.each(LISTS)('GET %s tells nothing of the other', async (path) => {
    const answer = await get(path);
    expect(answer.raw).not.toMatch(foreign);
    for (const field of ['vmid', 'poolid', 'storage', 'name', 'source']) {
      expect(
        (await client.api(`GET ${path}`, undefined, { cluster: 'one', fields: [field] })).raw,
      ).not.toMatch(foreign);
    }
  });

  it('a page of a list, and what is beside it, tells nothing of what is left out', async () => {
    for (const path of ['/nodes/n1/tasks', '/cluster/tasks', '/cluster/resources']) {
      for (const data of [{ start: 0, limit: 500 }, { source: 'all' }, { vmid: theirs }, { type: 'vm' }]) {
        const answer = await get(path, data);
        const asked = JSON.stringify(data);
        expect(answer.raw.replaceAll(String(theirs), ''), `${path} ${asked}`).not.toMatch(foreign);
        const total = answer.data.total as number | undefined;
        expect(total ?? 0).toBeLessThanOrEqual((answer.data.data as unknown[] | undefined)?.length ?? 0);
      }
    }
  });

  const GONE = 799999;
  /** What it says of the other's guest and of one that is nowhere. */
  async function bothWays(ask: (vmid: number) => Promise<Answer>): Promise<[string, string]> {
    const [there, nowhere] = [await ask(theirs), await ask(GONE)];
    const plain = ({ raw }: Answer, vmid: number) =>
      raw
        .replaceAll(new RegExp(`\\b${vmid}`, 'g'), 'N')
        .replaceAll(/"as_of":"[^"]*"|\d{4}-\d\d-\d\dT[\d:.]+Z|"(?:checked|latency)[^,]*/g, '');
    return [plain(there, theirs), plain(nowhere, GONE)];
  }

  it.each([
    'GET /nodes/n1/qemu/N/config',
    'GET /nodes/n1/qemu/N/status/current',
    'GET /nodes/n1/qemu/N/snapshot',
    'GET /nodes/n1/qemu/N/pending',
    'GET /nodes/n1/qemu/N/firewall/rules',
    'GET /nodes/n1/qemu/N/rrddata',
    'GET /nodes/n1/qemu/N',
    'GET /nodes/n1/lxc/N/config',
    'GET /nodes/n1b/qemu/N/config',
    'GET /nodes/nowhere/qemu/N/config',
    'GET /nodes/n1/qemu/N/agent/file-read',
    'GET /nodes/n1/vzdump/extractconfig?volume=local:backup/vzdump-qemu-N-2026_01_01-00_00_00.vma.zst',
    'GET /nodes/n1/storage/local/content/local:backup%2Fvzdump-qemu-N-2026_01_01-00_00_00.vma.zst',
    'GET /nodes/n1/storage/local-lvm/content/vm-N-disk-0',
    'GET /cluster/ha/resources/vm:N',
    'GET /cluster/replication/N-0',
    'GET /nodes/n1/replication/N-0/status',
    'GET /cluster/nextid?vmid=N',
    'GET /nodes/n1/storage/local/prunebackups?vmid=N',
    'GET /nodes/n1/tasks/UPID:n1:00001111:00002222:00003333:qmstart:N:mcp@pve!mcp:/log',
    'GET /nodes/n1/tasks/UPID:n1:00001111:00002222:00003333:qmstart:N:mcp@pve!mcp:/status',
    'DELETE /nodes/n1/tasks/UPID:n1:00001111:00002222:00003333:qmstart:N:mcp@pve!mcp:',
    'DELETE /nodes/n1/qemu/N',
    'DELETE /nodes/n1/lxc/N',
    'POST /nodes/n1/qemu/N/status/start',
    'POST /nodes/n1/qemu/N/status/stop',
    'PUT /nodes/n1/qemu/N/config?cores=2',
    'POST /nodes/n1/qemu/N/clone?newid=799998',
    'POST /nodes/n1/qemu/N/migrate?target=n1b',
    'POST /nodes/n1/qemu/N/snapshot?snapname=x',
    'POST /nodes/n1/qemu/N/agent/exec?command=id',
    'POST /nodes/n1/vzdump?vmid=N',
    'POST /nodes/n1/startall?vms=N',
    'POST /nodes/n1/stopall?vms=N',
    'POST /cluster/bulk-action/guest/shutdown?vms=N',
    'POST /cluster/ha/resources?sid=vm:N',
    'PUT /pools?poolid=POOL&vms=N',
    'PUT /nodes/n1/qemu/OWN/config?scsi5=local-lvm:vm-N-disk-0',
    'POST /nodes/n1/qemu/OWN/move_disk?disk=scsi0&target-vmid=N',
    'POST /nodes/n1/qemu?vmid=N&force=1&archive=local:backup/vzdump-qemu-N-x.vma',
    'POST /nodes/n1/qemu?vmid=799997&POOL&archive=local:backup/vzdump-qemu-N-2026_01_01-00_00_00.vma.zst',
  ])('%s says the same of the other’s guest as of none', async (line) => {
    const ask = (vmid: number) => {
      const filled = line
        .replaceAll(/\bN\b|(?<=[-_])N(?=-)/g, String(vmid))
        .replace('OWN', String(mine))
        .replace('POOL', 'pool=mango-pool');
      const [target = '', query = ''] = filled.split('?');
      const data = Object.fromEntries(new URLSearchParams(query));
      return client.api(target, query === '' ? undefined : data, { cluster: 'one' });
    };
    const [there, nowhere] = await bothWays(ask);
    expect(there).toBe(nowhere);
    expect(JSON.parse(there).isError).toBe(true);
    expect(guarded.writes()).toEqual([]);
  });

  it.each<[string, (vmid: number) => Record<string, unknown>]>([
    ['resolve_guest', (vmid) => ({ cluster: 'one', vmid })],
    ['resolve_guest', (vmid) => ({ vmid })],
    ['find_guests', (vmid) => ({ vmid, fresh: true })],
    ['list_tasks', (vmid) => ({ vmid })],
    ['list_tasks', (vmid) => ({ cluster: 'one', node: 'n1', vmid })],
    ['get_cluster_resources', (vmid) => ({ cluster: 'one', vmid })],
    [
      'wait_task',
      (vmid) => ({
        cluster: 'one',
        upid: `UPID:n1:00001111:00002222:00003333:qmstart:${vmid}:mcp@pve!mcp:`,
        wait_seconds: 0,
      }),
    ],
    ['proxmox_api_call', (vmid) => ({ cluster: 'one', path: `/nodes/{node}/qemu/${vmid}/config` })],
  ])('%s says the same of the other’s VMID as of none', async (tool, args) => {
    const [there, nowhere] = await bothWays((vmid) => client.call(tool, args(vmid)));
    expect(there).toBe(nowhere);
  });

  it('says the same of names, pools and tags that others have as of such that nobody has', async () => {
    const word = subject === 'zebra' ? 'mango' : 'zebra';
    const asks: ((name: string) => Promise<Answer>)[] = [
      (name) => client.call('resolve_guest', { cluster: 'one', name: `${name}-web` }),
      (name) => client.call('find_guests', { name: `${name}*` }),
      (name) => client.call('find_guests', { pool: `${name}-pool` }),
      (name) => client.call('find_guests', { tag: `${name}-tag` }),
      (name) => client.call('get_cluster_resources', { cluster: 'one', pool: `${name}-pool` }),
      (name) => client.call('get_cluster_resources', { cluster: 'one', tag: `${name}-tag` }),
      (name) => get(`/pools/${name}-pool`),
      (name) => get('/pools', { poolid: `${name}-pool` }),
    ];
    for (const [index, ask] of asks.entries()) {
      const [there, nowhere] = [await ask(word), await ask('nobody')];
      const plain = ({ raw }: Answer, name: string) =>
        raw.replaceAll(name, 'X').replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, '');
      expect(plain(there, word), String(index)).toBe(plain(nowhere, 'nobody'));
    }
  });

  it('does not read the log of a task of the other’s, whose identifier it was told', async () => {
    const upid = upids[theirs] ?? '';
    for (const path of ['log', 'status']) {
      const { raw, isError } = await get(`/nodes/n1/tasks/${upid}/${path}`);
      expect(isError).toBe(true);
      expect(raw.replaceAll(upid, '').replaceAll(String(theirs), '')).not.toMatch(foreign);
    }
    const waited = await client.call('wait_task', { cluster: 'one', upid, wait_seconds: 0 });
    expect(waited.error?.code).toBe('NOT_FOUND');
  });

  it('a plan tells nothing of the other’s, whose guests count on its own', async () => {
    for (const [line, data] of [
      [`DELETE /nodes/n1/qemu/${mine}`, { purge: 1 }],
      [`DELETE /nodes/n1/qemu/${mine + 2}`],
      [`DELETE /nodes/n1/lxc/${mine + 1}`],
      [`DELETE /nodes/n1/qemu/${mine + 3}`, { 'destroy-unreferenced-disks': 1 }],
      [`POST /nodes/n1/qemu/${mine}/agent/exec`, { command: ['id'] }],
      ['POST /nodes/n1/stopall', { vms: `${mine},${mine + 1}` }],
      ['POST /cluster/bulk-action/guest/start', { vms: [String(mine), String(mine + 3)] }],
    ] as [string, Record<string, unknown>?][]) {
      const answer = await client.api(line, data, { cluster: 'one' });
      expect(answer.error?.code, line).toBe('APPROVAL_REQUIRED');
      expect(answer.raw, line).toMatch(own);
      expect(answer.raw, line).not.toMatch(foreign);
    }
    expect(guarded.writes()).toEqual([]);
  });

  it('one call that names guests of both is refused, as with a guest that is nowhere', async () => {
    for (const lineOf of [
      (vmid: number) => client.api('POST /nodes/n1/startall', { vms: `${mine},${vmid}` }, { cluster: 'one' }),
      (vmid: number) =>
        client.api('POST /cluster/bulk-action/guest/start', { vms: [mine, vmid] }, { cluster: 'one' }),
      (vmid: number) => client.api('POST /nodes/n1/vzdump', { vmid: `${mine},${vmid}` }, { cluster: 'one' }),
    ]) {
      const [there, nowhere] = await bothWays(lineOf);
      expect(there).toBe(nowhere);
      expect(there).toContain('NOT_FOUND');
    }
    expect(guarded.writes()).toEqual([]);
  });
});

it('the patterns find what they look for', async () => {
  const operator = await guarded.connect({ subject: 'operator' });
  const { raw } = await operator.call('find_guests', { fresh: true });
  expect(raw).toMatch(OF_MANGO);
  expect(raw).toMatch(OF_ZEBRA);
  for (const path of ['/cluster/resources', '/cluster/tasks', '/nodes/n1/storage/local/content']) {
    const answer = await operator.api(`GET ${path}`, undefined, { cluster: 'one' });
    expect(answer.raw).toMatch(OF_MANGO);
    expect(answer.raw).toMatch(OF_ZEBRA);
  }
  const plan = await operator.api('DELETE /nodes/n1/qemu/721002', undefined, { cluster: 'one' });
  expect(plan.raw).toContain('731050');
  const volumes = await operator.api('GET /nodes/n1/storage/local-lvm/content', undefined, {
    cluster: 'one',
  });
  expect(volumes.raw).toContain('"parent":"local-lvm:base-721002-disk-0"');
});
