import { describe, expect, it } from 'vitest';
import type { Cluster } from '../../../src/clusters/cluster.ts';
import { ClusterManager } from '../../../src/clusters/manager.ts';
import { HeldClusters } from '../../../src/mcp/held-clusters.ts';
import { clusterConfig, SILENT } from '../../support/engine-fixtures.ts';

const config = (...names: string[]) => ({ clusters: names.map((name) => clusterConfig({ name })) });
const changed = (name: string) => clusterConfig({ name, region: 'elsewhere' });

function setUp(...names: string[]) {
  const manager = new ClusterManager(config(...names), { logger: SILENT });
  return { manager, sut: new HeldClusters(manager) };
}

describe('HeldClusters', () => {
  it('gives a call the client it began with, and the next call the new one', () => {
    const { manager, sut } = setUp('a', 'b');
    const { cluster } = sut.select({ cluster: 'a' });
    manager.apply({ clusters: [changed('a'), clusterConfig({ name: 'b' })] });
    expect(sut.select({ cluster: 'a' }).cluster).toBe(cluster);
    expect(sut.list()[0]).toBe(cluster);
    expect(new HeldClusters(manager).select({ cluster: 'a' }).cluster).not.toBe(cluster);
  });

  it('finds a cluster again that was removed meanwhile, and never another one in its place', () => {
    const { manager, sut } = setUp('a', 'b', 'c');
    const held = sut.list().map(({ name }) => name);
    expect(held).toEqual(['a', 'b', 'c']);
    manager.apply(config('a', 'c'));
    expect(sut.select({ cluster: 'b' })).toMatchObject({ cluster: { name: 'b' }, selectedBy: 'explicit' });
    manager.apply(config('a'));
    expect(sut.select({ cluster: 'c' }).cluster.name).toBe('c');
  });

  it('does not know a cluster that it has not given before', () => {
    const { manager, sut } = setUp('a', 'b', 'c');
    sut.select({ cluster: 'a' });
    manager.apply(config('a', 'c'));
    expect(() => sut.select({ cluster: 'b' })).toThrow(
      expect.objectContaining({ code: 'CLUSTER_NOT_FOUND' }),
    );
  });

  it('holds each client once, until it is disposed of', async () => {
    const { sut } = setUp('a', 'b');
    const clusters: Cluster[] = [...sut.list(), ...sut.list(), sut.select({ cluster: 'b' }).cluster];
    let open = 0;
    const retired = clusters.map((cluster) => {
      open++;
      return cluster.retire().then(() => open--);
    });
    await new Promise((turn) => setImmediate(turn));
    expect(open).toBe(5);
    sut[Symbol.dispose]();
    await Promise.all(retired);
    expect(open).toBe(0);
  });

  it('takes no lease for a call that is over, as nobody would give it back', async () => {
    const { manager, sut } = setUp('a', 'b');
    sut[Symbol.dispose]();
    expect(() => sut.select({ cluster: 'a' })).toThrow('the call is over');
    expect(() => sut.list()).toThrow('the call is over');
    await Promise.all(manager.list().map((cluster) => cluster.retire()));
  });

  it('holds no cluster that the call does not ask for', async () => {
    const { manager, sut } = setUp('a', 'b');
    sut.select({ cluster: 'a' });
    await manager.select({ cluster: 'b' }).cluster.retire();
  });
});
