import { describe, expect, it } from 'vitest';
import { allWrites, RECOVERY_ESTATE, recoverySite, setStatus } from '../../../support/recovery-estate.ts';
import type { Answer } from '../../../support/tool-client.ts';

const names = (rows: Answer[]) => rows.map(({ name }) => name);

describe('failover_plan', () => {
  it('tells order, age, place and what does not come along, and writes nothing', async () => {
    const { call, text, simulator } = await recoverySite();
    const answer = await call('failover_plan', { cluster: 'home' });
    expect(answer).toMatchObject({
      cluster: 'home',
      to: 'away',
      source_answers: true,
      total: 3,
      findings: [],
    });
    expect(answer.guests).toMatchObject([
      {
        ...{ vmid: 101, name: 'db', order: 1, up_seconds: 1, start: true, source_state: 'stopped' },
        ...{ target_vmid: 101, target_node: 'dr1', target_storage: 'local-lvm', bridges: { vmbr0: 'vmbr0' } },
        ...{ cores: 2, memory_bytes: 2 * 1024 ** 3, disk_bytes: 10 * 1024 ** 3 },
      },
      // The target uses its VMID itself.
      { vmid: 100, name: 'web', order: 2, target_vmid: 103 },
      { vmid: 102, name: 'cache', type: 'lxc', target_vmid: 102, bridges: { vmbr7: 'vmbr0' } },
    ]);
    expect(answer.guests[2]).not.toHaveProperty('order');
    expect(answer.left_out).toEqual([{ vmid: 103, name: 'scratch', why: 'no backup of it is seen' }]);
    const ages = answer.guests.map((row: Answer) => row.age_hours);
    expect(answer.data_loss).toEqual({
      worst_hours: ages[2],
      median_hours: ages[0],
      worst_guest: 'cache (102)',
    });
    const [dr1] = answer.capacity.nodes;
    expect(dr1.free_bytes - dr1.free_bytes_after).toBe(4.5 * 1024 ** 3);
    expect(dr1.vcpus_after - dr1.vcpus).toBe(6);
    expect(await text('failover_plan', { cluster: 'home' })).toContain('3 guests can come back, 1 can not');
    expect(allWrites(simulator)).toEqual([]);
  });

  it('takes a tag or a pool, and leaves out what is named', async () => {
    const { call } = await recoverySite();
    const planned = async (args: object) =>
      names((await call('failover_plan', { cluster: 'home', ...args })).guests);
    expect(await planned({ tag: 'front' })).toEqual(['web', 'cache']);
    expect(await planned({ pool: 'shop' })).toEqual(['db', 'web']);
    expect(await planned({ pool: 'shop', leave_out: ['WEB'] })).toEqual(['db']);
    expect(await planned({ leave_out: ['101', 'web'] })).toEqual(['cache']);
  });

  it('blocks where the originals run, and remembers that they did', async () => {
    const { call, home } = await recoverySite();
    for (const name of ['web', 'db']) setStatus(home, name, 'running');
    const running = await call('failover_plan', { cluster: 'home' });
    expect(running.findings).toMatchObject([
      { severity: 'blocks', what: expect.stringContaining('2 guests of home still run') },
    ]);
    expect(running.guests.map(({ name, start }: Answer) => [name, start])).toEqual([
      ['db', true],
      ['web', true],
      ['cache', false],
    ]);
    // A cluster that was shut down tells nothing of what its guests are for.
    for (const guest of home.state.guests.values()) guest.status = 'stopped';
    const down = await call('failover_plan', { cluster: 'home' });
    expect(down.findings).toEqual([]);
    expect(down.guests.map(({ start }: Answer) => start)).toEqual([true, true, false]);
  });

  it('names what does not fit, those that start first finding room first', async () => {
    const clusters = structuredClone(RECOVERY_ESTATE);
    for (const guest of clusters[0]?.guests ?? []) if (guest.name !== 'cache') guest.memoryMib = 20_480;
    const { call } = await recoverySite({ simulator: { clusters } });
    const { guests, left_out } = await call('failover_plan', { cluster: 'home' });
    expect(names(guests)).toEqual(['db', 'cache']);
    expect(left_out).toContainEqual({
      ...{ vmid: 100, name: 'web' },
      why: expect.stringMatching(/does not fit: it takes 20 GiB of memory, and no node has more than \d/),
    });
    const narrow = await call('failover_plan', { cluster: 'home', target_node: 'dr2' });
    expect(names(narrow.guests)).toEqual(['cache']);
    const nowhere = await call('failover_plan', { cluster: 'home', storage: 'local' });
    expect(nowhere.guests).toEqual([]);
    expect(nowhere.findings).toMatchObject([{ severity: 'blocks', what: 'No guest can be brought over.' }]);
  });

  it('leaves out a guest whose name is there already', async () => {
    const { call, away, guestOf } = await recoverySite();
    const monitor = guestOf(away, 'monitor');
    if (monitor) monitor.config.name = 'db';
    const { left_out } = await call('failover_plan', { cluster: 'home' });
    expect(left_out).toContainEqual({
      ...{ vmid: 101, name: 'db' },
      why: 'away has a guest of this name already: 100, running',
    });
  });
});

describe('while the cluster is down', () => {
  it('tells by the backups alone, the target’s own told apart, what nothing else tells', async () => {
    const { call, refused, home, simulator } = await recoverySite();
    await home.stop();
    const blind = await call('failover_plan', { cluster: 'home' });
    expect(blind).toMatchObject({ source_answers: false, guests: [] });
    expect(blind.findings[0]).toMatchObject({
      severity: 'blocks',
      do: expect.stringContaining('backup_storage'),
    });
    const plan = await call('failover_plan', { cluster: 'home', backup_storage: 'nfs-away' });
    // VMID 100 of the same export is the monitor of the target, and web of the source.
    expect(names(plan.guests)).toEqual(['db', 'web', 'cache']);
    expect(plan).not.toHaveProperty('known_as_of');
    const said = plan.findings.map(({ what }: Answer) => what).join(' ');
    expect(said).toContain('no earlier failover_plan of this caller remembers its guests');
    expect(said).toContain('Whether db (101), web (100), cache (102) still run on home is not known');
    expect(plan.guests.every(({ source_state }: Answer) => source_state === 'unknown')).toBe(true);
    const tagged = await call('failover_plan', { cluster: 'home', backup_storage: 'nfs-away', tag: 'back' });
    expect(names(tagged.guests)).toEqual(['db']);
    const pooled = { cluster: 'home', backup_storage: 'nfs-away', pool: 'shop' };
    expect(await refused('failover_plan', pooled)).toMatchObject({
      code: 'CONFLICT',
      message: expect.stringContaining('in which pool is not known'),
    });
    expect(allWrites(simulator)).toEqual([]);
  });

  it('tells what an earlier plan remembers: pools, the storage, and how old that is', async () => {
    const { call, home } = await recoverySite();
    const before = await call('failover_plan', { cluster: 'home' });
    await home.stop();
    const plan = await call('failover_plan', { cluster: 'home', pool: 'shop' });
    expect(names(plan.guests)).toEqual(['db', 'web']);
    expect(plan).toMatchObject({ source_answers: false, known_as_of: before.known_as_of });
    expect(plan.findings).toMatchObject([
      {
        severity: 'warns',
        do: expect.stringContaining('are fenced: off, or cut off from network and storage'),
      },
    ]);
  });
});
