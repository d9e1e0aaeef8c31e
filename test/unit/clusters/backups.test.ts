import { describe, expect, it } from 'vitest';
import { readBackups } from '../../../src/clusters/backups.ts';
import type { GuestRow, Inventory, StorageRow } from '../../../src/clusters/inventory.ts';
import type { ProxmoxCall } from '../../../src/proxmox/call.ts';
import { CallError } from '../../../src/proxmox/errors.ts';

const ALL = { '/': { 'Datastore.Allocate': 1 } };

function storage(node: string, name: string, more: Partial<StorageRow> = {}): StorageRow {
  return {
    id: `storage/${node}/${name}`,
    storage: name,
    node,
    status: 'available',
    shared: false,
    content: ['backup', 'iso'],
    ...more,
  };
}

function guest(vmid: number): GuestRow {
  return {
    id: `qemu/${vmid}`,
    type: 'qemu',
    vmid,
    node: 'pve1',
    status: 'running',
    template: false,
    tags: [],
  };
}

function inventory(storages: StorageRow[], vmids: number[] = []): Inventory {
  return { storages, guests: vmids.map(guest), nodes: [], rows: [], asOf: 0 };
}

/** Answers by path; keeps what was asked. */
function answering(contents: Record<string, unknown>) {
  const calls: ProxmoxCall[] = [];
  const send = async (call: ProxmoxCall) => {
    calls.push(call);
    const data = contents[String(call.path)];
    if (data instanceof Error) throw data;
    return { data: data ?? [], endpoint: 'pve1:8006' };
  };
  return { calls, send };
}

describe('the newest backups', () => {
  it('are those of all storages for backups: shared ones read once, local ones on each node', async () => {
    const { calls, send } = answering({
      '/nodes/pve2/storage/nas/content': [
        { volid: 'nas:backup/a', ctime: 100, vmid: 100 },
        { volid: 'nas:backup/b', ctime: 300, vmid: 100 },
      ],
      '/nodes/pve1/storage/local/content': [{ volid: 'local:backup/c', ctime: 200, vmid: 100 }],
      '/nodes/pve2/storage/local/content': [
        { volid: 'local:backup/d', ctime: '50', vmid: '101' },
        { volid: 'local:backup/e', ctime: 50 },
        { volid: 'local:backup/f', vmid: 103 },
        null,
      ],
    });
    const { newest, unread, hidden } = await readBackups(
      inventory([
        storage('pve1', 'nas', { shared: true, status: 'unknown' }),
        storage('pve2', 'nas', { shared: true }),
        storage('pve3', 'nas', { shared: true }),
        storage('pve1', 'local'),
        storage('pve2', 'local'),
        storage('pve1', 'lvm', { content: ['images'] }),
      ]),
      ALL,
      send,
    );
    expect([...newest]).toEqual(
      expect.arrayContaining([
        [100, 300_000],
        [101, 50_000],
      ]),
    );
    expect(newest.size).toBe(2);
    expect(unread).toEqual([]);
    expect(hidden?.size).toBe(0);
    expect(calls.map(({ path, parameters }) => [String(path), parameters])).toEqual(
      ['/nodes/pve2/storage/nas', '/nodes/pve1/storage/local', '/nodes/pve2/storage/local'].map((path) => [
        `${path}/content`,
        { content: 'backup' },
      ]),
    );
  });

  it('say which storages could not be read, and why', async () => {
    const { send, calls } = answering({
      '/nodes/pve1/storage/nas/content': new CallError('UPSTREAM_ERROR', 'mount is gone', { hint: 'x' }),
      '/nodes/pve1/storage/local/content': [{ ctime: 1, vmid: 100 }],
      '/nodes/pve3/storage/odd/content': { not: 'a list' },
    });
    const { newest, unread } = await readBackups(
      inventory([
        storage('pve1', 'nas', { shared: true }),
        storage('pve1', 'local'),
        storage('pve2', 'local', { status: 'unknown' }),
        storage('pve3', 'odd'),
      ]),
      ALL,
      send,
    );
    expect([...newest]).toEqual([[100, 1000]]);
    expect(unread).toEqual(
      expect.arrayContaining([
        { storage: 'nas', node: 'pve1', problem: 'UPSTREAM_ERROR: mount is gone' },
        { storage: 'local', node: 'pve2', problem: 'The storage is unknown.' },
        { storage: 'odd', node: 'pve3', problem: expect.stringContaining('INTERNAL') },
      ]),
    );
    expect(unread).toHaveLength(3);
    expect(calls.some(({ path }) => String(path).includes('pve2'))).toBe(false);
  });

  it('of a token that Proxmox shows none are unread or hidden, not missing', async () => {
    const { send, calls } = answering({ '/nodes/pve1/storage/nas/content': [{ ctime: 1, vmid: 100 }] });
    const { newest, unread, hidden } = await readBackups(
      inventory([storage('pve1', 'nas'), storage('pve1', 'vault')], [100, 101]),
      {
        '/': { 'Datastore.Audit': 1, 'VM.Audit': 1 },
        '/storage/nas': { 'Datastore.AllocateSpace': 1 },
        '/vms/100': { 'VM.Backup': 1 },
      },
      send,
    );
    expect(unread).toEqual([
      { storage: 'vault', node: 'pve1', problem: expect.stringContaining('Datastore.AllocateSpace') },
    ]);
    expect([...newest.keys()]).toEqual([100]);
    expect([...(hidden ?? [])]).toEqual([101]);
    expect(calls).toHaveLength(1);
  });

  it('are asked for four at a time', async () => {
    let [running, most] = [0, 0];
    const send = async () => {
      most = Math.max(most, ++running);
      await new Promise((resolve) => setImmediate(resolve));
      running--;
      return { data: [], endpoint: 'x' };
    };
    const storages = Array.from({ length: 20 }, (_none, index) => storage(`pve${index}`, 'local'));
    await readBackups(inventory(storages), ALL, send);
    expect(most).toBe(4);
  });
});
