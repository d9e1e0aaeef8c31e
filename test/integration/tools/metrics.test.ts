import { describe, expect, it } from 'vitest';
import { type Answer, toolClient } from '../../support/tool-client.ts';

const by = (answer: Answer, metric: string) =>
  answer.metrics.find((row: { metric: string }) => row.metric === metric);

describe('get_metrics', () => {
  it('sums up a node, with units in the names, and no series unless asked', async () => {
    const { call, text, production, writes } = await toolClient({ clusters: ['production'] });
    const answer = await call('get_metrics', { node: 'pve2', timeframe: 'week' });
    expect(answer).toMatchObject({ of: { type: 'node', node: 'pve2' }, step_seconds: 1800 });
    expect(answer).not.toHaveProperty('series');
    const memory = by(answer, 'mem_used_bytes');
    expect(memory.points).toBe(336);
    expect(memory.min).toBeLessThanOrEqual(memory.mean);
    expect(memory.p95).toBeLessThanOrEqual(memory.max);
    const total = by(answer, 'mem_total_bytes');
    expect(total).toMatchObject({ min: total.max, trend_per_day: 0 });
    expect(by(answer, 'cpu_fraction').max).toBeLessThanOrEqual(1);
    const { params } = production.requests.find(({ path }) => path.endsWith('/rrddata')) ?? {};
    expect(params).toMatchObject({ timeframe: 'week', cf: 'AVERAGE' });
    expect(await text('get_metrics', { node: 'pve2' })).toMatch(/metrics of node pve2 of production from 20/);
    expect(writes()).toEqual([]);
  });

  it('finds a VM and a container by name, and leaves out what Proxmox does not know', async () => {
    const { call } = await toolClient({ clusters: ['production'] });
    const vm = await call('get_metrics', { name: 'web-01', timeframe: 'hour' });
    expect(vm.of).toEqual({ type: 'qemu', vmid: 100, name: 'web-01', node: 'pve1' });
    expect(by(vm, 'net_in_bytes_per_second')).toBeDefined();
    const container = await call('get_metrics', { vmid: 110, metrics: ['disk_bytes', 'diskread'] });
    expect(container.metrics.map((row: { metric: string }) => row.metric)).toEqual(['disk_bytes']);
    expect(container.note).toContain('diskread');
  });

  it('counts what was not recorded, and no figure is made of it', async () => {
    const { call, production } = await toolClient({ clusters: ['production'] });
    const guest = production.state.guests.get(101);
    if (!guest) throw new Error('there is no guest 101');
    guest.startedAt = production.state.clock() - 600_000;
    const answer = await call('get_metrics', { vmid: 101, timeframe: 'hour', points: 60 });
    const cpu = by(answer, 'cpu_fraction');
    expect(cpu.points + cpu.missing).toBe(60);
    expect(cpu.missing).toBeGreaterThan(45);
    expect(cpu.min).toBeGreaterThan(0);
    const column = answer.series.columns.indexOf('cpu_fraction');
    expect(answer.series.rows[0][column]).toBeNull();
  });

  it('gives the series in as many points as asked for, peaks with MAX', async () => {
    const { call } = await toolClient({ clusters: ['production'] });
    const asked = { storage: 'nas', timeframe: 'year', points: 12, cf: 'MAX' };
    const { series, metrics, of } = await call('get_metrics', asked);
    expect(of).toMatchObject({ type: 'storage', storage: 'nas' });
    expect(series.columns).toEqual(['time', ...metrics.map((row: { metric: string }) => row.metric)]);
    expect(series.rows.length).toBeLessThanOrEqual(12);
    expect(series.rows.length).toBeGreaterThan(6);
    const used = metrics.find((row: { metric: string }) => row.metric === 'used_bytes');
    expect(used.trend_per_day).toBeGreaterThan(0);
    const most = await call('get_metrics', { node: 'pve1', timeframe: 'year', points: 500 });
    expect(JSON.stringify(most).length).toBeLessThan(60_000);
  });

  it('says which times there are where the version keeps nothing so long', async () => {
    const { call, refused, production } = await toolClient({ clusters: ['production'] });
    const years = await call('get_metrics', { node: 'pve1', timeframe: 'decade' });
    expect(years.step_seconds).toBe(604_800);
    const before = production.requests.filter(({ path }) => path.endsWith('/rrddata')).length;
    const error = await refused('get_metrics', { vmid: 100, timeframe: 'decade' });
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENTS' });
    expect(`${error.message} ${error.hint}`).toMatch(/no decade of guests.*hour, day, week, month, year/s);
    expect(production.requests.filter(({ path }) => path.endsWith('/rrddata'))).toHaveLength(before);
  });

  it('refuses what is two things at once, and asks for the node of a storage that each has', async () => {
    const { refused, production } = await toolClient({ clusters: ['production'] });
    expect((await refused('get_metrics', { vmid: 100, storage: 'nas' })).code).toBe('INVALID_ARGUMENTS');
    const local = await refused('get_metrics', { storage: 'local' });
    expect(`${local.message} ${local.hint}`).toMatch(/pve1, pve2, pve3.*`node`/s);
    expect((await refused('get_metrics', { storage: 'gone' })).code).toBe('NOT_FOUND');
    expect((await refused('get_metrics', {})).message).toContain('Say which node');
    expect(production.requests.filter(({ path }) => path.endsWith('/rrddata'))).toEqual([]);
  });
});
