import { describe, expect, it } from 'vitest';
import { largeEstate } from '../../../../src/simulator/large-estate.ts';
import type { SimulatedCluster } from '../../../../src/simulator/simulator.ts';
import { policyOf } from '../../../support/policy.ts';
import { type Answer, toolClient } from '../../../support/tool-client.ts';

const EUR = { currency: 'EUR', vcpuHour: 0.01, memoryGibHour: 0.005, storageGibHour: 0.0001 };

const one = { clusters: ['production'], config: { prices: EUR } };

const records = (cluster: SimulatedCluster) =>
  cluster.requests
    .filter(({ path }) => path.endsWith('/rrddata'))
    .map(({ path, params }) => ({ path, params }));
const row = (answer: Answer, vmid: number) => answer.rows.find((each: Answer) => each.vmid === vmid);
const sumOf = (rows: Answer[], key: string): number =>
  Math.round(rows.reduce((sum, each) => sum + (each[key] ?? 0), 0) * 10_000) / 10_000;

describe('what is not read', () => {
  it('counts by inventory beyond so many guests, the costliest being read', async () => {
    const { call, production } = await toolClient(one);
    const answer = await call('cost_report', { by: 'guest', measure: 2 });
    expect(new Set(records(production).map(({ path }) => path)).size).toBe(2);
    const byList = answer.rows.filter(({ from }: Answer) => from === 'inventory');
    expect(byList).toHaveLength(6);
    expect(row(answer, 102)).not.toHaveProperty('from');
    expect(answer.note).toContain('The records of 6 guests were not read');
    expect(row(answer, 112)).toMatchObject({ known_hours: 0, vcpu_hours: 0 });
    expect(answer.rests_on[0]).toMatchObject({ guests: 8, measured: 2 });
    const none = await call('cost_report', { measure: 0 });
    expect(none.rests_on[0]).toMatchObject({ measured: 0 });
    expect(none.savings_total).toBe(0);
  });

  it('leaves a node alone that is down', async () => {
    const { call, production } = await toolClient(one);
    const node = production.state.nodes.find(({ name }) => name === 'pve2');
    if (node) node.online = false;
    const answer = await call('cost_report', { by: 'guest' });
    expect(records(production).filter(({ path }) => path.includes('/pve2/'))).toEqual([]);
    expect(row(answer, 101).from).toBe('inventory');
    expect(row(answer, 100)).not.toHaveProperty('from');
  });

  it('says why where records are refused', async () => {
    const { call, production } = await toolClient(one);
    production.faults.add({ kind: 'status', code: 500, reason: 'RRD error', match: /qemu\/100\/rrddata/ });
    const answer = await call('cost_report', { by: 'guest' });
    expect(row(answer, 100).from).toBe('inventory');
    expect(answer.note).toContain('The records of 1 guest were not read (some could not be read: ');
  });

  it('asks no more guests of a node that answers for none of them', async () => {
    const { call, production } = await toolClient({
      ...one,
      simulator: { clusters: largeEstate({ guests: 60, nodes: 2 }) },
      clusters: ['large'],
    });
    production.faults.add({ kind: 'proxy-error', match: /node02\/.*rrddata/ });
    const answer = await call('cost_report', { by: 'guest', limit: 100 });
    expect(records(production).filter(({ path }) => path.includes('/node02/')).length).toBeLessThan(30);
    expect(answer.rows.filter(({ from }: Answer) => from === 'inventory')).toHaveLength(30);
  });

  it('asks a large cluster for a hundred records, and answers what a client can take', async () => {
    const { call, production } = await toolClient({
      simulator: { clusters: largeEstate({ guests: 1000 }) },
      clusters: ['large'],
      config: { prices: EUR },
    });
    const answer = await call('cost_report', { by: 'tag', period: 'hour' });
    expect(new Set(records(production).map(({ path }) => path)).size).toBe(100);
    expect(production.requests.length).toBeLessThan(500);
    expect(answer.totals[0].guests).toBe(1000);
    expect(sumOf(answer.rows, 'guests')).toBe(2000);
    expect(answer.note).toContain('A guest with several tags counts under each');
    const rows = await call('cost_report', { by: 'guest', period: 'hour', limit: 500, measure: 0 });
    expect(rows.total).toBe(1000);
    expect(JSON.stringify(rows).length).toBeLessThan(60_000);
  });
});

describe('tenants', () => {
  const policy = policyOf({
    principals: [
      { match: { subject: 'alice' }, roles: ['admin'] },
      { match: { subject: 'eve' }, roles: ['admin'], tenant: { pools: 'web' } },
      { description: 'Team data', match: { group: 'data' }, roles: ['viewer'], tenant: { pools: ['data'] } },
      { match: { group: 'data-2' }, roles: ['viewer'], tenant: { pools: ['data'] } },
    ],
  });

  it('are told to an administrator by their bindings, and never who they are', async () => {
    const { call } = await toolClient({ ...one, gateOptions: { policy } });
    const answer = await call('cost_report', { by: 'tenant' });
    expect(answer.rows.map(({ tenant, pools }: Answer) => [tenant, pools]).toSorted()).toEqual([
      ['(none)', undefined],
      ['Team data', ['data']],
      ['pools web', ['web']],
    ]);
    expect(sumOf(answer.rows, 'guests')).toBe(8);
    expect(JSON.stringify(answer)).not.toMatch(/eve|group/);
  });

  it.each([
    ['a role for one cluster', { match: { subject: 'alice' }, roles: ['part'] }],
    ['a role for one tool', { match: { subject: 'alice' }, roles: ['tool'] }],
    ['a viewer', { match: { subject: 'alice' }, roles: ['viewer'] }],
  ])('are not told to %s', async (_title, entry) => {
    const all = ['read', 'change', 'secret', 'destroy', 'execute'];
    const limited = policyOf({
      roles: {
        part: { grants: [{ allow: all, clusters: 'production' }] },
        tool: { grants: [{ allow: all, tools: 'cost_report' }] },
      },
      principals: [entry, { match: { subject: 'eve' }, roles: ['viewer'], tenant: { pools: 'web' } }],
    });
    const { refused, call, production } = await toolClient({ ...one, gateOptions: { policy: limited } });
    const error = await refused('cost_report', { by: 'tenant' });
    expect(error).toMatchObject({
      code: 'POLICY_DENIED',
      message: expect.stringContaining('administrators'),
    });
    expect(JSON.stringify(error)).not.toMatch(/web|eve/);
    expect(production.requests.filter(({ path }) => path.includes('/nodes/'))).toEqual([]);
    expect((await call('cost_report', { by: 'pool' })).total).toBeGreaterThan(1);
  });

  it('are not told to a token without proxmox:admin', async () => {
    const { refused } = await toolClient({ ...one, scope: 'proxmox:read' });
    expect((await refused('cost_report', { by: 'tenant' })).code).toBe('POLICY_DENIED');
  });

  it('see themselves, and cost what is their own', async () => {
    const own = policyOf({
      principals: [
        { match: { subject: 'alice' }, roles: ['viewer'], tenant: { pools: ['web'] } },
        { match: { subject: 'eve' }, roles: ['viewer'], tenant: { pools: ['data'], tags: ['secret-tag'] } },
      ],
    });
    const { call, production } = await toolClient({ ...one, gateOptions: { policy: own } });
    const { rows, totals } = await call('cost_report', { by: 'tenant' });
    expect(rows.map(({ tenant }: Answer) => tenant)).toEqual(['pools web']);
    const members = [...production.state.guests.values()].filter(({ vmid }) =>
      production.state.pools.find(({ poolid }) => poolid === 'web')?.vmids.has(vmid),
    );
    expect(totals).toMatchObject([{ guests: members.length, currency: 'EUR' }]);
    const guests = await call('cost_report', { by: 'guest' });
    expect(guests.rows.map(({ vmid }: Answer) => vmid).toSorted()).toEqual(
      members.map(({ vmid }) => vmid).toSorted(),
    );
    expect(JSON.stringify([rows, guests])).not.toMatch(/secret-tag|"data"/);
  });
});

it('refuses what makes no sense, before anything is asked', async () => {
  const { refused, production } = await toolClient(one);
  for (const [args, words] of [
    [{ period: 'day', days: 2 }, 'Both period and days'],
    [{ days: 0 }, 'days'],
    [{ days: 366 }, 'more than 365'],
    [{ period: 'decade' }, 'period'],
    [{ by: 'node' }, 'by'],
    [{ measure: 1001 }, 'more than 1000'],
    [{ margin_percent: -1 }, 'margin_percent'],
    [{ idle_percent: 101 }, 'more than 100'],
    [{ cursor: 'x' }, 'cursor'],
  ] as const) {
    const error = await refused('cost_report', args);
    expect(error.code, words).toBe('INVALID_ARGUMENTS');
    expect(`${error.message} ${error.hint}`).toContain(words);
  }
  expect(production.requests).toEqual([]);
});
