import { expect, it, vi } from 'vitest';
import { guestNamed, writesTo } from '../../../support/recovery-estate.ts';
import { recoveryProcess } from '../../../support/recovery-process.ts';
import type { Answer } from '../../../support/tool-client.ts';

const GO = { cluster: 'home', dry_run: false };
const soon = { timeout: 15_000, interval: 20 };
/** All that is to happen on the target, whatever is killed meanwhile. */
const ALL = ['qmrestore 101', 'qmstart 101', 'qmrestore 103', 'qmstart 103', 'vzrestore 102', 'vzstart 102'];

it.each([
  ['before the first restore', /^POST \/nodes\/dr1\/qemu$/, 0],
  ['between a restore and the start', /^POST \/nodes\/dr1\/qemu\/101\/status\/start$/, 1],
  ['between two guests', /^POST \/nodes\/dr1\/lxc$/, 4],
])(
  'killed %s, goes on with no second write',
  async (_when, match, ended) => {
    const { away, serve, tasksOf } = await recoveryProcess();
    const before = await serve();
    const fault = away.faults.add({ kind: 'hang', match, times: 1 });
    before.through('failover_run', GO).catch(() => undefined);
    await vi.waitFor(() => expect(writesTo(away).some((line) => match.test(line))).toBe(true), soon);
    expect(tasksOf(away)).toEqual(ALL.slice(0, ended).toSorted());
    await before.kill();
    fault.remove();

    const { ask, through } = await serve();
    const asked = await ask('failover_run', GO);
    expect(asked.error.message).toContain('This goes on with run');
    const done = await through('failover_run', GO);
    expect(done.results.map(({ result }: Answer) => result)).toEqual(['started', 'started', 'started']);
    expect(tasksOf(away)).toEqual(ALL.toSorted());
    for (const name of ['db', 'web', 'cache']) expect(guestNamed(away, name)?.status).toBe('running');
  },
  60_000,
);

it('killed during a restore, follows that one and makes no other', async () => {
  const { away, serve, pass, tasksOf } = await recoveryProcess(600);
  const before = await serve();
  const args = { ...GO, tag: 'back', wait_seconds: 60 };
  before.through('failover_run', args).catch(() => undefined);
  const asked = () => away.requests.some(({ path }) => path.includes('qmrestore'));
  await vi.waitFor(() => expect(asked()).toBe(true), soon);
  await before.kill();

  const { through } = await serve();
  pass(700);
  const started = through('failover_run', args);
  await vi.waitFor(() => expect(writesTo(away)).toHaveLength(2), soon);
  pass(700);
  expect((await started).results).toMatchObject([{ name: 'db', result: 'started' }]);
  expect(tasksOf(away)).toEqual(['qmrestore 101', 'qmstart 101']);
  expect(writesTo(away)).toEqual(['POST /nodes/dr1/qemu', 'POST /nodes/dr1/qemu/101/status/start']);
}, 60_000);
