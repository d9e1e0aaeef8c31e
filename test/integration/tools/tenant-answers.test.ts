import { describe, expect, it } from 'vitest';
import { policyOf } from '../../support/policy.ts';
import { toolClient } from '../../support/tool-client.ts';

const POLICY = policyOf({
  principals: [{ match: { subject: '*' }, roles: 'operator', tenant: { pools: 'web' } }],
});

const client = () => toolClient({ clusters: ['production'], gateOptions: { policy: POLICY } });

describe('a tenant that sees no storages and nodes', () => {
  it('is not told that its guests have no backups', async () => {
    const { call, text, refused } = await client();
    const answer = await call('list_backups', { vmid: 100 });
    expect(answer).toMatchObject({ total: 0, note: expect.stringContaining('No storage') });
    expect(await text('list_backups', { vmid: 100 })).toContain('No storage');
    expect((await call('verify_backups', { vmid: 100 })).note).toContain('No storage');
    const volid = 'nas:backup/vzdump-qemu-100-2026_11_20-02_00_00.vma.zst';
    const error = await refused('restore_backup', { volid });
    expect(error.message).toContain('No storage');
  });

  it('is not told that the nodes of its guests are offline, or have no memory', async () => {
    const { call } = await client();
    const { totals, note } = await call('cluster_capacity');
    expect(totals).toMatchObject({ guests: 2, nodes: 2, nodes_offline: 0 });
    expect(note).toContain('Sums are without pve1 of production, pve2 of production');
  });
});
