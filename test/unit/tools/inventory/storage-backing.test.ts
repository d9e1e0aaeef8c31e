import { describe, expect, it } from 'vitest';
import { backingOf, isShared, sharedBackings } from '../../../../src/tools/inventory/storage-backing.ts';

const nfs = (storage: string, more: Record<string, unknown> = {}) => ({
  storage,
  type: 'nfs',
  server: '192.0.2.41',
  export: '/export/backups',
  content: 'backup',
  ...more,
});
const pbs = (storage: string, more: Record<string, unknown> = {}) => ({
  storage,
  type: 'pbs',
  server: 'pbs.example',
  datastore: 'main',
  ...more,
});
const shared = (...clusters: Record<string, unknown>[][]) =>
  sharedBackings(new Map(clusters.map((definitions, at) => [`c${at}`, definitions])));

describe('backingOf', () => {
  it.each([
    [nfs('a'), 'nfs 192.0.2.41:/export/backups'],
    [nfs('a', { export: '/export/backups/' }), 'nfs 192.0.2.41:/export/backups'],
    [nfs('a', { server: 'NAS.Example' }), 'nfs nas.example:/export/backups'],
    [nfs('a', { export: '/' }), 'nfs 192.0.2.41:/'],
    [pbs('b', { namespace: 'east' }), 'pbs pbs.example:main:east'],
    [{ type: 'cifs', server: 'nas', share: 'pve' }, 'cifs nas:pve'],
    [{ type: 'rbd', monhost: '10.0.0.2 10.0.0.1', pool: 'vm' }, 'rbd 10.0.0.1,10.0.0.2:vm'],
    [{ type: 'rbd', monhost: '10.0.0.1;10.0.0.2', pool: 'vm' }, 'rbd 10.0.0.1,10.0.0.2:vm'],
    [
      { type: 'iscsi', portal: '10.0.0.9', target: 'iqn.2026-01.example:a' },
      'iscsi 10.0.0.9:iqn.2026-01.example:a',
    ],
  ])('reads %j', (definition, backing) => {
    expect(backingOf(definition)).toBe(backing);
  });

  it.each([
    { type: 'dir', path: '/var/lib/vz', shared: 1 },
    { type: 'lvmthin', vgname: 'pve', thinpool: 'data' },
    { type: 'rbd', pool: 'vm' },
    { type: 'cephfs' },
    { type: 'nfs', server: '192.0.2.41' },
    { type: 'made-up', server: 'a', export: '/b' },
  ])('takes %j for a place of its own', (definition) => {
    expect(backingOf(definition)).toBeUndefined();
  });

  it('shows no user and no secret', () => {
    const definition = {
      type: 'cifs',
      server: 's',
      share: 'x',
      username: 'canary',
      password: 'canary',
      domain: 'canary',
    };
    expect(backingOf(definition)).not.toContain('canary');
  });
});

describe('sharedBackings', () => {
  it('finds one export under two names, and what it is good for', () => {
    expect(shared([nfs('backup-nfs')], [nfs('dr-nfs')], [nfs('other', { export: '/elsewhere' })])).toEqual([
      {
        backing: 'nfs 192.0.2.41:/export/backups',
        storages: { c0: 'backup-nfs', c1: 'dr-nfs' },
        meaning: expect.stringContaining('restored'),
      },
    ]);
  });

  it('keeps namespaces of one datastore apart, and takes a PBS for backups without being told', () => {
    expect(shared([pbs('a', { namespace: 'x' })], [pbs('b', { namespace: 'y' })])).toEqual([]);
    expect(shared([pbs('a')], [pbs('b', { content: 'backup' })])[0]?.meaning).toContain('restored');
  });

  it('warns where two clusters keep disks in one place', () => {
    const [found] = shared([nfs('a', { content: 'images' })], [nfs('b', { content: 'backup,images' })]);
    expect(found?.meaning).toContain('endanger');
    expect(found?.meaning).not.toContain('restored');
  });

  it('takes two storages of one cluster, and a disabled one, for nothing shared', () => {
    expect(shared([nfs('a'), nfs('b')], [])).toEqual([]);
    expect(shared([nfs('a')], [nfs('b', { disable: 1 })])).toEqual([]);
  });
});

it('isShared knows the types that always are', () => {
  expect(isShared(nfs('a'))).toBe(true);
  expect(isShared({ type: 'dir' })).toBe(false);
  expect(isShared({ type: 'dir', shared: 1 })).toBe(true);
});
