import { describe, expect, it } from 'vitest';
import { type ToolClient, toolClient } from '../../support/tool-client.ts';

const ONE = { clusters: ['production'] };

const guestOf = ({ production }: ToolClient, vmid: number) => {
  const guest = production.state.guests.get(vmid);
  if (!guest) throw new Error(`no guest ${vmid}`);
  return guest;
};

describe('disks', () => {
  it('resize_disk grows by or to a size, and never shrinks', async () => {
    const client = await toolClient(ONE);
    const { call, refused, writes } = client;
    expect(await call('resize_disk', { vmid: 103, disk: 'scsi0', size: '+10G' })).toMatchObject({
      size: '130 GiB',
      task: { status: 'ok' },
    });
    expect(guestOf(client, 103).config.scsi0).toContain('size=130G');
    await call('resize_disk', { vmid: 112, disk: 'rootfs', size: '64G' });
    expect(guestOf(client, 112).config.rootfs).toContain('size=64G');
    expect((await call('resize_disk', { vmid: 112, disk: 'rootfs', size: '64G' })).note).toContain('already');
    const smaller = await refused('resize_disk', { vmid: 103, disk: 'scsi0', size: '8G' });
    expect(smaller).toMatchObject({ code: 'INVALID_ARGUMENTS', message: expect.stringContaining('130 GiB') });
    const missing = await refused('resize_disk', { vmid: 103, disk: 'scsi9', size: '8G' });
    expect(missing).toMatchObject({ code: 'NOT_FOUND', hint: expect.stringContaining('scsi0') });
    expect((await refused('resize_disk', { vmid: 103, disk: 'scsi0', size: '-8G' })).code).toBe(
      'INVALID_ARGUMENTS',
    );
    expect(writes()).toHaveLength(2);
  });

  it('move_disk moves a disk of a running VM, and a volume of a container that is down', async () => {
    const client = await toolClient(ONE);
    const { call, refused, writes } = client;
    const before = String(guestOf(client, 100).config.scsi0).split(',')[0];
    await call('move_disk', { vmid: 100, disk: 'scsi0', storage: 'nas', format: 'qcow2' });
    const { config } = guestOf(client, 100);
    expect(config.scsi0).toMatch(/^nas:/);
    expect(config.unused0).toBe(before);
    expect((await call('move_disk', { vmid: 100, disk: 'scsi0', storage: 'nas' })).note).toContain('already');
    expect(await refused('move_disk', { vmid: 110, disk: 'rootfs', storage: 'nas' })).toMatchObject({
      code: 'CONFLICT',
      message: expect.stringContaining('running'),
    });
    await call('move_disk', { vmid: 112, disk: 'rootfs', storage: 'nas', delete_source: true });
    expect(guestOf(client, 112).config.rootfs).toMatch(/^nas:/);
    expect(guestOf(client, 112).config.unused0).toBeUndefined();
    expect(writes()).toHaveLength(2);
  });

  it('detach_disk keeps the volume, unless told to delete it', async () => {
    const client = await toolClient(ONE);
    const { call, refused, production } = client;
    await call('update_guest', { vmid: 103, disks: [{ size: '4G' }, { size: '5G' }] });
    const volid = String(guestOf(client, 103).config.scsi1).split(',')[0];
    const volume = () => production.state.volumes.find((one) => one.volid === volid);
    const detached = await call('detach_disk', { vmid: 103, disk: 'scsi1' });
    expect(detached).toMatchObject({ result: 'detached', unused_as: 'unused0' });
    expect(volume()).toBeDefined();
    expect((await refused('detach_disk', { vmid: 103, disk: 'unused0' })).message).toContain('delete=true');
    expect((await call('detach_disk', { vmid: 103, disk: 'unused0', delete: true })).result).toBe('deleted');
    expect(volume()).toBeUndefined();
    expect((await call('detach_disk', { vmid: 103, disk: 'scsi2', delete: true })).result).toBe('deleted');
    expect(guestOf(client, 103).config.scsi2).toBeUndefined();
  });

  it('detach_disk of a container: first off, then gone; a running one keeps it until it is down', async () => {
    const client = await toolClient(ONE);
    const { call, refused } = client;
    await call('update_guest', { vmid: 112, disks: [{ size: '2G', path: '/srv' }] });
    await call('update_guest', { vmid: 111, disks: [{ size: '2G', path: '/srv' }] });
    await call('power_guest', { vmid: 111, action: 'reboot' });
    expect((await refused('detach_disk', { vmid: 112, disk: 'mp0', delete: true })).message).toContain(
      'detached first',
    );
    expect((await refused('detach_disk', { vmid: 112, disk: 'rootfs' })).code).toBe('INVALID_ARGUMENTS');
    expect(await call('detach_disk', { vmid: 112, disk: 'mp0' })).toMatchObject({ result: 'detached' });
    expect((await call('detach_disk', { vmid: 112, disk: 'unused0', delete: true })).result).toBe('deleted');
    expect((await call('detach_disk', { vmid: 111, disk: 'mp0' })).result).toBe('pending');
    expect(guestOf(client, 111).pending).toHaveProperty('mp0', null);
    expect((await refused('detach_disk', { vmid: 102, disk: 'scsi0' })).message).toContain('protected');
  });
});
