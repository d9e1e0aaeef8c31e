import { describe, expect, it } from 'vitest';
import { downloadSize } from '../../../src/simulator/methods/storage/files.ts';
import { type ToolClient, toolClient } from '../../support/tool-client.ts';

const ONE = { clusters: ['production'] };
const NODE = { node: 'pve1' };
const URL = 'https://example.org/images/noble.img';

const volume = ({ production }: ToolClient, volid: string, node = 'pve1') =>
  production.state.volumes.find((one) => one.volid === volid && (one.node ?? node) === node);

describe('list_storage_content', () => {
  it('lists, filters, sorts, pages, and names owners', async () => {
    const { call, production, refused } = await toolClient(ONE);
    const all = await call('list_storage_content', { limit: 500 });
    expect(all.total).toBe(all.volumes.length);
    expect(all.total).toBe(production.state.volumes.length);
    const isos = await call('list_storage_content', { content: 'iso' });
    expect(isos.volumes.map((row: { node: string }) => row.node)).toEqual(['pve1', 'pve2', 'pve3']);
    const [iso] = isos.volumes;
    expect(iso).toMatchObject({
      volid: 'local:iso/debian-13.1.0-amd64-netinst.iso',
      storage: 'local',
      age_days: 60,
    });
    const own = await call('list_storage_content', { vmid: 100, content: 'images' });
    expect(own.volumes[0]).toMatchObject({ vmid: 100, guest: 'web-01', storage: 'local-lvm' });
    const sorted = await call('list_storage_content', {
      sort: 'size',
      limit: 2,
      storage: 'local-lvm',
      node: 'pve1',
    });
    expect(sorted.volumes[0].size_bytes).toBeGreaterThanOrEqual(sorted.volumes[1].size_bytes);
    const rest = await call('list_storage_content', {
      ...{ sort: 'size', limit: 500, storage: 'local-lvm', node: 'pve1' },
      cursor: sorted.next_cursor,
    });
    expect(rest.volumes.length + 2).toBe(sorted.total);
    expect((await call('list_storage_content', { name: 'NETINST', ...NODE })).total).toBe(1);
    expect((await call('list_storage_content', { name: 'local:vztmpl/*', ...NODE })).total).toBe(1);
    const error = await refused('list_storage_content', { storage: 'nope' });
    expect(error).toMatchObject({ code: 'NOT_FOUND' });
    expect(error.hint).toContain('local-lvm');
  });

  it('finds orphans, and loses the part alone that can not be read', async () => {
    const client = await toolClient(ONE);
    const { production, call } = client;
    production.state.volumes.push({
      ...{ volid: 'local-lvm:vm-777-disk-0', storage: 'local-lvm', node: 'pve1', content: 'images' },
      ...{ format: 'raw', size: 5, vmid: 777, ctime: 1 },
    });
    const orphans = await call('list_storage_content', { orphans: true });
    expect(orphans.volumes).toMatchObject([{ vmid: 777, guest_exists: false }]);
    production.faults.add({
      kind: 'status',
      code: 500,
      message: 'lvs failed',
      match: /pve2\/storage\/local-lvm/,
    });
    const { unread, note } = await call('list_storage_content', { content: 'images' });
    expect(unread).toMatchObject([{ storage: 'local-lvm', node: 'pve2' }]);
    expect(note).toContain('unread');
  });
});

describe('delete_volume', () => {
  it('deletes what nobody uses', async () => {
    const client = await toolClient(ONE);
    const volid = 'local:iso/debian-13.1.0-amd64-netinst.iso';
    const several = await client.refused('delete_volume', { volid });
    expect(several.hint).toContain('pve1, pve2, pve3');
    const answer = await client.call('delete_volume', { volid, node: 'pve2' });
    expect(answer).toMatchObject({ volid, node: 'pve2', freed_bytes: 783_286_272, task: { status: 'ok' } });
    expect(volume(client, volid, 'pve2')).toBeUndefined();
    expect(volume(client, volid, 'pve1')).toBeDefined();
  });

  it('refuses the disk of a guest, of a snapshot, a base, and what is protected', async () => {
    const client = await toolClient(ONE);
    const { production, refused, writes, call } = client;
    const disk = await refused('delete_volume', { volid: 'local-lvm:vm-100-disk-0' });
    expect(disk).toMatchObject({ code: 'CONFLICT' });
    expect(disk.message).toContain('scsi0 of VM 100 (web-01)');
    const held = [...production.state.guests.values()].find(({ snapshots }) => snapshots.size > 0);
    const [snapshot] = held?.snapshots.values() ?? [];
    const state = { storage: 'local-lvm', content: 'images', format: 'raw', size: 5, ctime: 1 };
    const volid = `local-lvm:vm-${held?.vmid}-disk-8`;
    production.state.volumes.push({ ...state, volid, node: held?.node ?? '', vmid: held?.vmid ?? 0 });
    if (snapshot) snapshot.config.scsi8 = `${volid},size=1G`;
    const inSnapshot = await refused('delete_volume', { volid });
    expect(inSnapshot.message).toContain(`scsi8 in the snapshot ${snapshot?.name}`);
    const base = { ...state, volid: 'local-lvm:base-790-disk-0', node: 'pve1', vmid: 790 };
    const clone = { ...state, volid: 'local-lvm:vm-791-disk-0', node: 'pve1', vmid: 791, parent: base.volid };
    const backup = {
      ...state,
      volid: 'local:backup/vzdump-qemu-100-x.vma',
      storage: 'local',
      content: 'backup',
    };
    production.state.volumes.push(base, clone, { ...backup, node: 'pve1', vmid: 100, protected: true });
    expect((await refused('delete_volume', { volid: base.volid })).message).toContain(clone.volid);
    expect((await refused('delete_volume', { volid: backup.volid })).message).toContain('is protected');
    expect(await refused('delete_volume', { volid: 'local-lvm:vm-1-x' })).toMatchObject({
      code: 'NOT_FOUND',
    });
    expect(await refused('delete_volume', { volid: '/etc/passwd' })).toMatchObject({
      code: 'INVALID_ARGUMENTS',
    });
    expect(writes()).toEqual([]);
    await call('delete_volume', { volid: clone.volid });
    expect(volume(client, clone.volid)).toBeUndefined();
  });
});

it('delete_volume keeps the disk of a guest that the token may not see', async () => {
  const client = await toolClient(ONE);
  const { production, refused, writes } = client;
  // The guest is there, and the list leaves it out.
  production.faults.add({
    kind: 'status',
    code: 400,
    message: 'VM 888 already exists on node pve2',
    match: /GET \/cluster\/nextid/,
  });
  const lost = { storage: 'local-lvm', content: 'images', format: 'raw', size: 5, ctime: 1 };
  production.state.volumes.push({ ...lost, volid: 'local-lvm:vm-888-disk-0', node: 'pve1', vmid: 888 });
  const error = await refused('delete_volume', { volid: 'local-lvm:vm-888-disk-0' });
  expect(error).toMatchObject({ code: 'CONFLICT' });
  expect(error.message).toContain('guest 888, which the token of this service may not see');
  expect(writes()).toEqual([]);
});

describe('import_disk', () => {
  it('copies an image into a new disk of a VM', async () => {
    const client = await toolClient(ONE);
    await client.call('download_to_storage', { url: URL, content: 'import', ...NODE });
    const args = { name: 'web-01', source: 'local:import/noble.qcow2', storage: 'local-lvm' };
    const answer = await client.call('import_disk', args);
    expect(answer).toMatchObject({ guest: { vmid: 100 }, disk: 'scsi1', task: { status: 'ok' } });
    const guest = client.production.state.guests.get(100);
    expect(String(guest?.config.scsi1)).toContain(answer.volume);
    expect(volume(client, answer.volume)).toMatchObject({ vmid: 100, size: downloadSize(URL) });
    expect(await client.refused('import_disk', { ...args, disk: 'scsi1' })).toMatchObject({
      code: 'CONFLICT',
    });
  });

  it('refuses what is no disk image, what is not there, and containers; a path is for root', async () => {
    const { refused, writes, production } = await toolClient(ONE);
    const args = { vmid: 100, storage: 'local-lvm' };
    const iso = await refused('import_disk', {
      ...args,
      source: 'local:iso/debian-13.1.0-amd64-netinst.iso',
    });
    expect(iso.message).toContain('no disk image');
    const gone = await refused('import_disk', { ...args, source: 'local:import/none.qcow2' });
    expect(gone).toMatchObject({ code: 'NOT_FOUND' });
    const container = [...production.state.guests.values()].find(({ type }) => type === 'lxc');
    const wrong = await refused('import_disk', { vmid: container?.vmid, source: 'local:import/x.qcow2' });
    expect(wrong).toMatchObject({ code: 'INVALID_ARGUMENTS' });
    expect(writes()).toEqual([]);
    const path = await refused('import_disk', { ...args, source: '/var/tmp/disk.raw' });
    expect(path).toMatchObject({ code: 'PERMISSION_DENIED' });
    expect(production.state.guests.get(100)?.config).not.toHaveProperty('scsi1');
  });
});
