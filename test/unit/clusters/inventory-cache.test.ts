import { pino } from 'pino';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { InventoryCache } from '../../../src/clusters/inventory-cache.ts';
import type { ProxmoxCall } from '../../../src/proxmox/call.ts';
import { CallError } from '../../../src/proxmox/errors.ts';
import { failureOf } from '../../support/engine-fixtures.ts';

type Row = Record<string, unknown>;

const WEB: Row = {
  id: 'qemu/100',
  type: 'qemu',
  vmid: 100,
  node: 'pve1',
  name: 'Web-01',
  status: 'running',
  template: 0,
  cpu: 0.5,
  maxcpu: 4,
  mem: 1024,
  maxmem: '4096',
  disk: 0,
  maxdisk: 10,
  uptime: 60,
  pool: 'web',
  tags: 'Prod;web',
  lock: 'backup',
  hastate: 'started',
  netin: 5,
};
const NAMELESS: Row = { id: 'lxc/200', type: 'lxc', vmid: 200, node: 'pve2', status: 'unknown' };
const NODE: Row = { id: 'node/pve1', type: 'node', node: 'pve1', status: 'online', cpu: 0.1, maxcpu: 8 };
const STORAGE: Row = {
  id: 'storage/pve1/nas',
  type: 'storage',
  storage: 'nas',
  node: 'pve1',
  status: 'available',
  plugintype: 'nfs',
  shared: 1,
  content: 'backup,images',
  disk: 10,
  maxdisk: 100,
};
const POOL: Row = { id: '/pool/web', type: 'pool', pool: 'web' };

function start(rows: readonly unknown[] = [WEB, NAMELESS, NODE, STORAGE, POOL]) {
  const state = {
    rows,
    now: 1_000_000,
    calls: [] as ProxmoxCall[],
    lines: [] as Row[],
    answer: async (_call: ProxmoxCall): Promise<unknown> => structuredClone(state.rows),
  };
  const sut = new InventoryCache({
    cluster: 'production',
    send: async (call) => {
      state.calls.push(call);
      return { data: await state.answer(call), endpoint: 'pve1:8006' };
    },
    permissions: async () => ({ '/': { 'Datastore.Allocate': 1 } }),
    clock: { now: () => state.now },
    logger: pino({ level: 'debug' }, { write: (line: string) => void state.lines.push(JSON.parse(line)) }),
  });
  return { sut, state };
}

describe('rows', () => {
  it('are sorted by kind, named, and say nothing that Proxmox did not tell', async () => {
    const { guests, nodes, storages, rows, asOf } = await start().sut.get();
    expect(guests).toEqual([
      {
        id: 'qemu/100',
        type: 'qemu',
        vmid: 100,
        node: 'pve1',
        name: 'Web-01',
        nameLower: 'web-01',
        status: 'running',
        template: false,
        cpuFraction: 0.5,
        cpus: 4,
        memBytes: 1024,
        maxMemBytes: 4096,
        diskBytes: 0,
        maxDiskBytes: 10,
        uptimeSeconds: 60,
        pool: 'web',
        tags: ['prod', 'web'],
        lock: 'backup',
        haState: 'started',
      },
      { id: 'lxc/200', type: 'lxc', vmid: 200, node: 'pve2', status: 'unknown', template: false, tags: [] },
    ]);
    expect(nodes).toEqual([{ node: 'pve1', status: 'online', cpuFraction: 0.1, cpus: 8 }]);
    expect(storages).toEqual([
      {
        id: 'storage/pve1/nas',
        storage: 'nas',
        node: 'pve1',
        status: 'available',
        pluginType: 'nfs',
        shared: true,
        content: ['backup', 'images'],
        usedBytes: 10,
        totalBytes: 100,
      },
    ]);
    expect(rows).toEqual([WEB, NAMELESS, NODE, STORAGE, POOL]);
    expect(asOf).toBe(1_000_000);
  });

  it('that did not change stay the same objects; those that did, came or went do not', async () => {
    const { sut, state } = start();
    const first = await sut.get();
    const added = { ...NAMELESS, id: 'lxc/201', vmid: 201 };
    state.rows = [added, { ...WEB, status: 'stopped' }, NODE, STORAGE, POOL];
    const second = await sut.get({ fresh: true });
    expect(second.nodes[0]).toBe(first.nodes[0]);
    expect(second.storages[0]).toBe(first.storages[0]);
    expect(second.rows.find(({ id }) => id === '/pool/web')).toBe(
      first.rows.find(({ id }) => id === '/pool/web'),
    );
    expect(second.guests.map(({ vmid, status }) => [vmid, status])).toEqual([
      [201, 'unknown'],
      [100, 'stopped'],
    ]);
    expect(first.guests[0]).toMatchObject({ vmid: 100, status: 'running' });
    expect(state.lines.at(-1)).toMatchObject({ added: 1, changed: 1, removed: 1, rows: 5 });
  });

  it('a member that is gone is a change', async () => {
    const { sut, state } = start();
    await sut.get();
    const { lock: _lock, ...unlocked } = WEB;
    state.rows = [unlocked];
    expect((await sut.get({ fresh: true })).guests[0]).toHaveProperty('lock', undefined);
  });

  it('nonsense among them costs itself alone', async () => {
    const { sut } = start([
      null,
      7,
      'x',
      [],
      { type: 'qemu' },
      { id: 'qemu/1', type: 'qemu', vmid: 'x' },
      WEB,
    ]);
    const { guests } = await sut.get();
    expect(guests.map(({ vmid }) => vmid)).toEqual([100]);
  });
});

describe('asking', () => {
  it('is done once for many, by one GET', async () => {
    const { sut, state } = start();
    await Promise.all(Array.from({ length: 50 }, () => sut.get()));
    await sut.get();
    expect(state.calls.map(({ method, path }) => `${method} ${path}`)).toEqual(['GET /cluster/resources']);
    expect(state.calls[0]?.deadlineMs).toBeLessThanOrEqual(20_000);
  });

  it('is done anew after ten seconds, and `as_of` is when it was done', async () => {
    const { sut, state } = start();
    await sut.get();
    state.now += 9_999;
    expect((await sut.get()).asOf).toBe(1_000_000);
    state.now += 1;
    expect((await sut.get()).asOf).toBe(1_010_000);
    expect(state.calls).toHaveLength(2);
  });

  it('is done anew for who wants it fresh', async () => {
    const { sut, state } = start();
    await sut.get();
    await sut.get({ fresh: true });
    expect(state.calls).toHaveLength(2);
  });

  it('a write makes what is kept stale, and for half a minute an answer is kept two seconds', async () => {
    const { sut, state } = start();
    await sut.get();
    sut.changed();
    await sut.get();
    expect(state.calls).toHaveLength(2);
    state.now += 1_999;
    await sut.get();
    expect(state.calls).toHaveLength(2);
    state.now += 1;
    await sut.get();
    expect(state.calls).toHaveLength(3);
    state.now += 28_000;
    await sut.get();
    state.now += 9_999;
    await sut.get();
    expect(state.calls).toHaveLength(4);
  });

  it('a question begun before a write answers nobody who asks after it', async () => {
    const { sut, state } = start();
    const { promise, resolve } = Promise.withResolvers<unknown>();
    state.answer = () => promise;
    const before = sut.get();
    sut.changed();
    const after = sut.get();
    state.answer = async () => [{ ...WEB, status: 'stopped' }];
    resolve([WEB]);
    expect((await before).guests[0]?.status).toBe('running');
    expect((await after).guests[0]?.status).toBe('stopped');
    expect((await sut.get()).guests[0]?.status).toBe('stopped');
  });

  it('a failure is told to all who wait, and not kept', async () => {
    const { sut, state } = start();
    const refused = new CallError('UPSTREAM_AUTH', 'no', { hint: 'x', cluster: 'production' });
    state.answer = async () => Promise.reject(refused);
    const outcomes = await Promise.allSettled([sut.get(), sut.get()]);
    expect(outcomes).toEqual([
      { status: 'rejected', reason: refused },
      { status: 'rejected', reason: refused },
    ]);
    state.answer = async () => [WEB];
    expect((await sut.get()).guests).toHaveLength(1);
    expect(state.calls).toHaveLength(2);
  });

  it.each([[null], [{}], ['text']])(
    'an answer that is no list (%j) is an error, not an empty cluster',
    async (data) => {
      const { sut, state } = start();
      state.answer = async () => data;
      expect(await failureOf(sut.get())).toMatchObject({ code: 'UPSTREAM_ERROR', cluster: 'production' });
    },
  );

  it('who cancels stops waiting; the others do not', async () => {
    const { sut, state } = start();
    const { promise, resolve } = Promise.withResolvers<unknown>();
    state.answer = () => promise;
    const caller = new AbortController();
    const [gone, stays] = [sut.get({ signal: caller.signal }), sut.get()];
    caller.abort(new Error('cancelled'));
    await expect(gone).rejects.toThrow('cancelled');
    resolve([WEB]);
    expect((await stays).guests).toHaveLength(1);
  });
});

describe('a cluster that just did not answer', () => {
  const unreachable = new CallError('CLUSTER_UNREACHABLE', 'It is down.', {
    hint: 'x',
    cluster: 'production',
  });

  async function down() {
    const { sut, state } = start();
    state.answer = async () => Promise.reject(unreachable);
    await failureOf(sut.get());
    const { promise, resolve } = Promise.withResolvers<unknown>();
    state.answer = () => promise;
    return { sut, state, resolve };
  }

  it('is asked again, and waited for a short while alone', async () => {
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
    const { sut, state, resolve } = await down();
    const outcomes = Promise.allSettled([sut.get(), sut.get(), sut.get({ fresh: true })]);
    await vi.advanceTimersByTimeAsync(3_000);
    for (const outcome of await outcomes) expect(outcome).toMatchObject({ reason: unreachable });
    expect(state.calls).toHaveLength(2);
    resolve([WEB]);
    await vi.advanceTimersByTimeAsync(0);
    expect((await sut.get()).guests).toHaveLength(1);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('answers as ever once it is back', async () => {
    const { sut, resolve } = await down();
    const answer = sut.get();
    resolve([WEB]);
    expect((await answer).guests).toHaveLength(1);
  });
});
