import { pino } from 'pino';
import { describe, expect, test } from 'vitest';
import { ClusterManager } from '../../../src/clusters/manager.ts';
import type { ClusterConfig } from '../../../src/config/config.ts';
import { Secret } from '../../../src/config/secret.ts';
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

describe('apply', () => {
  const config = (...clusters: ClusterConfig[]) => ({ clusters });
  const named = (name: string, changes: Partial<ClusterConfig> = {}) => clusterConfig({ name, ...changes });
  const secret = (value: string): ClusterConfig['credentials'] => ({
    kind: 'token',
    user: 'ops@pve',
    tokenId: 'mcp',
    secret: new Secret(value),
  });

  test('says what was added, removed and changed; a secret counts by its value', () => {
    const sut = manager(['same', 'gone', 'other']);
    sut.apply(config(named('same', { credentials: secret('a') }), named('gone'), named('other')));
    const told: unknown[] = [];
    sut.onChange((change) => told.push(change));
    const next = config(
      named('same', { credentials: secret('a') }),
      named('other', { region: 'eu' }),
      named('new'),
    );
    const expected = { added: ['new'], removed: ['gone'], changed: ['other'] };
    expect(sut.apply(next)).toEqual(expected);
    expect(told).toEqual([expected]);
    expect(sut.list().map(({ name }) => name)).toEqual(['same', 'other', 'new']);
    const rotated = config(
      named('same', { credentials: secret('b') }),
      named('other', { region: 'eu' }),
      named('new'),
    );
    expect(sut.apply(rotated)).toEqual({ added: [], removed: [], changed: ['same'] });
  });

  test('keeps the client of a cluster that did not change, and counts the revision', () => {
    const sut = manager(['a', 'b']);
    const [before] = sut.list();
    const { revision } = sut;
    sut.apply(config(named('a'), named('b', { region: 'eu' })));
    expect(sut.list()[0]).toBe(before);
    expect(sut.revision).toBe(revision + 1);
  });

  test('a configuration that no client can be made for changes nothing', () => {
    const sut = manager(['a', 'b']);
    const before = sut.list();
    const broken = named('c', { patterns: ['/(/'] });
    expect(() => sut.apply(config(named('a', { region: 'eu' }), broken))).toThrow();
    expect(sut.list()).toEqual(before);
  });

  test('the directory of one cluster lives as long as its name', () => {
    const sut = manager(['a', 'b']);
    const scope = sut.scopedTo('a');
    sut.apply(config(named('a', { region: 'eu' }), named('b')));
    expect(sut.scopedTo('a')).toBe(scope);
    sut.apply(config(named('b')));
    expect(sut.scopedTo('a')).toBeUndefined();
    expect(() => scope?.list()).toThrow(expect.objectContaining({ code: 'CLUSTER_NOT_FOUND' }));
    sut.apply(config(named('a'), named('b')));
    expect(sut.scopedTo('a')).not.toBe(scope);
  });

  test('a name that was removed is not taken for the single cluster that is left', () => {
    const sut = manager(['a', 'b']);
    sut.apply(config(named('a')));
    expect(() => sut.select({ cluster: 'b' })).toThrow(
      expect.objectContaining({ code: 'CLUSTER_NOT_FOUND', hint: 'Use one of: a.' }),
    );
    expect(() => sut.claim({ cluster: 'b' })).toThrow(expect.objectContaining({ code: 'CLUSTER_NOT_FOUND' }));
    expect(picked(sut, 'never-there')).toEqual(['a', 'single']);
  });
});
