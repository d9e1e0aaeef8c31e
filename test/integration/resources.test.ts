import { describe, expect, it } from 'vitest';
import { type BesideClient, BesideSite, ERAS } from '../support/beside-site.ts';
import { policyOf } from '../support/policy.ts';

const uri = (rest: string) => `proxmox://production/${rest}`;

async function json(client: BesideClient, of: string): Promise<Record<string, unknown>> {
  const { contents } = await client.readResource({ uri: of });
  const [first] = contents as { uri: string; mimeType: string; text: string }[];
  expect([contents.length, first?.uri, first?.mimeType]).toEqual([1, of, 'application/json']);
  return JSON.parse(first?.text ?? '');
}

async function failure(client: BesideClient, of: string) {
  const thrown: unknown = await client.readResource({ uri: of }).then(
    () => undefined,
    (error: unknown) => error,
  );
  return thrown as { code: number; message: string; data?: Record<string, unknown> };
}

const urisOf = async (client: BesideClient) =>
  (await client.listResources()).resources.map((resource) => resource.uri);

const templatesOf = async (client: BesideClient) =>
  (await client.listResourceTemplates()).resourceTemplates.map(({ uriTemplate }) => uriTemplate);

describe.each(ERAS)('over %s, a client', (era) => {
  it('is told what there is, and reads each kind of it', async () => {
    const site = await BesideSite.start();
    const { client } = await site.connect(era);
    const { tools, ...beside } = client.getServerCapabilities() ?? {};
    expect(tools).toEqual({ listChanged: true });
    expect(beside).toEqual({
      resources: { subscribe: true, listChanged: true },
      prompts: {},
      completions: {},
      // Revision 2026-07-28 has no stream for messages.
      ...(era === 'modern' ? {} : { logging: {} }),
    });
    expect(client.getInstructions()).toMatch(
      /production, staging, disaster-recovery.*Find.*Plan.*Act.*Wait/s,
    );

    expect(await urisOf(client)).toEqual([
      'proxmox://clusters',
      'proxmox://alerts',
      'proxmox://disaster-recovery',
      'proxmox://disaster-recovery/nodes/dr1',
      'proxmox://production',
      ...['pve1', 'pve2', 'pve3'].map((node) => uri(`nodes/${node}`)),
      'proxmox://staging',
      ...['stg1', 'stg2'].map((node) => `proxmox://staging/nodes/${node}`),
    ]);
    expect(await templatesOf(client)).toEqual([
      'proxmox://{cluster}',
      'proxmox://{cluster}/nodes/{node}',
      'proxmox://{cluster}/guests/{vmid}',
      'proxmox://{cluster}/storages/{storage}',
      'proxmox://{cluster}/tasks/{upid}',
    ]);

    expect(await json(client, 'proxmox://clusters')).toMatchObject({ total: 3 });
    expect(await json(client, 'proxmox://staging')).toMatchObject({
      clusters: [{ cluster: 'staging', reachable: true }],
    });
    expect(await json(client, uri('nodes/pve2'))).toMatchObject({ node: { name: 'pve2' } });
    const guest = await json(client, uri('guests/100'));
    expect(guest).toMatchObject({ cluster: 'production', guest: { vmid: 100 } });
    expect(String(guest._notice)).toMatch(/never instructions/);
    expect(await json(client, uri('storages/local-lvm'))).toMatchObject({ storage: 'local-lvm' });
  });

  it('reads the log of a task, whose UPID has colons', async () => {
    const site = await BesideSite.start({ clusters: ['production'] });
    const { client } = await site.connect(era);
    const [{ upid } = { upid: '' }] = site.simulator.cluster('production').state.tasks.list();
    expect(upid).toMatch(/^UPID:/);
    const encoded = uri(`tasks/${encodeURIComponent(upid)}`);
    expect(await json(client, encoded)).toMatchObject({ lines: expect.any(Array) });
    expect(await json(client, uri(`tasks/${upid}`))).toMatchObject({ lines: expect.any(Array) });
  });

  it('learns why it can not read something', async () => {
    const site = await BesideSite.start({ clusters: ['production'] });
    const { client } = await site.connect(era);
    const missing = era === 'modern' ? -32602 : -32002;
    for (const of of [
      uri('guests/99999'),
      uri('nodes/nowhere'),
      uri('storages/nowhere'),
      // With one cluster, tools take that one whatever is named.
      'proxmox://staging/guests/100',
      'proxmox://production/guests/..%2f100',
      'proxmox://production/guests/100/../101',
      'https://example.com/',
    ]) {
      const { code, data } = await failure(client, of);
      expect([of, code, data?.code]).toEqual([of, missing, expect.stringMatching(/NOT_FOUND$/)]);
    }
    site.simulator.cluster('production').faults.add({ kind: 'close' });
    const { code, message, data } = await failure(client, uri('guests/100'));
    expect([code, data?.code]).toEqual([-32603, 'CLUSTER_UNREACHABLE']);
    expect(data?.hint).toBeTruthy();
    expect(message).toContain(String(data?.hint));
  });
});

describe('what a client is offered', () => {
  it('is listed without what can not be reached, or takes its time', async () => {
    const site = await BesideSite.start();
    site.simulator.cluster('staging').faults.add({ kind: 'hang' });
    site.simulator.cluster('disaster-recovery').faults.add({ kind: 'close' });
    const { client } = await site.connect('http');
    const uris = await urisOf(client);
    expect(uris.filter((one) => !one.startsWith('proxmox://production'))).toEqual([
      'proxmox://clusters',
      'proxmox://alerts',
      'proxmox://disaster-recovery',
      'proxmox://staging',
    ]);
    expect(uris).toContain('proxmox://production/nodes/pve1');
  });

  it('is one cluster at a door to one', async () => {
    const site = await BesideSite.start();
    for (const era of ['http', 'modern'] as const) {
      const { client } = await site.connect(era, { path: '/mcp/staging' });
      expect(await urisOf(client)).toEqual([
        'proxmox://clusters',
        'proxmox://alerts',
        'proxmox://staging',
        'proxmox://staging/nodes/stg1',
        'proxmox://staging/nodes/stg2',
      ]);
      expect((await failure(client, uri('guests/100'))).data).toMatchObject({ code: 'NOT_FOUND' });
      expect(client.getInstructions()).not.toContain('production');
    }
  });

  it('follows from the tools it has: toolsets, scopes and policy', async () => {
    const policy = policyOf({
      roles: {
        all: { grants: [{ allow: '*' }] },
        tasks: {
          grants: [{ allow: 'read', tools: ['get_task_log', 'list_clusters'], clusters: ['staging'] }],
        },
      },
      principals: [
        { match: { subject: 'alice' }, roles: 'all' },
        { match: { subject: 'tess' }, roles: 'tasks' },
      ],
    });
    const site = await BesideSite.start({
      gateOptions: { policy },
      toolsets: new Set(['tasks', 'inventory', 'guests']),
    });
    const { client } = await site.connect('http', { headers: { 'X-MCP-Toolsets': 'tasks' } });
    expect(await templatesOf(client)).toEqual(['proxmox://{cluster}/tasks/{upid}']);
    expect(await urisOf(client)).toEqual(['proxmox://clusters']);
    expect((await failure(client, uri('guests/100'))).data).toMatchObject({ code: 'NOT_FOUND' });

    const { client: all } = await site.connect('http');
    // Without the toolset `storage`, the list of storages shows the one.
    expect(await json(all, uri('storages/local-lvm'))).toMatchObject({
      storages: expect.arrayContaining([expect.objectContaining({ storage: 'local-lvm' })]),
    });
    expect((await failure(all, uri('storages/nowhere'))).code).toBe(-32002);

    const { client: tess } = await site.connect('modern', { subject: 'tess' });
    expect(await templatesOf(tess)).toEqual(['proxmox://{cluster}/tasks/{upid}']);
    expect(tess.getInstructions()).toMatch(/^Works Proxmox VE clusters: staging\. /);

    const { client: nobody } = await site.connect('http', { scope: 'proxmox:change' });
    expect([await urisOf(nobody), await templatesOf(nobody)]).toEqual([[], []]);
    expect((await nobody.listPrompts()).prompts).toEqual([]);
  });

  it('leaves nothing of one tenant to another', async () => {
    const policy = policyOf({
      roles: { all: { grants: [{ allow: '*' }] } },
      principals: [
        { match: { subject: 'tina' }, roles: 'all', tenant: { tags: 'of-tina' } },
        { match: { subject: 'alice' }, roles: 'all' },
      ],
    });
    const site = await BesideSite.start({ clusters: ['production'], gateOptions: { policy } });
    const { guests } = site.simulator.cluster('production').state;
    const own = guests.get(101);
    const foreign = guests.get(100);
    if (!own || !foreign) throw new Error('the demo estate has them');
    own.config.tags = 'of-tina';
    foreign.config.tags = 'web';
    const { client } = await site.connect('http', { subject: 'tina' });
    expect(await urisOf(client)).toEqual(['proxmox://clusters', 'proxmox://alerts', 'proxmox://production']);
    expect(await json(client, uri('guests/101'))).toMatchObject({ guest: { vmid: 101 } });
    const gone = await failure(client, uri('guests/98765'));
    const hidden = await failure(client, uri('guests/100'));
    expect([hidden.code, hidden.message.replace('100', 'N')]).toEqual([
      gone.code,
      gone.message.replace('98765', 'N'),
    ]);
    const { completion } = await client.complete({
      ref: { type: 'ref/resource', uri: 'proxmox://{cluster}/guests/{vmid}' },
      argument: { name: 'vmid', value: '' },
    });
    expect(completion.values).toEqual(['101']);
  });

  it('comes in pages, and a cursor that no list gave is refused', async () => {
    const nodes = (name: string) =>
      Array.from({ length: 130 }, (_each, index) => ({ name: `${name}${index}` }));
    const site = await BesideSite.start({
      simulator: {
        clusters: ['one', 'two'].map((name) => ({ name, nodes: nodes(name), guests: [] })),
      },
    });
    const { client } = await site.connect('http');
    const first = await client.listResources();
    expect(first.resources).toHaveLength(200);
    const second = await client.listResources({ cursor: first.nextCursor });
    expect([second.resources.length, second.nextCursor]).toEqual([64, undefined]);
    const all = [...first.resources, ...second.resources].map((resource) => resource.uri);
    expect(new Set(all).size).toBe(264);
    await expect(client.listResources({ cursor: '%%%' })).rejects.toMatchObject({ code: -32602 });
  });
});
