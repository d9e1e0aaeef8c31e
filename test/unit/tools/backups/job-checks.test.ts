import { describe, expect, it } from 'vitest';
import type { GatedCluster } from '../../../../src/access/gate.ts';
import { requireSensible } from '../../../../src/tools/backups/job-checks.ts';
import { failureOf } from '../../../support/engine-fixtures.ts';

/** A cluster whose API has, or lacks, the choice between the two systems of notification. */
function cluster(parameters: Record<string, object>): GatedCluster {
  const row = { id: 'storage/a1/nas', storage: 'nas', node: 'a1', status: 'available', shared: true };
  const known: Partial<GatedCluster> = {
    name: 'old',
    settings: { readOnly: false },
    catalogue: async () => ({ version: '8.1.4', get: () => ({ parameters }) }) as never,
    inventory: async () => ({
      guests: [],
      nodes: [],
      storages: [{ ...row, content: ['backup'] }],
      rows: [],
      asOf: 0,
    }),
    request: async () => ({ data: [] }) as never,
  };
  return known as GatedCluster;
}

const args = { schedule: '02:00', selection: { all: true } } as const;

describe('requireSensible', () => {
  it('says which version the choice of notifications needs', async () => {
    const error = await failureOf(requireSensible(cluster({}), { ...args, notify: 'auto' }, undefined));
    expect(error.message).toBe('`notify` needs Proxmox VE 8.2; old has 8.1.4.');
    const newer = cluster({ 'notification-mode': {} });
    expect(await requireSensible(newer, { ...args, notify: 'auto' }, undefined)).toBe('nas');
  });

  it('keeps the storage of a job that is changed, and finds the only one for a new one', async () => {
    expect(await requireSensible(cluster({}), args, { storage: 'other' })).toBe('other');
    expect(await requireSensible(cluster({}), args, undefined)).toBe('nas');
    const misspelt = requireSensible(cluster({}), { ...args, storage: 'naz' }, { storage: 'nas' });
    expect((await failureOf(misspelt)).hint).toContain('one of: nas');
  });

  it('knows mailto for what the job does now', async () => {
    const job = { 'notification-mode': 'notification-system' };
    const mail = { ...args, mailto: 'ops@example.org' };
    expect((await failureOf(requireSensible(cluster({}), mail, job))).message).toContain('mean nothing');
    const both = { ...mail, notify: 'legacy-sendmail' } as const;
    const newer = cluster({ 'notification-mode': {} });
    expect(await requireSensible(newer, both, { ...job, storage: 'nas' })).toBe('nas');
  });
});
