import { describe, expect, it } from 'vitest';
import type { GatedCluster } from '../../../../../src/access/gate.ts';
import { commonStorages } from '../../../../../src/tools/between/backup/common-storage.ts';

type Row = Record<string, unknown>;

const NFS = { type: 'nfs', server: '192.0.2.9', export: '/dumps', content: 'backup' };
const PBS = { type: 'pbs', server: 'PBS.test', datastore: 'main', content: 'backup' };

/** A cluster with these definitions, each available on its nodes, as the gate hands them out. */
function cluster(name: string, definitions: Row[], offline: string[] = []): GatedCluster {
  const nodes = ['n1', 'n2'];
  const inventory = {
    nodes: nodes.map((node) => ({ node, status: offline.includes(node) ? 'offline' : 'online' })),
    storages: definitions.flatMap(({ storage }) =>
      nodes.map((node) => ({ storage, node, status: 'available', content: ['backup'] })),
    ),
  };
  return {
    name,
    request: async () => ({ data: definitions }),
    inventory: async () => inventory,
  } as unknown as GatedCluster;
}

const pairs = async (here: Row, there: Row) =>
  (
    await commonStorages(
      cluster('home', [{ storage: 'a', ...here }]),
      cluster('away', [{ storage: 'b', ...there }]),
    )
  ).map(({ source, target }) => `${source}=${target}`);

describe('storages that two clusters see', () => {
  it.each([
    ['the same export', NFS, NFS],
    ['an export with a slash behind it, and a host in other letters', NFS, { ...NFS, export: '/dumps/' }],
    ['the same share', { ...NFS, type: 'cifs', share: 'dumps' }, { ...NFS, type: 'cifs', share: 'dumps' }],
    [
      'the same datastore, whose content is not said',
      PBS,
      { ...PBS, server: 'pbs.test', content: undefined },
    ],
    ['its port said by one alone', PBS, { ...PBS, port: 8007 }],
  ])('are %s', async (_what, here, there) => expect(await pairs(here, there)).toEqual(['a=b']));

  it.each([
    ['another export', NFS, { ...NFS, export: '/other' }],
    ['another server', NFS, { ...NFS, server: '192.0.2.10' }],
    ['another namespace', PBS, { ...PBS, namespace: 'away' }],
    ['another port', PBS, { ...PBS, port: 8017 }],
    ['one that is disabled', NFS, { ...NFS, disable: 1 }],
    ['one that holds no backups', NFS, { ...NFS, content: 'images,iso' }],
    [
      'folders of the same path',
      { type: 'dir', path: '/d', content: 'backup' },
      { type: 'dir', path: '/d', content: 'backup' },
    ],
  ])('are not %s', async (_what, here, there) => expect(await pairs(here, there)).toEqual([]));

  it('come with what is behind them, and where they can be used now', async () => {
    const [found] = await commonStorages(
      cluster('home', [{ storage: 'a', ...PBS, namespace: 'eu' }], ['n2']),
      cluster('away', [{ storage: 'b', ...PBS, namespace: 'eu' }]),
    );
    expect(found).toMatchObject({
      ...{ kind: 'pbs', backend: 'PBS PBS.test, datastore main, namespace eu' },
      ...{ sourceNodes: ['n1'], targetNodes: ['n1', 'n2'] },
    });
  });

  it('of a PBS come with what endangers backups there', async () => {
    const warnings = async (here: Row, there: Row) =>
      (
        await commonStorages(
          cluster('home', [{ storage: 'a', ...PBS, ...here }]),
          cluster('away', [{ storage: 'b', ...PBS, ...there }]),
        )
      ).flatMap((one) => one.warnings);
    expect(await warnings({}, {})).toEqual([expect.stringContaining('Use one namespace per cluster')]);
    expect(await warnings({ 'encryption-key': 'aa:bb' }, { 'encryption-key': 'cc:dd' })).toEqual([
      expect.anything(),
      expect.stringContaining('encrypts with a key that b does not have'),
    ]);
    expect(await warnings({ username: 'home@pbs' }, { username: 'away@pbs' })).toHaveLength(2);
    expect(await pairs(NFS, NFS)).toHaveLength(1);
  });
});
