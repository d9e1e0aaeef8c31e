import { expect, it, vi } from 'vitest';
import { guestNamed, writesTo } from '../../../support/recovery-estate.ts';
import { recoveryProcess } from '../../../support/recovery-process.ts';

const soon = { timeout: 15_000, interval: 20 };
const OVER = { cluster: 'home', dry_run: false, tag: 'back' };
const BACK = { cluster: 'home', dry_run: false, replace: true };

it.each([
  ['between the shutdown and the backup', 'away', /^POST \/nodes\/dr1\/vzdump$/],
  ['between the deletion and the restore', 'home', /^POST \/nodes\/pve1\/qemu$/],
] as const)(
  'a failback that is killed %s goes on with no second write',
  async (_when, where, match) => {
    const site = await recoveryProcess();
    const { home, away, serve, tasksOf } = site;
    const before = await serve();
    expect((await before.through('failover_run', OVER)).status).toBe('done');
    const fault = site[where].faults.add({ kind: 'hang', match, times: 1 });
    before.through('failback', BACK).catch(() => undefined);
    const isAsked = () => writesTo(site[where]).some((line) => match.test(line) && !line.endsWith('/101'));
    await vi.waitFor(() => expect(isAsked()).toBe(true), soon);
    await before.kill();
    fault.remove();

    const { through } = await serve();
    const done = await through('failback', BACK);
    expect(done.results).toMatchObject([{ name: 'db', result: 'started', target_vmid: 101 }]);
    expect(tasksOf(away)).toEqual(['qmrestore 101', 'qmshutdown 101', 'qmstart 101', 'vzdump 101']);
    expect(tasksOf(home)).toEqual(['qmdestroy 101', 'qmrestore 101', 'qmstart 101']);
    expect(guestNamed(home, 'db')?.status).toBe('running');
    expect(guestNamed(away, 'db')?.status).toBe('stopped');
  },
  60_000,
);
