import { describe, expect, it } from 'vitest';
import { toolClient } from '../../support/tool-client.ts';

describe('get_guest', () => {
  it('tells all about a VM in one answer, live', async () => {
    const { call, text, production, writes } = await toolClient();
    const answer = await call('get_guest', { name: 'WEB-01' });
    expect(answer).toMatchObject({
      cluster: 'production',
      selected_by: 'lookup',
      guest: { vmid: 100, name: 'web-01', type: 'qemu', node: 'pve1' },
      status: { state: 'running', cpus: 4, max_mem_bytes: 8 * 1024 ** 3 },
      config: { options: { cores: 4, tags: ['production', 'web'] } },
      snapshots: { total: 4 },
      pending: [],
    });
    expect(answer.problems).toBeUndefined();
    expect(answer.config.digest).toMatch(/^[0-9a-f]{40}$/);
    expect(answer.config.options.digest).toBeUndefined();
    const [disk] = answer.config.disks;
    expect(disk).toMatchObject({ id: 'scsi0', size: '40G' });
    expect(disk.volume).toContain(`${disk.storage}:`);
    expect(answer.config.nics[0]).toMatchObject({ id: 'net0', model: 'virtio', bridge: 'vmbr0' });
    expect(answer.config.nics[0].mac).toMatch(/^BC:24:11/);
    expect(answer.addresses[0].ips.length).toBeGreaterThan(0);
    expect(answer.snapshots.newest[0]).toMatchObject({ name: 'experiment', description: 'HTTP/3 trial' });
    expect(answer.last_backup_at).toMatch(/^20/);
    expect(await text('get_guest', { vmid: 100, cluster: 'production' })).toMatch(
      /^VM 100 \(web-01\) of production is running on pve1; addresses .*4 snapshots; last backup 20/,
    );
    // Straight from the node, which knows before the inventory does.
    const guest = production.state.guests.get(100);
    if (guest) guest.paused = true;
    expect((await call('get_guest', { vmid: 100, cluster: 'production' })).status.state).toBe('paused');
    expect(writes()).toEqual([]);
  });

  it('a part that fails costs itself alone, and is named', async () => {
    const { call, text, production } = await toolClient();
    const guest = production.state.guests.get(100);
    if (guest) delete guest.config.agent;
    const answer = await call('get_guest', { cluster: 'production', vmid: 100 });
    expect(answer.problems).toEqual([
      expect.objectContaining({ part: 'addresses', message: expect.stringContaining('not enabled') }),
    ]);
    expect(answer.snapshots.total).toBe(4);
    expect(await text('get_guest', { cluster: 'production', vmid: 100 })).toContain('Not known: addresses.');
  });

  it('shows what waits, the addresses of a container, and no password', async () => {
    const { call, production } = await toolClient();
    const { guests } = production.state;
    const vm = guests.get(101);
    const container = guests.get(110);
    if (!vm || !container) throw new Error('the estate has changed');
    vm.pending = { cores: 8, balloon: null };
    vm.config.balloon = 512;
    vm.config.cipassword = '$5$secret';
    const answer = await call('get_guest', { cluster: 'production', vmid: 101 });
    expect(answer.pending).toEqual([
      { key: 'balloon', now: 512, removed: true },
      { key: 'cores', now: 4, next: 8 },
    ]);
    expect(JSON.stringify(answer)).not.toContain('$5$');
    expect(JSON.stringify(answer)).not.toContain('cipassword');
    const other = await call('get_guest', { name: 'dns-01' });
    expect(other.addresses).toEqual([expect.objectContaining({ nic: 'eth0', ips: [expect.any(String)] })]);
    expect(other.last_backup_at).toBeDefined();
  });

  it('a stopped guest has no addresses, and a guest that is nowhere is said to be', async () => {
    const { call, refused } = await toolClient();
    const answer = await call('get_guest', { name: 'build-01' });
    expect(answer.addresses).toBeUndefined();
    expect(answer.problems).toBeUndefined();
    expect(answer.last_backup_at).toBeUndefined();
    expect(await refused('get_guest', { name: 'nobody' })).toMatchObject({ code: 'NOT_FOUND' });
    expect(await refused('get_guest', {})).toMatchObject({ code: 'INVALID_ARGUMENTS' });
  });
});
