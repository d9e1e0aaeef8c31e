import { describe, expect, it } from 'vitest';
import type { ClusterConfig } from '../../../../src/config/config.ts';
import type { SimulatedCluster } from '../../../../src/simulator/simulator.ts';
import { type Answer, toolClient } from '../../../support/tool-client.ts';

const EUR = { currency: 'EUR', vcpuHour: 0.01, memoryGibHour: 0.005, storageGibHour: 0.0001 };
const USD = { currency: 'USD', vcpuHour: 0.02 };

const priced = ({ name }: SimulatedCluster): Partial<ClusterConfig> =>
  name === 'production' ? { prices: EUR } : name === 'staging' ? { prices: USD } : {};
const one = { clusters: ['production'], config: { prices: EUR } };

const records = (cluster: SimulatedCluster) =>
  cluster.requests
    .filter(({ path }) => path.endsWith('/rrddata'))
    .map(({ path, params }) => ({ path, params }));
const guestOf = (cluster: SimulatedCluster, vmid: number) => {
  const guest = cluster.state.guests.get(vmid);
  if (guest === undefined) throw new Error(`there is no guest ${vmid}`);
  return guest;
};
const row = (answer: Answer, vmid: number) => answer.rows.find((each: Answer) => each.vmid === vmid);
const sumOf = (rows: Answer[], key: string): number =>
  Math.round(rows.reduce((sum, each) => sum + (each[key] ?? 0), 0) * 10_000) / 10_000;

describe('cost_report by clusters', () => {
  it('tells each in its own currency, adds none up, and says what the figures rest on', async () => {
    const { call, text, simulator } = await toolClient({ config: priced });
    const answer = await call('cost_report');
    expect(answer.rows.map(({ cluster, currency }: Answer) => [cluster, currency])).toEqual([
      ['production', 'EUR'],
      ['staging', 'USD'],
      ['disaster-recovery', undefined],
    ]);
    expect(answer.totals.map(({ currency }: Answer) => currency)).toEqual(['EUR', 'USD', undefined]);
    const [production, staging, unpriced] = answer.rows;
    expect(production.cost).toBe(sumOf([production], 'cost'));
    expect(staging.cost).toBe(staging.vcpu_cost);
    expect(unpriced).not.toHaveProperty('cost');
    expect(unpriced.storage_gib_hours).toBeGreaterThan(0);
    expect(answer.note).toContain('No prices are configured for disaster-recovery');
    expect(answer.note).toContain('PROXMOX_CLUSTER_<name>_PRICES');
    expect(answer.rests_on[0]).toMatchObject({
      cluster: 'production',
      measured: 8,
      guests: 8,
      step_seconds: 1800,
      prices: { currency: 'EUR', vcpu_hour: 0.01, memory_gib_hour: 0.005, storage_gib_hour: 0.0001 },
    });
    expect(await text('cost_report')).toMatch(
      /3 clusters, .*8 cost [\d.]+ EUR.*; 5 cost [\d.]+ USD[^;]*; 5 without prices/s,
    );
    const written = simulator.clusters.flatMap(({ requests }) =>
      requests.filter(({ method }) => method !== 'GET'),
    );
    expect(written).toEqual([]);
  });

  it('goes on without a cluster that does not answer, and asks no fallback for one that is named', async () => {
    const { call, refused, simulator, production } = await toolClient({
      config: (cluster) => ({
        ...priced(cluster),
        ...(cluster.name === 'staging' ? { fallback: 'production' } : {}),
      }),
    });
    await simulator.cluster('staging').stop();
    const answer = await call('cost_report');
    expect(answer.failed).toMatchObject([{ cluster: 'staging', code: 'CLUSTER_UNREACHABLE' }]);
    expect(answer.rows.map(({ cluster }: Answer) => cluster)).toEqual(['production', 'disaster-recovery']);
    production.requests.length = 0;
    expect((await refused('cost_report', { cluster: 'staging' })).code).toBe('CLUSTER_UNREACHABLE');
    expect(production.requests).toEqual([]);
  });
});

describe('cost_report by guests', () => {
  it('adds up to the cluster, and each row is what its hours cost', async () => {
    const { call } = await toolClient(one);
    const guests = await call('cost_report', { by: 'guest' });
    const { rows } = await call('cost_report', { by: 'pool' });
    const [total] = guests.totals;
    expect(sumOf(guests.rows, 'cost')).toBe(total.cost);
    expect(sumOf(guests.rows, 'vcpu_hours')).toBe(total.vcpu_hours);
    expect(rows.map(({ pool }: Answer) => pool)).toContain('(none)');
    expect(Math.abs(sumOf(rows, 'cost') - total.cost)).toBeLessThan(0.01);
    for (const each of guests.rows) {
      expect(each.vcpu_cost).toBeCloseTo(each.vcpu_hours * 0.01, 3);
      expect(each.memory_cost).toBeCloseTo(each.memory_gib_hours * 0.005, 3);
      expect(each.storage_cost).toBeCloseTo(each.storage_gib_hours * 0.0001, 3);
      expect(each.cost).toBeCloseTo(each.vcpu_cost + each.memory_cost + each.storage_cost, 6);
    }
  });

  it('counts a stopped guest by all its disks alone, and one that was started lately since then', async () => {
    const { call, production } = await toolClient(one);
    const stopped = guestOf(production, 103);
    stopped.config.scsi1 = 'nas:103/vm-103-disk-1.qcow2,size=100G';
    stopped.config.ide2 = 'local:iso/debian.iso,media=cdrom,size=600M';
    const started = guestOf(production, 101);
    started.startedAt = production.state.clock() - 10 * 3_600_000;
    const { rows } = await call('cost_report', { by: 'guest' });
    const off = row({ rows }, 103);
    expect(off).toMatchObject({ ran_hours: 0, vcpu_cost: 0, memory_cost: 0, kinds: ['stopped'] });
    expect(off.storage_gib_hours).toBeCloseTo(off.known_hours * 220, 1);
    expect(off.saves_if_removed).toBe(off.storage_cost);
    const late = row({ rows }, 101);
    expect(late.known_hours).toBeGreaterThan(160);
    expect(late.ran_hours).toBeGreaterThan(9);
    expect(late.ran_hours).toBeLessThan(11);
    expect(late.vcpu_hours).toBeCloseTo(late.ran_hours * 4, 2);
  });

  it('says how much of the time is known', async () => {
    const { call, production } = await toolClient(one);
    guestOf(production, 100).createdAt = production.state.clock() - 24 * 3_600_000;
    const answer = await call('cost_report', { by: 'guest' });
    const young = row(answer, 100);
    expect(young.known_hours).toBeGreaterThan(23);
    expect(young.known_hours).toBeLessThan(25);
    expect(young.storage_gib_hours).toBeCloseTo(young.known_hours * 40, 1);
    // Half of the period is not known: nothing is said of its size.
    expect(young).not.toHaveProperty('kinds');
    expect(answer.rests_on[0].points - answer.rests_on[0].points_known).toBeGreaterThan(280);
    expect(answer.totals[0].known_hours).toBeLessThan(answer.totals[0].period_hours - 140);
  });

  it('counts by use what was taken', async () => {
    const { call } = await toolClient(one);
    const allocated = await call('cost_report', { by: 'guest' });
    const used = await call('cost_report', { by: 'guest', basis: 'used' });
    expect(row(used, 100).vcpu_hours).toBeLessThan(row(allocated, 100).vcpu_hours);
    expect(row(used, 100).storage_gib_hours).toBeCloseTo(row(allocated, 100).storage_gib_hours, 0);
    expect(row(used, 110).storage_gib_hours).toBeLessThan(row(allocated, 110).storage_gib_hours);
    expect(used.note).toContain('root file systems of containers alone');
  });

  it('pages without a loss, and refuses a cursor of another question', async () => {
    const { call, refused, production } = await toolClient(one);
    const seen: number[] = [];
    let cursor: string | undefined;
    do {
      const page = await call('cost_report', { by: 'guest', limit: 3, ...(cursor ? { cursor } : {}) });
      seen.push(...page.rows.map(({ vmid }: Answer) => vmid));
      expect(page.total).toBe(8);
      cursor = page.next_cursor;
      if (seen.length === 3) {
        production.requests.length = 0;
        const other = await refused('cost_report', { by: 'guest', basis: 'used', cursor });
        expect(other.code).toBe('INVALID_ARGUMENTS');
        expect(production.requests).toEqual([]);
      }
    } while (cursor !== undefined);
    expect(seen.toSorted()).toEqual([...production.state.guests.keys()].toSorted());
    expect(new Set(seen).size).toBe(8);
  });

  it('filters, and asks for the records of what is left alone', async () => {
    const { call, production } = await toolClient(one);
    const answer = await call('cost_report', { by: 'guest', name: 'web-*', node: 'pve1', days: 2 });
    expect(answer.rows.map(({ name }: Answer) => name)).toEqual(['web-01']);
    expect(new Set(records(production).map(({ path }) => path))).toEqual(
      new Set(['/api2/json/nodes/pve1/qemu/100/rrddata']),
    );
    expect(records(production)[0]?.params).toMatchObject({ timeframe: 'week', cf: 'AVERAGE' });
    expect(answer.totals[0].period_hours).toBe(48);
    expect(answer.totals[0].known_hours).toBeLessThanOrEqual(48);
  });
});
