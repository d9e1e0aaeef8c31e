import { describe, expect, it } from 'vitest';
import { allWrites, recoverySite, setStatus, writesTo } from '../../../support/recovery-estate.ts';
import type { Answer } from '../../../support/tool-client.ts';

const GO = { cluster: 'home', dry_run: false };
const results = ({ results: rows }: Answer) => rows.map((row: Answer) => [row.name, row.result]);

describe('failover_run', () => {
  it('shows the plan where nothing else is said, and writes nothing', async () => {
    const { call, simulator } = await recoverySite();
    const { status, guests } = await call('failover_run', { cluster: 'home' });
    expect([status, guests.length]).toEqual(['planned', 3]);
    expect(allWrites(simulator)).toEqual([]);
  });

  it('restores and starts guest by guest in their order, with one approval that says it all', async () => {
    const { call, refused, simulator, home, away, guestOf } = await recoverySite();
    const { code, plan } = await refused('failover_run', GO);
    expect([code, plan.calls.length]).toEqual(['APPROVAL_REQUIRED', 7]);
    const notes = plan.warnings.join('\n');
    expect(notes).toMatch(/1\. db \(101\): from the backup of 2\S+ \(\S+ hours old, 3.1 GiB\) to 101 on dr1/);
    expect(notes).toContain('vmbr7 becomes vmbr0; then it is started.');
    expect(notes).toContain('Does not come along: scratch (103): no backup of it is seen.');
    expect(notes).toContain('Lost is what the guests wrote since their backups');
    expect(notes).not.toContain('could not be read');
    expect(plan.guests[0]).toEqual({ type: 'qemu', vmid: 101, node: 'dr1', name: 'db', status: 'new' });
    expect(allWrites(simulator)).toEqual([]);

    const before = Date.now();
    const done = await call('failover_run', { ...GO, handle: plan.handle });
    expect(Date.now() - before).toBeGreaterThan(900);
    expect([done.status, results(done)]).toEqual([
      'done',
      [
        ['db', 'started'],
        ['web', 'started'],
        ['cache', 'started'],
      ],
    ]);
    expect(writesTo(away)).toEqual([
      'POST /nodes/dr1/qemu',
      'POST /nodes/dr1/qemu/101/status/start',
      'POST /nodes/dr1/qemu',
      'POST /nodes/dr1/qemu/103/status/start',
      'POST /nodes/dr1/lxc',
      'PUT /nodes/dr1/lxc/102/config',
      'POST /nodes/dr1/lxc/102/status/start',
    ]);
    expect(writesTo(home)).toEqual([]);
    expect(guestOf(away, 'cache')?.config.net0).toContain('bridge=vmbr0');
    for (const name of ['db', 'web', 'cache']) expect(guestOf(away, name)?.status).toBe('running');
    const again = await call('failover_plan', { cluster: 'home' });
    expect(again.guests).toEqual([]);
  });

  it('goes on with the others where one fails, and brings that one alone at the next call', async () => {
    const { applied, away } = await recoverySite();
    away.faults.add({
      kind: 'task-error',
      message: 'archive broken',
      match: /^POST \/nodes\/dr1\/qemu$/,
      times: 1,
    });
    const first = await applied('failover_run', GO);
    expect(first.status).toBe('done');
    expect(results(first)).toEqual([
      ['db', 'failed'],
      ['web', 'started'],
      ['cache', 'started'],
    ]);
    expect(first.results[0].problem).toContain('archive broken');
    away.requests.length = 0;
    const second = await applied('failover_run', GO);
    expect(results(second)).toEqual([['db', 'started']]);
    expect(writesTo(away)).toEqual(['POST /nodes/dr1/qemu', 'POST /nodes/dr1/qemu/101/status/start']);
  });

  it('does not begin guests whose storage an earlier one found full', async () => {
    const { applied, away } = await recoverySite();
    const match = /^POST \/nodes\/dr1\/qemu$/;
    away.faults.add({ kind: 'task-error', message: 'lvcreate: no space left on device', match, times: 1 });
    const answer = await applied('failover_run', GO);
    expect(results(answer).map(([, result]: string[]) => result)).toEqual(['failed', 'failed', 'failed']);
    expect(answer.results[2].problem).toContain('The storage local-lvm is full.');
    expect(writesTo(away)).toEqual(['POST /nodes/dr1/qemu']);
  });

  it('starts no copy whose original came up meanwhile', async () => {
    const { applied, home, away, guestOf } = await recoverySite();
    away.faults.add({
      kind: 'hang',
      match: (line) => {
        if (line === 'POST /nodes/dr1/qemu') setStatus(home, 'db', 'running');
        return false;
      },
    });
    const answer = await applied('failover_run', { ...GO, tag: 'back' });
    expect(results(answer)).toEqual([['db', 'failed']]);
    expect(answer.results[0].problem).toContain('db (101) runs on home now; its copy 101 was not started');
    expect(guestOf(away, 'db')?.status).toBe('stopped');
  });

  it('stops where the original was said to be down and nobody can tell any more', async () => {
    const { applied, refused, call, home, away, guestOf } = await recoverySite();
    away.faults.add({
      kind: 'hang',
      match: (line) => {
        if (line === 'POST /nodes/dr1/qemu')
          home.faults.add({ kind: 'proxy-error', match: /status\/current$/, seconds: 30 });
        return false;
      },
    });
    const args = { ...GO, tag: 'back' };
    const halted = await applied('failover_run', args);
    expect(halted).toMatchObject({
      status: 'unfinished',
      note: expect.stringContaining('no longer answers for db (101)'),
    });
    expect(results(halted)).toEqual([['db', 'left']]);
    expect(guestOf(away, 'db')?.status).toBe('stopped');
    // The next approval says it.
    const { plan } = await refused('failover_run', args);
    expect(plan.calls).toHaveLength(1);
    expect(plan.warnings.join(' ')).toContain('Make sure that the nodes of home are fenced');
    const done = await call('failover_run', { ...args, handle: plan.handle });
    expect(results(done)).toEqual([['db', 'started']]);
    expect(writesTo(away)).toEqual(['POST /nodes/dr1/qemu', 'POST /nodes/dr1/qemu/101/status/start']);
  });

  it('fails over a cluster that does not answer, and says that it has to be fenced', async () => {
    const { call, refused, home, away, guestOf } = await recoverySite();
    await call('failover_plan', { cluster: 'home' });
    await home.stop();
    const args = { ...GO, pool: 'shop' };
    const { plan } = await refused('failover_run', args);
    expect(plan.warnings.join(' ')).toContain('Approving the failover says that they are.');
    expect(plan.warnings.join(' ')).toContain('The list of guests of home is of 2');
    const done = await call('failover_run', { ...args, handle: plan.handle });
    expect(results(done)).toEqual([
      ['db', 'started'],
      ['web', 'started'],
    ]);
    expect(guestOf(away, 'web')?.status).toBe('running');
  });

  it('says what is left when the time is over, and goes on where it stands', async () => {
    let skew = 0;
    const simulator = { taskSeconds: 600, clock: () => Date.now() + skew };
    const { applied, refused, call, away } = await recoverySite({ simulator });
    const args = { ...GO, tag: 'back', wait_seconds: 1 };
    const first = await applied('failover_run', args);
    expect(first).toMatchObject({
      status: 'unfinished',
      note: expect.stringContaining('Repeat the same call'),
    });
    expect(first.results).toMatchObject([
      { name: 'db', result: 'running', upid: expect.stringContaining('qmrestore') },
    ]);
    expect((await call('failover_run', { cluster: 'home', tag: 'back' })).note).toContain('is unfinished');
    skew += 700_000;
    const { plan } = await refused('failover_run', args);
    expect(plan.warnings[0]).toMatch(/^This goes on with run \d+, the failover of home to away begun/);
    const second = await call('failover_run', { ...args, handle: plan.handle });
    expect(second.results).toMatchObject([{ result: 'running', left: ['start'] }]);
    skew += 700_000;
    // All was sent: there is nothing left to approve.
    const third = await call('failover_run', args);
    expect(results(third)).toEqual([['db', 'started']]);
    expect(writesTo(away)).toEqual(['POST /nodes/dr1/qemu', 'POST /nodes/dr1/qemu/101/status/start']);
  });
});
