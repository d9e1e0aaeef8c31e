import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { ScheduleBook } from '../../../../src/access/schedules/book.ts';
import type { WantedSchedule } from '../../../../src/access/schedules/schedule.ts';
import { openState, type State } from '../../../../src/access/state.ts';
import { principal } from '../../../support/approvals.ts';

const TOOL = 'replicate';
const alice = principal('alice', ['proxmox:change', 'proxmox:destroy'], {
  groups: ['ops'],
  client: 'desk',
  credential: 'jwt:one',
  issuedAt: 1_700_000_000,
});
const bob = principal('bob');

function wanted(changes: Partial<WantedSchedule> = {}): WantedSchedule {
  return {
    tool: TOOL,
    name: 'web',
    input: { vmid: 100 },
    timing: { everyMinutes: 60 },
    standing: { by: 'alice', number: 3, kind: 'self', bindings: ['digest'] },
    dueAt: 1000,
    ...changes,
  };
}

function opened(path?: string): { state: State; book: ScheduleBook } {
  const state = openState(path);
  onTestFinished(() => state.close());
  return { state, book: new ScheduleBook(state, () => 5000) };
}

function file(): string {
  const folder = mkdtempSync(join(tmpdir(), 'schedules-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return join(folder, 'state.db');
}

describe('what is saved', () => {
  it('is there after a restart as it was, with who saved it', async () => {
    const path = file();
    const first = opened(path);
    await first.book.of(alice, false).save(wanted());
    first.state.close();
    const { book } = opened(path);
    expect(book.of(alice, false).isKept).toBe(true);
    const found = book.of(alice, false).find(TOOL, 'web');
    expect(found).toMatchObject({ ...wanted(), isEnabled: true, memory: {} });
    expect(found?.principal).toEqual(alice);
    expect(found?.principal.scopes).toBeInstanceOf(Set);
  });

  it('is of its principal alone, and names are free for each', async () => {
    const { book } = opened();
    await book.of(alice, false).save(wanted());
    expect(book.of(bob, false).list(TOOL)).toEqual([]);
    expect(book.of(bob, false).find(TOOL, 'web')).toBeUndefined();
    await book.of(bob, false).save(wanted({ input: { vmid: 200 } }));
    expect(book.of(alice, false).find(TOOL, 'web')?.input).toEqual({ vmid: 100 });
    expect(book.of(alice, false).list('another tool')).toEqual([]);
  });

  it('is changed under its name: what it remembers stays, the credential is that of the change', async () => {
    const { book } = opened();
    const schedules = book.of(alice, false);
    const first = await schedules.save(wanted());
    await schedules.remember(first, { replicas: [901] });
    await schedules.disable(first);
    const changed = await book
      .of({ ...alice, credential: 'jwt:two' }, false)
      .save(wanted({ timing: { dailyAt: '02:30' }, dueAt: 9000 }));
    expect(changed).toMatchObject({
      id: first.id,
      isEnabled: true,
      timing: { dailyAt: '02:30' },
      dueAt: 9000,
      memory: { replicas: [901] },
      principal: { credential: 'jwt:two' },
    });
  });

  it('keeps how it ended last, cut to what one reads', async () => {
    const { book } = opened();
    const saved = await book.of(alice, false).save(wanted());
    await book.of(alice, false).ended(saved, { isOk: false, text: 'x'.repeat(5000) });
    expect(book.of(alice, false).find(TOOL, 'web')?.last).toEqual({
      at: 5000,
      isOk: false,
      text: 'x'.repeat(1000),
    });
  });

  it('is changed by no call that only reads', async () => {
    const { book } = opened();
    const saved = await book.of(alice, false).save(wanted());
    const reading = book.of(alice, true);
    for (const act of [
      () => reading.save(wanted({ dueAt: 1 })),
      () => reading.disable(saved),
      () => reading.remove(saved),
    ])
      await expect(act()).rejects.toThrow(
        expect.objectContaining({
          code: 'POLICY_DENIED',
          message: 'Only reads are allowed; nothing was changed.',
          hint: 'Read instead, or ask the operator to lift the restriction.',
        }),
      );
    expect(reading.list(TOOL)).toEqual([saved]);
  });
});

describe('what is due', () => {
  const LEASE = 20_000;

  it('is taken once, at its time, the longest due first', async () => {
    const { book } = opened();
    const schedules = book.of(alice, false);
    await schedules.save(wanted({ name: 'late', dueAt: 2000 }));
    await schedules.save(wanted({ name: 'early', dueAt: 1000 }));
    await schedules.save(wanted({ name: 'not yet', dueAt: 9000 }));
    const claim = async (now: number) => (await book.store.claim('one', now, now + LEASE))?.name;
    expect(await claim(999)).toBeUndefined();
    expect([await claim(3000), await claim(3000), await claim(3000)]).toEqual(['early', 'late', undefined]);
  });

  it('is not taken while it is off, nor once it was removed', async () => {
    const { book } = opened();
    const schedules = book.of(alice, false);
    await schedules.disable(await schedules.save(wanted()));
    expect(await book.store.claim('one', 5000, 9000)).toBeUndefined();
    await schedules.remove(await schedules.save(wanted()));
    expect(await book.store.claim('one', 5000, 9000)).toBeUndefined();
  });

  it('is taken by one of two processes, and by the other one only where the first says nothing more', async () => {
    const path = file();
    const [one, two] = [opened(path).book, opened(path).book];
    const saved = await one.of(alice, false).save(wanted());
    expect((await one.store.claim('one', 1000, 1000 + LEASE))?.id).toBe(saved.id);
    expect(await two.store.claim('two', 2000, 2000 + LEASE)).toBeUndefined();
    await one.store.renew('one', 15_000 + LEASE);
    expect(await two.store.claim('two', 22_000, 22_000 + LEASE)).toBeUndefined();
    expect((await two.store.claim('two', 35_000, 35_000 + LEASE))?.id).toBe(saved.id);
    // The first one comes back, and has nothing to give back any more.
    await one.store.release(saved, 'one', 99_000);
    expect(two.of(alice, false).find(TOOL, 'web')?.dueAt).toBe(1000);
    await two.store.release(saved, 'two', 61_000);
    expect(one.of(alice, false).find(TOOL, 'web')?.dueAt).toBe(61_000);
  });

  it('stays due where it is given back without a time, and keeps a time that was set meanwhile', async () => {
    const { book } = opened();
    const saved = await book.of(alice, false).save(wanted());
    const taken = () => book.store.claim('one', 5000, 9000);
    const first = await taken();
    if (first) await book.store.release(first, 'one');
    const second = await taken();
    expect(second?.id).toBe(saved.id);
    await book.of(alice, false).save(wanted({ dueAt: 7000 }));
    if (second) await book.store.release(second, 'one', 60_000);
    expect(book.of(alice, false).find(TOOL, 'web')?.dueAt).toBe(7000);
  });
});
