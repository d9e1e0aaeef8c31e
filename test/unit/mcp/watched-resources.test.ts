import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { parseScopes } from '../../../src/access/principal.ts';
import type { Caller } from '../../../src/mcp/dispatcher.ts';
import { INVALID_PARAMS, ProtocolProblem, RESOURCE_NOT_FOUND } from '../../../src/mcp/protocol-problem.ts';
import type { Essence } from '../../../src/mcp/resource-kinds.ts';
import { SessionWatches } from '../../../src/mcp/session-watches.ts';
import { WatchedResources } from '../../../src/mcp/watched-resources.ts';
import { directoryOf, RecordingCluster } from '../../support/recording-cluster.ts';

const PAUSE = 10_000;
const URI = 'proxmox://a/guests/100';
const directory = directoryOf(new RecordingCluster('a'));

function caller(id: string, more: Partial<Caller['principal']> = {}, of: Partial<Caller> = {}): Caller {
  const scopes = parseScopes('proxmox:read');
  const principal = { id, subject: id, groups: [], scopes, credential: 'jwt:1', ...more };
  return { principal, door: 'sse', directory, ...of };
}

function setUp(perPrincipal = 3) {
  const world: { state: unknown; failure?: unknown; hangs?: boolean } = { state: 'running' };
  const read = vi.fn(
    async (
      ...[, , { signal }]: [string, Caller, { signal: AbortSignal; isRoutine: boolean }]
    ): Promise<Essence> => {
      if (world.hangs) await new Promise((_resolve, reject) => signal.addEventListener('abort', reject));
      if (world.failure) throw world.failure;
      return { state: world.state };
    },
  );
  const sut = new WatchedResources({ read, pauseMs: PAUSE, perPrincipal, clock: () => Date.now() });
  const told = vi.fn<() => void>();
  return { world, read, sut, told };
}

const pass = (ms = PAUSE) => vi.advanceTimersByTimeAsync(ms);
const notThere = () => new ProtocolProblem(RESOURCE_NOT_FOUND, 'gone');
const down = () => new ProtocolProblem(-32603, 'down', { code: 'CLUSTER_UNREACHABLE' });

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('a watch', () => {
  it('tells of each change once, and of nothing while nothing changes', async () => {
    const { world, read, sut, told } = setUp();
    await sut.watch(URI, caller('alice'), told);
    expect(read).toHaveBeenCalledOnce();
    await pass(3 * PAUSE);
    expect(told).not.toHaveBeenCalled();
    world.state = 'stopped';
    await pass(3 * PAUSE);
    expect(told).toHaveBeenCalledOnce();
    // The subscriber's own call counts as one; the others are routine.
    expect(read.mock.calls.map(([, , { isRoutine }]) => isRoutine)).toEqual([false, ...Array(6).fill(true)]);
    world.state = 'running';
    await pass();
    expect(told).toHaveBeenCalledTimes(2);
  });

  it('is one for all sessions of a principal, and asks nothing once the last has left', async () => {
    const { world, read, sut, told } = setUp();
    const other = vi.fn<() => void>();
    const first = await sut.watch(URI, caller('alice'), told);
    const second = await sut.watch(URI, caller('alice'), other);
    expect([sut.size, read.mock.calls.length]).toEqual([1, 1]);
    first();
    first();
    world.state = 'stopped';
    await pass();
    expect([told.mock.calls.length, other.mock.calls.length]).toEqual([0, 1]);
    second();
    const asked = read.mock.calls.length;
    await pass(5 * PAUSE);
    expect([sut.size, read.mock.calls.length]).toEqual([0, asked]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it.each([
    ['another principal', caller('bob')],
    ['other scopes', caller('alice', { scopes: parseScopes('proxmox:change') })],
    ['other groups', caller('alice', { groups: ['ops'] })],
    ['another set of clusters', caller('alice', {}, { directory: directoryOf(new RecordingCluster('a')) })],
    ['fewer toolsets', caller('alice', {}, { toolsets: new Set(['tasks'] as const) })],
  ])('is not shared with %s', async (_what, other) => {
    const { sut, read, told } = setUp();
    await sut.watch(URI, caller('alice'), told);
    await sut.watch(URI, other, told);
    expect(sut.size).toBe(2);
    expect(read.mock.calls.map(([, by]) => by)).toEqual([caller('alice'), other]);
  });

  it('does not overlap with itself, and its look ends with it', async () => {
    const { world, read, sut, told } = setUp();
    const stop = await sut.watch(URI, caller('alice'), told);
    world.hangs = true;
    await pass(5 * PAUSE);
    expect(read).toHaveBeenCalledTimes(2);
    const signal = read.mock.calls[1]?.[2].signal;
    expect(signal?.aborted).toBe(false);
    stop();
    expect(signal?.aborted).toBe(true);
    await pass(5 * PAUSE);
    expect(read).toHaveBeenCalledTimes(2);
  });

  it('outlives a cluster that is down, and tells of what changed meanwhile', async () => {
    const { world, sut, told } = setUp();
    await sut.watch(URI, caller('alice'), told);
    world.failure = down();
    await pass(3 * PAUSE);
    expect(told).not.toHaveBeenCalled();
    world.failure = undefined;
    await pass();
    expect(told).not.toHaveBeenCalled();
    world.state = 'stopped';
    await pass();
    expect(told).toHaveBeenCalledOnce();
  });

  it('begins while the cluster is down, or hangs, and holds what it finds first for no change', async () => {
    const { world, sut, told } = setUp();
    world.failure = down();
    await sut.watch(URI, caller('alice'), told);
    world.failure = undefined;
    await pass();
    expect(told).not.toHaveBeenCalled();
    world.hangs = true;
    const begun = sut.watch(`${URI}1`, caller('alice'), told);
    await pass(6000);
    await begun;
    expect(sut.size).toBe(2);
  });

  it('tells once that what was there is gone, and once that it is back', async () => {
    const { world, sut, told } = setUp();
    await sut.watch(URI, caller('alice'), told);
    world.failure = notThere();
    await pass(3 * PAUSE);
    expect(told).toHaveBeenCalledOnce();
    world.failure = undefined;
    await pass(2 * PAUSE);
    expect(told).toHaveBeenCalledTimes(2);
  });

  it('holds a part that could not be read for unchanged', async () => {
    const { world, sut, told } = setUp();
    await sut.watch(URI, caller('alice'), told);
    world.state = undefined;
    await pass();
    world.state = 'running';
    await pass();
    expect(told).not.toHaveBeenCalled();
  });

  it('is refused for what is not there or not allowed, and leaves nothing behind', async () => {
    const { world, sut, told } = setUp();
    for (const failure of [notThere(), new ProtocolProblem(-32603, 'no', { code: 'POLICY_DENIED' })]) {
      world.failure = failure;
      await expect(sut.watch(URI, caller('alice'), told)).rejects.toBe(failure);
    }
    expect([sut.size, vi.getTimerCount()]).toEqual([0, 0]);
  });

  it('is bounded for each principal', async () => {
    const { sut, told } = setUp(2);
    const [one] = [
      await sut.watch(`${URI}1`, caller('alice'), told),
      await sut.watch(`${URI}2`, caller('alice'), told),
    ];
    await expect(sut.watch(`${URI}3`, caller('alice'), told)).rejects.toMatchObject({ code: INVALID_PARAMS });
    await sut.watch(`${URI}2`, caller('alice'), told);
    await sut.watch(`${URI}3`, caller('bob'), told);
    one();
    await sut.watch(`${URI}3`, caller('alice'), told);
    sut.closeAll();
    expect([sut.size, vi.getTimerCount()]).toEqual([0, 0]);
  });

  it('reads nothing with a credential that has expired, and goes on with a new one', async () => {
    const { world, read, sut, told } = setUp();
    const until = Date.now() / 1000 + 15;
    await sut.watch(URI, caller('alice', { expiresAt: until }), told);
    await pass(5 * PAUSE);
    expect(read).toHaveBeenCalledTimes(2);
    world.state = 'stopped';
    await sut.watch(URI, caller('alice', { expiresAt: until + 1000 }), told);
    await pass();
    expect(read).toHaveBeenCalledTimes(3);
    expect(told).toHaveBeenCalledTimes(2);
  });
});

describe('the watches of a session', () => {
  it('are one for each URI, end one by one, and all with the session', async () => {
    const { sut, read } = setUp();
    const changed = vi.fn<(uri: string) => void>();
    const session = new SessionWatches(sut, changed);
    await Promise.all([session.subscribe(URI, caller('alice')), session.subscribe(URI, caller('alice'))]);
    await session.subscribe(`${URI}1`, caller('alice'));
    expect([sut.size, read.mock.calls.length]).toEqual([2, 2]);
    session.unsubscribe(URI);
    session.unsubscribe('proxmox://unknown');
    await pass(0);
    expect(sut.size).toBe(1);
    session.close();
    await pass(0);
    await session.subscribe(URI, caller('alice'));
    expect([sut.size, vi.getTimerCount()]).toEqual([0, 0]);
  });

  it('go over to a renewed credential without a gap, and tell once', async () => {
    const { world, sut, read } = setUp();
    const changed = vi.fn<(uri: string) => void>();
    const session = new SessionWatches(sut, changed);
    const until = Date.now() / 1000 + 15;
    await session.subscribe(URI, caller('alice', { expiresAt: until }));
    const renewed = caller('alice', {
      credential: 'jwt:2',
      scopes: parseScopes('proxmox:read proxmox:change'),
      expiresAt: until + 1000,
    });
    session.renew(renewed);
    session.renew(renewed);
    await pass(0);
    expect(sut.size).toBe(1);
    world.state = 'stopped';
    await pass(2 * PAUSE);
    expect(changed).toHaveBeenCalledExactlyOnceWith(URI);
    expect(read.mock.calls.at(-1)?.[1]).toBe(renewed);
  });
});
