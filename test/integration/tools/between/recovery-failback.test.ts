import { describe, expect, it } from 'vitest';
import { allWrites, recoverySite, setStatus, writesTo } from '../../../support/recovery-estate.ts';
import type { Answer } from '../../../support/tool-client.ts';

const GO = { cluster: 'home', dry_run: false };
const results = ({ results: rows }: Answer) => rows.map((row: Answer) => [row.name, row.result]);

/** After a failover of `tag`, or of all. */
async function failedOver(args: object = {}) {
  const site = await recoverySite();
  await site.applied('failover_run', { ...GO, ...args });
  for (const { requests } of site.simulator.clusters) requests.length = 0;
  return site;
}

describe('failback', () => {
  it('brings guests home beside their stopped originals, with an approval for each half', async () => {
    const { call, refused, simulator, home, away, guestOf } = await failedOver();
    const dry = await call('failback', { cluster: 'home' });
    expect([dry.status, dry.findings]).toEqual(['planned', []]);
    expect(dry.guests).toMatchObject([
      {
        name: 'db',
        vmid: 101,
        state: 'running',
        home_vmid: 104,
        start: true,
        original: '101 stays, stopped',
      },
      { name: 'web', vmid: 103, home_vmid: 105, original: '100 stays, stopped' },
      { name: 'cache', vmid: 102, home_vmid: 106 },
    ]);
    const first = await refused('failback', GO);
    expect(first.plan.warnings.join(' ')).toContain('from then on it is down until it runs at home');
    expect(allWrites(simulator)).toEqual([]);

    const second = await refused('failback', { ...GO, handle: first.plan.handle });
    expect(writesTo(home)).toEqual([]);
    expect(writesTo(away)).toEqual([
      ...['POST /nodes/dr1/qemu/101/status/shutdown', 'POST /nodes/dr1/vzdump'],
      ...['POST /nodes/dr1/qemu/103/status/shutdown', 'POST /nodes/dr1/vzdump'],
      ...['POST /nodes/dr1/lxc/102/status/shutdown', 'POST /nodes/dr1/vzdump'],
    ]);
    const notes = second.plan.warnings.join(' ');
    expect(notes).toContain('Its original 101 stays, stopped, under the same name.');
    away.requests.length = 0;

    const done = await call('failback', { ...GO, handle: second.plan.handle });
    expect([done.status, results(done)]).toEqual([
      'done',
      [
        ['db', 'started'],
        ['web', 'started'],
        ['cache', 'started'],
      ],
    ]);
    expect(writesTo(away)).toEqual([]);
    expect(writesTo(home)).toEqual([
      ...['POST /nodes/pve1/qemu', 'POST /nodes/pve1/qemu/104/status/start'],
      ...['POST /nodes/pve1/qemu', 'POST /nodes/pve1/qemu/105/status/start'],
      ...['POST /nodes/pve1/lxc', 'POST /nodes/pve1/lxc/106/status/start'],
    ]);
    expect([...home.state.guests.values()].filter(({ status }) => status === 'running')).toHaveLength(3);
    for (const name of ['db', 'web', 'cache']) expect(guestOf(away, name)?.status).toBe('stopped');
    // They are home: a second call has nobody to bring.
    expect((await refused('failback', GO)).code).toBe('NOT_FOUND');
    // Which of two of a name a failover would mean, nobody knows.
    for (const guest of home.state.guests.values()) guest.status = 'stopped';
    const plan = await call('failover_plan', { cluster: 'home', leave_out: ['101'] });
    expect(plan.left_out.map(({ why }: Answer) => why).join(' ')).toContain(
      'has a guest of this name already',
    );
  });

  it('deletes the original first where that is said, and takes its VMID', async () => {
    const { call, refused, home, away, guestOf } = await failedOver({ tag: 'back' });
    const args = { ...GO, replace: true };
    const first = await refused('failback', args);
    const second = await refused('failback', { ...args, handle: first.plan.handle });
    expect(second.plan.calls.map(({ method, path }: Answer) => `${method} ${path}`)).toEqual([
      'DELETE /nodes/pve1/qemu/101',
      'POST /nodes/pve1/qemu',
      'POST /nodes/pve1/qemu/101/status/start',
    ]);
    expect(second.plan.warnings.join(' ')).toContain(
      'what that wrote between its last backup and the failover is nowhere else',
    );
    expect(second.plan.lost.join(' ')).toContain('"db" (VM 101)');
    const done = await call('failback', { ...args, handle: second.plan.handle });
    expect(results(done)).toEqual([['db', 'started']]);
    expect(guestOf(home, 'db')).toMatchObject({ vmid: 101, status: 'running' });
    expect(guestOf(away, 'db')?.status).toBe('stopped');
  });

  it('starts nothing at home while the copy runs on the fallback', async () => {
    const { call, refused, away, home, guestOf } = await failedOver({ tag: 'back' });
    const first = await refused('failback', GO);
    const second = await refused('failback', { ...GO, handle: first.plan.handle });
    setStatus(away, 'db', 'running');
    const done = await call('failback', { ...GO, handle: second.plan.handle });
    expect(results(done)).toEqual([['db', 'failed']]);
    expect(done.results[0].problem).toContain(
      'db (101) runs on away now. Its copy 104 on home was not started',
    );
    expect(done.note).toContain('Down on away meanwhile: db (101)');
    expect(home.state.guests.get(104)?.status).toBe('stopped');
    expect(guestOf(home, 'db')?.status).toBe('stopped');
  });

  it('brings home guests that are named, though no failover is remembered', async () => {
    const { call } = await recoverySite();
    const { guests } = await call('failback', { cluster: 'home', guests: ['monitor'] });
    expect(guests).toMatchObject([{ name: 'monitor', vmid: 100, home_vmid: 104, state: 'running' }]);
    expect(guests[0]).not.toHaveProperty('original');
  });

  it('leaves a guest where it is whose backup fails, and says that it is down', async () => {
    const { refused, call, away, home } = await failedOver({ pool: 'shop' });
    away.faults.add({
      kind: 'task-error',
      message: 'job errors',
      match: /^POST \/nodes\/dr1\/vzdump$/,
      times: 1,
    });
    const first = await refused('failback', GO);
    const second = await refused('failback', { ...GO, handle: first.plan.handle });
    expect(second.plan.calls).toHaveLength(2);
    const done = await call('failback', { ...GO, handle: second.plan.handle });
    expect(results(done)).toEqual([
      ['db', 'failed'],
      ['web', 'started'],
    ]);
    expect(done.note).toContain('Down on away meanwhile: db (101); power_guest starts them there.');
    expect(writesTo(home)).toHaveLength(2);
  });
});
