import { pino } from 'pino';
import { describe, expect, test } from 'vitest';
import { ClusterManager } from '../../../src/clusters/manager.ts';
import { clusterConfig } from '../../support/engine-fixtures.ts';

function manager(names: string[], defaultCluster?: string): ClusterManager {
  const clusters = names.map((name) => clusterConfig({ name }));
  const config = { clusters, ...(defaultCluster === undefined ? {} : { defaultCluster }) };
  return new ClusterManager(config, { logger: pino({ level: 'silent' }) });
}

function picked(sut: ClusterManager, name?: string): [string, string] {
  const { cluster, selectedBy } = sut.select({ cluster: name });
  return [cluster.name, selectedBy];
}

describe('ClusterManager', () => {
  test('lists the clusters in their order', () => {
    expect(
      manager(['b', 'a'])
        .list()
        .map(({ name }) => name),
    ).toEqual(['b', 'a']);
  });

  test('one cluster is used, whatever name was sent', () => {
    const sut = manager(['only']);
    expect(picked(sut)).toEqual(['only', 'single']);
    expect(picked(sut, 'other')).toEqual(['only', 'single']);
  });

  test('a name counts before the default', () => {
    const sut = manager(['a', 'b'], 'a');
    expect(picked(sut, 'b')).toEqual(['b', 'explicit']);
    expect(picked(sut, 'a')).toEqual(['a', 'explicit']);
    expect(picked(sut)).toEqual(['a', 'default']);
  });

  test.each(['Prod', 'prodd', '', 'constructor', '__proto__'])(
    '%j is unknown: all names and the nearest',
    (name) => {
      expect(() => manager(['prod', 'staging'], 'prod').select({ cluster: name })).toThrow(
        expect.objectContaining({ code: 'CLUSTER_NOT_FOUND', hint: 'Use one of: prod, staging.' }),
      );
      expect(() => manager(['prod', 'staging']).select({ cluster: 'prdo' })).toThrow('Did you mean "prod"?');
    },
  );

  test('no name and no default: all names', () => {
    expect(() => manager(['a', 'b']).select({})).toThrow(
      expect.objectContaining({ code: 'CLUSTER_AMBIGUOUS', message: 'There are several clusters: a, b.' }),
    );
  });
});
