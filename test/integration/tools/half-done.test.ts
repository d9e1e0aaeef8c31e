import { describe, expect, it } from 'vitest';
import { toolClient } from '../../support/tool-client.ts';

const ONE = { clusters: ['production'] };

describe('what was done is not told as a failure', () => {
  it('detach_disk, where the guest can not be asked afterwards', async () => {
    const { call, production, writes } = await toolClient(ONE);
    const guest = production.state.guests.get(103);
    if (guest === undefined) throw new Error('no guest 103');
    guest.config.scsi5 = 'local-lvm:vm-103-disk-5,size=1G';
    production.faults.add({
      kind: 'status',
      code: 500,
      message: 'got timeout',
      match: (line) => /GET .*103\/config/.test(line) && writes().length > 0,
    });
    const answer = await call('detach_disk', { vmid: 103, disk: 'scsi5' });
    expect(answer).toMatchObject({
      disk: 'scsi5',
      result: 'sent',
      note: expect.stringContaining('got timeout'),
    });
    expect(writes()).toHaveLength(1);
    expect(guest.config).not.toHaveProperty('scsi5');
  });

  it('set_cloudinit, where the drive could not be made anew', async () => {
    const { call, production, text, writes } = await toolClient(ONE);
    const guest = production.state.guests.get(100);
    if (guest === undefined) throw new Error('no guest 100');
    guest.config.ide2 = 'local-lvm:vm-100-cloudinit,media=cdrom';
    production.faults.add({
      kind: 'status',
      code: 500,
      message: 'storage is full',
      match: /PUT \/nodes\/pve1\/qemu\/100\/cloudinit/,
    });
    const answer = await call('set_cloudinit', { vmid: 100, user: 'ada' });
    expect(answer).toMatchObject({ changed: ['ciuser'], regenerated: false });
    expect(answer.note).toMatch(/storage is full.*regenerate_cloudinit/s);
    expect(guest.config.ciuser).toBe('ada');
    expect(writes()).toHaveLength(2);
    expect(await text('set_cloudinit', { vmid: 100, user: 'eve' })).toContain('regenerate_cloudinit');
  });
});
