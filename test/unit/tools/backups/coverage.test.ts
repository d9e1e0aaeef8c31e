import { describe, expect, it } from 'vitest';
import type { GuestRow, Inventory } from '../../../../src/clusters/inventory.ts';
import { type CoverageFacts, coverageRows } from '../../../../src/tools/backups/coverage.ts';

const NOW = Date.parse('2026-11-21T12:00:00Z');
const DAY = 86_400_000;

const guest = (vmid: number, more: Partial<GuestRow> = {}): GuestRow => ({
  id: `qemu/${vmid}`,
  type: 'qemu',
  vmid,
  node: 'a1',
  name: `g${vmid}`,
  status: 'running',
  template: false,
  tags: [],
  ...more,
});

const inventory = (...guests: GuestRow[]): Inventory => ({
  guests,
  nodes: [],
  storages: [],
  rows: [],
  asOf: NOW,
});

function facts(changes: Partial<CoverageFacts>): CoverageFacts {
  const inJob = { vmid: 100, name: 'g100', excluded: [] };
  return {
    inventory: inventory(guest(100)),
    backups: { newest: new Map([[100, NOW - DAY]]), unread: [], asOf: NOW },
    jobs: [{ job: { id: 'nightly' }, guests: [inJob] }],
    notBackedUp: new Set(),
    missing: [],
    ...changes,
  };
}

describe('coverageRows', () => {
  it('lists no guest that is well backed up, and no template', () => {
    expect(coverageRows(facts({}), 7, NOW)).toEqual([]);
    const template = facts({ inventory: inventory(guest(900, { template: true })) });
    expect(coverageRows(template, 7, NOW)).toEqual([]);
  });

  it('says nothing of backups that could not be read, or that are hidden', () => {
    expect(coverageRows(facts({ backups: undefined }), 7, NOW)).toEqual([]);
    const hidden = { newest: new Map(), unread: [], hidden: new Set([100]), asOf: NOW };
    expect(coverageRows(facts({ backups: hidden }), 7, NOW)).toMatchObject([
      { vmid: 100, reasons: ['backups not visible to the token'] },
    ]);
  });

  it('says nothing of jobs that could not be read', () => {
    expect(coverageRows(facts({ jobs: undefined, notBackedUp: undefined }), 7, NOW)).toEqual([]);
  });

  it('works out who is in no job where Proxmox does not tell', () => {
    const off = { job: { id: 'off', enabled: 0 }, guests: [{ vmid: 100, name: undefined, excluded: [] }] };
    expect(coverageRows(facts({ notBackedUp: undefined, jobs: [off] }), 7, NOW)).toMatchObject([
      { reasons: ['job disabled: off'] },
    ]);
    expect(coverageRows(facts({ notBackedUp: undefined, jobs: [] }), 7, NOW)).toMatchObject([
      { reasons: ['no job'] },
    ]);
  });

  it('counts the age from the newest backup', () => {
    const rows = coverageRows(facts({}), 0.5, NOW);
    expect(rows).toMatchObject([{ age_days: 1, last_backup_at: '2026-11-20T12:00:00.000Z' }]);
    expect(coverageRows(facts({}), 1, NOW)).toEqual([]);
  });
});
