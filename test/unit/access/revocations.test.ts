import { join } from 'node:path';
import { StatementSync } from 'node:sqlite';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { Revocations } from '../../../src/access/revocations.ts';
import { openState } from '../../../src/access/state.ts';
import { folderWith } from '../../support/config-folder.ts';

const NOW = 1_800_000_000;

function opened(path?: string) {
  const state = openState(path);
  onTestFinished(() => state.close());
  return new Revocations(state, () => NOW * 1000 + 500);
}

const alice = { credential: 'jwt:a', subject: 'alice', issuedAt: NOW - 10 };

describe('Revocations', () => {
  it('refuse one credential, and no other', async () => {
    const revocations = opened();
    expect(revocations.isRevoked(alice)).toBe(false);
    await revocations.revoke({ credential: 'jwt:a' });
    expect(revocations.isRevoked(alice)).toBe(true);
    expect(revocations.isRevoked({ ...alice, issuedAt: NOW + 100 })).toBe(true);
    expect(revocations.isRevoked({ ...alice, credential: 'jwt:b' })).toBe(false);
    expect(revocations.isRevoked({ ...alice, credential: 'key:a' })).toBe(false);
  });

  it.each([{ subject: 'alice' }, { all: true as const }])(
    '%j refuses what exists, and not what comes later',
    async (what) => {
      const revocations = opened();
      await revocations.revoke(what);
      expect(revocations.isRevoked(alice)).toBe(true);
      expect(revocations.isRevoked({ ...alice, issuedAt: NOW })).toBe(true);
      // A credential that does not say when it was issued may be an old one.
      expect(revocations.isRevoked({ credential: 'jwt:x', subject: 'alice' })).toBe(true);
      const next = revocations.firstValidSecond('alice');
      expect(next).toBe(NOW + 1);
      expect(revocations.isRevoked({ ...alice, issuedAt: next })).toBe(false);
      expect(revocations.isRevoked({ ...alice, subject: 'bob' })).toBe('all' in what);
      expect(revocations.firstValidSecond('bob')).toBe('all' in what ? NOW + 1 : NOW);
    },
  );

  it.each([{ subject: 'alice' }, { all: true as const }])(
    'cover what was issued between two of them in one second: %j',
    async (what) => {
      const revocations = opened();
      for (let round = 0; round < 3; round++) {
        const issuedAt = revocations.firstValidSecond('alice');
        expect(revocations.isRevoked({ ...alice, issuedAt })).toBe(false);
        await revocations.revoke(round === 1 ? { subject: 'alice' } : what);
        expect(revocations.isRevoked({ ...alice, issuedAt })).toBe(true);
      }
    },
  );

  it('never take an earlier revocation back', async () => {
    const state = openState(undefined);
    await new Revocations(state, () => NOW * 1000).revoke({ subject: 'alice' });
    const earlier = new Revocations(state, () => (NOW - 100) * 1000);
    await earlier.revoke({ subject: 'alice' });
    expect(earlier.isRevoked({ ...alice, issuedAt: NOW })).toBe(true);
  });

  it('take names as they are', async () => {
    const revocations = opened();
    await revocations.revoke({ subject: "' OR 1=1 --" });
    expect(revocations.isRevoked(alice)).toBe(false);
    await revocations.revoke({ subject: '' });
    await revocations.revoke({ credential: '' });
    expect(revocations.isRevoked(alice)).toBe(false);
  });

  it('tell of their own revocations at once, and of another process’s with the next poll', async () => {
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
    const poll = () => vi.advanceTimersByTime(1000);
    const path = join(folderWith(), 'state.db');
    const [service, command] = [opened(path), opened(path)];
    const heard = vi.fn();
    const stop = service.onChange(heard);
    poll();
    expect(heard).not.toHaveBeenCalled();
    await service.revoke({ credential: 'jwt:1' });
    expect(heard).toHaveBeenCalledTimes(1);
    await command.revoke({ credential: 'jwt:a' });
    // The request path does not wait for the poll.
    expect(service.isRevoked(alice)).toBe(true);
    poll();
    poll();
    expect(heard).toHaveBeenCalledTimes(2);
    stop();
    await command.revoke({ credential: 'jwt:2' });
    poll();
    expect(heard).toHaveBeenCalledTimes(2);
  });

  it('remember what was good for as long as nobody has written, and no write of this process longer', async () => {
    const path = join(folderWith(), 'state.db');
    const [service, command] = [opened(path), opened(path)];
    const reads = vi.spyOn(StatementSync.prototype, 'get');
    onTestFinished(() => reads.mockRestore());
    expect([service.isRevoked(alice), service.isRevoked(alice), service.isRevokedSince(alice)]).toEqual(
      Array(3).fill(false),
    );
    // The rows once, and twice whether they have changed.
    expect(reads).toHaveBeenCalledTimes(3);
    await service.revoke({ credential: 'jwt:other' });
    await service.revoke({ credential: 'jwt:a' });
    expect(service.isRevokedSince(alice)).toBe(true);
    const bob = { credential: 'jwt:b', subject: 'bob', issuedAt: NOW - 10 };
    expect(service.isRevoked(bob)).toBe(false);
    await command.revoke({ subject: 'bob' });
    // Nobody has looked since: as for all that is open, it counts once somebody has.
    expect(service.isRevokedSince(bob)).toBe(false);
    expect(service.isRevoked({ ...bob, subject: 'carol' })).toBe(false);
    expect(service.isRevokedSince(bob)).toBe(true);
  });

  it('look by themselves each second, once for all who listen, and for nobody not at all', async () => {
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
    const path = join(folderWith(), 'state.db');
    const [service, command] = [opened(path), opened(path)];
    const [one, two] = [vi.fn(), vi.fn()];
    const ends = [service.onChange(one), service.onChange(two)];
    expect(vi.getTimerCount()).toBe(1);
    await command.revoke({ credential: 'jwt:1' });
    vi.advanceTimersByTime(999);
    expect(one).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect([one, two].map(({ mock }) => mock.calls.length)).toEqual([1, 1]);
    ends[0]?.();
    await command.revoke({ credential: 'jwt:2' });
    vi.advanceTimersByTime(1000);
    expect([one, two].map(({ mock }) => mock.calls.length)).toEqual([1, 2]);
    ends[1]?.();
    expect(vi.getTimerCount()).toBe(0);
    // What was revoked while nobody listened is no news to who listens next.
    await command.revoke({ credential: 'jwt:3' });
    service.onChange(one)();
    const last = service.onChange(two);
    vi.advanceTimersByTime(5000);
    expect([one, two].map(({ mock }) => mock.calls.length)).toEqual([1, 2]);
    last();
  });

  it('keep no process alive', () => {
    const unref = vi.spyOn(Object.getPrototypeOf(setInterval(() => undefined, 1e6).unref()), 'unref');
    onTestFinished(() => unref.mockRestore());
    opened().onChange(() => undefined)();
    expect(unref).toHaveBeenCalledTimes(1);
  });

  it('have what is open judged again where the state can not be read, once', () => {
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
    const state = openState(undefined);
    const revocations = new Revocations(state);
    const heard = vi.fn();
    const stop = revocations.onChange(heard);
    state.close();
    vi.advanceTimersByTime(2000);
    expect(heard).toHaveBeenCalledTimes(1);
    stop();
  });

  it('fail where the state can not be read', () => {
    const state = openState(undefined);
    const revocations = new Revocations(state);
    state.close();
    expect(() => revocations.isRevoked(alice)).toThrow();
  });
});
