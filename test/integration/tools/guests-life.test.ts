import { describe, expect, it } from 'vitest';
import { type ToolClient, toolClient } from '../../support/tool-client.ts';

const ONE = { clusters: ['production'], config: { defaultNode: 'pve2', defaultStorage: 'local-lvm' } };

const guestOf = ({ production }: ToolClient, vmid: number) => {
  const guest = production.state.guests.get(vmid);
  if (!guest) throw new Error(`no guest ${vmid}`);
  return guest;
};

describe('clone_guest, convert_to_template, delete_guest', () => {
  it('clones a template linked, a guest in full, and a snapshot', async () => {
    const client = await toolClient(ONE);
    const { call, refused } = client;
    const linked = await call('clone_guest', { name: 'debian-13-base', new_name: 'copy-1' });
    expect(linked.clone).toMatchObject({ name: 'copy-1', node: 'pve1', linked: true });
    const volid = String(guestOf(client, linked.clone.vmid).config.scsi0).split(',')[0];
    expect(client.production.state.volumes.find((one) => one.volid === volid)?.parent).toBeDefined();
    const full = await call('clone_guest', { vmid: 9000, new_name: 'copy-2', storage: 'nas', new_vmid: 700 });
    expect(full.clone).toMatchObject({ vmid: 700, linked: false });
    expect(guestOf(client, 700).config.scsi0).toMatch(/^nas:/);
    await call('clone_guest', { vmid: 100, new_name: 'copy-3', snapshot: 'installed', new_vmid: 701 });
    expect(client.writes().at(-1)?.params).toMatchObject({ full: '1', snapname: 'installed' });
    expect(guestOf(client, 701).config.name).toBe('copy-3');
    expect((await refused('clone_guest', { vmid: 100, new_name: 'copy-4', full: false })).message).toContain(
      'template',
    );
    expect(
      (await refused('clone_guest', { vmid: 9000, new_name: 'copy-4', full: false, storage: 'nas' })).code,
    ).toBe('INVALID_ARGUMENTS');
    expect((await refused('clone_guest', { vmid: 9000, new_name: 'web-01' })).code).toBe('CONFLICT');
    expect((await refused('clone_guest', { vmid: 112, new_name: 'copy-4', format: 'raw' })).code).toBe(
      'INVALID_ARGUMENTS',
    );
    expect(client.writes()).toHaveLength(3);
  });

  it('makes a template once it can', async () => {
    const client = await toolClient(ONE);
    const { call, refused, writes } = client;
    expect(await refused('convert_to_template', { vmid: 101 })).toMatchObject({
      code: 'CONFLICT',
      hint: expect.stringContaining('power_guest'),
    });
    await call('power_guest', { vmid: 100, action: 'stop' });
    expect((await refused('convert_to_template', { vmid: 100 })).message).toContain('snapshots');
    await call('convert_to_template', { name: 'build-01' });
    expect(guestOf(client, 103).config.template).toBe(1);
    await call('convert_to_template', { vmid: 112 });
    expect(guestOf(client, 112).config.template).toBe(1);
    expect((await call('convert_to_template', { vmid: 103 })).note).toContain('already');
    expect(writes()).toHaveLength(3);
  });

  it('deletes a guest that is down, and no other', async () => {
    const client = await toolClient(ONE);
    const { call, refused, writes, production } = client;
    const running = await refused('delete_guest', { vmid: 100 });
    expect(running).toMatchObject({ code: 'CONFLICT', message: expect.stringContaining('is running') });
    expect((await refused('delete_guest', { vmid: 102 })).message).toContain('protected');
    production.state.datacenter.ha.resources['vm:103'] = {
      sid: 'vm:103',
      type: 'vm',
      state: 'stopped',
    } as never;
    expect((await refused('delete_guest', { vmid: 103 })).hint).toContain('purge');
    expect(writes()).toEqual([]);
    await call('delete_guest', { name: 'build-01', purge: true, unreferenced_disks: true });
    expect(production.state.guests.has(103)).toBe(false);
    expect(writes()[0]?.params).toMatchObject({ purge: '1', 'destroy-unreferenced-disks': '1' });
    await call('delete_guest', { vmid: 112 });
    expect(production.state.guests.has(112)).toBe(false);
    expect(production.state.volumes.some(({ vmid, content }) => vmid === 112 && content === 'backup')).toBe(
      true,
    );
  });
});
