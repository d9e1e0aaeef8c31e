import { expect, it } from 'vitest';
import { shownStatus, shownVersions } from '../../../../src/tools/ceph/status-view.ts';

it('reads the map within the map of older releases, and what is being mended', () => {
  const shown = shownStatus({
    health: {
      status: 'HEALTH_ERR',
      checks: {
        PG_DAMAGED: {
          severity: 'HEALTH_ERR',
          summary: { message: '1 pg inconsistent', count: 1 },
          detail: Array.from({ length: 9 }, (_item, index) => ({ message: `pg 1.${index}` })),
          muted: true,
        },
      },
    },
    osdmap: { osdmap: { num_osds: 3, num_up_osds: 2, num_in_osds: 3 } },
    monmap: { mons: [{}, {}, {}] },
    quorum_names: ['a'],
    pgmap: {
      bytes_total: 1000,
      bytes_used: 250,
      bytes_avail: 750,
      degraded_objects: 5,
      degraded_total: 100,
      recovering_bytes_per_sec: 42,
    },
  });
  expect(shown).toMatchObject({
    health: 'HEALTH_ERR',
    checks: [{ name: 'PG_DAMAGED', message: '1 pg inconsistent', muted: true, details_total: 9 }],
    capacity: { used_percent: 25 },
    io: { degraded_percent: 5, recovering_bytes_per_second: 42 },
    osds: { total: 3, up: 2, in: 3 },
    monitors: { total: 3, quorum: ['a'] },
  });
  expect(shown.checks[0]?.details).toHaveLength(5);
});

it('makes of an empty answer one that says nothing wrong', () => {
  expect(shownStatus(null)).toEqual({
    health: 'unknown',
    checks: [],
    osds: {},
    monitors: { quorum: [] },
    pgs: [],
  });
});

it('finds daemons that still run an old release', () => {
  const metadata = {
    node: { a1: { version: { str: '19.2.3' } }, a2: {} },
    mon: { 'a1@a1': { ceph_version_short: '19.2.3' } },
    osd: [{ ceph_version: 'ceph version 18.2.7 (x) reef (stable)' }, {}],
  };
  expect(shownVersions(metadata)).toEqual({
    nodes: [
      { node: 'a1', version: '19.2.3' },
      { node: 'a2', version: 'unknown' },
    ],
    running: ['18.2.7', '19.2.3'],
  });
});
