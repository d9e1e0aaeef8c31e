import { describe, expect, it } from 'vitest';
import { type ToolClient, toolClient } from '../../support/tool-client.ts';

const ONE = { clusters: ['production'], config: { defaultNode: 'pve2', defaultStorage: 'local-lvm' } };

const guestOf = ({ production }: ToolClient, vmid: number) => {
  const guest = production.state.guests.get(vmid);
  if (!guest) throw new Error(`no guest ${vmid}`);
  return guest;
};

describe('migrate_guest', () => {
  it('moves a VM live with its local disks, and a container by restart', async () => {
    const client = await toolClient(ONE);
    const { call, text, refused, writes } = client;
    const answer = await call('migrate_guest', { name: 'web-02', target: 'pve3' });
    expect(answer).toMatchObject({ target: 'pve3', task: { status: 'ok' } });
    expect(answer.copied_disks).toHaveLength(1);
    expect(guestOf(client, 101)).toMatchObject({ node: 'pve3', status: 'running' });
    expect(writes()[0]?.params).toMatchObject({ target: 'pve3', online: '1', 'with-local-disks': '1' });
    await call('migrate_guest', { vmid: 103, target: 'pve1' });
    expect(guestOf(client, 103).node).toBe('pve1');
    expect(writes()[1]?.params.online).toBeUndefined();
    expect((await refused('migrate_guest', { vmid: 111, target: 'pve1' })).hint).toContain('restart=true');
    await call('migrate_guest', { vmid: 111, target: 'pve1', restart: true });
    expect(guestOf(client, 111).node).toBe('pve1');
    expect(await text('migrate_guest', { vmid: 111, target: 'pve1' })).toContain('already');
    expect(writes()).toHaveLength(3);
  });

  it('says beforehand what is in the way', async () => {
    const client = await toolClient(ONE);
    const { refused, writes, production } = client;
    expect(await refused('migrate_guest', { vmid: 103, target: 'pve9' })).toMatchObject({
      code: 'NOT_FOUND',
      hint: expect.stringContaining('pve1, pve2, pve3'),
    });
    guestOf(client, 103).config.hostpci0 = '0000:01:00.0';
    expect((await refused('migrate_guest', { vmid: 103, target: 'pve1' })).message).toContain('hostpci0');
    delete guestOf(client, 103).config.hostpci0;
    guestOf(client, 103).config.ide2 = 'local:iso/debian.iso,media=cdrom';
    expect((await refused('migrate_guest', { vmid: 103, target: 'pve1' })).hint).toContain("iso: 'none'");
    delete guestOf(client, 103).config.ide2;
    const lvm = production.state.storages.find(({ storage }) => storage === 'local-lvm');
    if (lvm) lvm.nodes = ['pve2'];
    expect((await refused('migrate_guest', { vmid: 103, target: 'pve1' })).hint).toContain('target_storage');
    expect(writes()).toEqual([]);
    await client.call('migrate_guest', { vmid: 103, target: 'pve1', target_storage: 'nas' });
    expect(guestOf(client, 103).node).toBe('pve1');
  });
});

describe('bulk_migrate', () => {
  it('empties a node, with a result for each guest', async () => {
    const client = await toolClient(ONE);
    const { call, text, writes } = client;
    const answer = await call('bulk_migrate', { node: 'pve2', target: 'pve3' });
    const results = Object.fromEntries(
      answer.guests.map((row: { vmid: number; result: string }) => [row.vmid, row.result]),
    );
    expect(results).toEqual({ 101: 'ok', 103: 'ok', 111: 'failed' });
    expect(answer.guests.find((row: { vmid: number }) => row.vmid === 111).code).toBe('CONFLICT');
    expect([101, 103, 111].map((vmid) => guestOf(client, vmid).node)).toEqual(['pve3', 'pve3', 'pve2']);
    expect(await text('bulk_migrate', { guests: ['101', 'cache-*'], target: 'pve3', restart: true })).toBe(
      'production: 1 of 2 guests moved to pve3; 1 already so.',
    );
    expect((await client.refused('bulk_migrate', { node: 'pve1', target: 'pve9' })).code).toBe('NOT_FOUND');
    expect(writes()).toHaveLength(3);
  });
});
