import { describe, expect, it } from 'vitest';
import type { SimulatedCluster } from '../../../src/simulator/simulator.ts';
import { toolClient } from '../../support/tool-client.ts';

const ONE = { clusters: ['production'] };
const IMAGE = { content: 'images', format: 'raw', size: 5, ctime: 1 };

function guestOf({ state }: SimulatedCluster, vmid: number) {
  const guest = state.guests.get(vmid);
  if (guest === undefined) throw new Error(`no guest ${vmid}`);
  return guest;
}

describe('what many guests or snapshots may use', () => {
  it('a volume that only the sixtieth snapshot holds is not deleted', async () => {
    const { refused, writes, production } = await toolClient(ONE);
    const guest = guestOf(production, 100);
    const volid = 'local-lvm:vm-100-disk-8';
    production.state.volumes.push({ ...IMAGE, storage: 'local-lvm', node: 'pve1', volid, vmid: 100 });
    for (let number = 1; number <= 60; number += 1) {
      const name = `hourly-${number}`;
      const config = number === 60 ? { scsi8: `${volid},size=1G` } : {};
      guest.snapshots.set(name, { name, snaptime: number, description: '', vmstate: false, config });
    }
    const error = await refused('delete_volume', { volid });
    expect(error).toMatchObject({ code: 'CONFLICT' });
    expect(error.message).toContain('scsi8 in the snapshot hourly-60');
    expect(writes()).toEqual([]);
  });

  it('a storage that only the sixtieth guest has a disk on stays', async () => {
    const { refused, writes, production } = await toolClient(ONE);
    const { guests, volumes } = production.state;
    const pattern = guestOf(production, 100);
    for (let vmid = 600; vmid < 660; vmid += 1) {
      const volid = `backup-nfs:${vmid}/vm-${vmid}-disk-0.raw`;
      const config = vmid === 659 ? { scsi0: `${volid},size=1G` } : {};
      guests.set(vmid, { ...pattern, vmid, config, pending: {}, snapshots: new Map() });
      volumes.push({ ...IMAGE, storage: 'backup-nfs', volid, vmid });
    }
    const error = await refused('delete_storage', { storage: 'backup-nfs' });
    expect(error).toMatchObject({ code: 'CONFLICT', message: expect.stringContaining('659') });
    expect(writes()).toEqual([]);
  });

  it('says which nodes could not be looked at, where a storage is taken away', async () => {
    const { call, production } = await toolClient(ONE);
    for (const guest of [...production.state.guests.values()].filter(({ node }) => node !== 'pve2')) {
      production.state.guests.delete(guest.vmid);
    }
    production.faults.add({
      kind: 'status',
      code: 500,
      message: 'lvs failed',
      match: /GET \/nodes\/pve2\/storage\/local-lvm\/content/,
    });
    const { note } = await call('delete_storage', { storage: 'local-lvm' });
    expect(note).toContain('pve2');
    expect(note).toContain('lvs failed');
  });
});
