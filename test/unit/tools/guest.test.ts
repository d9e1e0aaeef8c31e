import { describe, expect, it } from 'vitest';
import type { GatedCluster } from '../../../src/access/gate.ts';
import type { Target } from '../../../src/clusters/cluster.ts';
import type { GuestRow } from '../../../src/clusters/inventory.ts';
import { Selector } from '../../../src/clusters/selector.ts';
import type { ClusterConfig } from '../../../src/config/config.ts';
import { CallError } from '../../../src/proxmox/errors.ts';
import type { ToolContext } from '../../../src/tools/define.ts';
import { type ResolveOptions, resolveGuest } from '../../../src/tools/guest.ts';
import { clusterConfig } from '../../support/engine-fixtures.ts';

const NOW = 1_000_000;

interface Site {
  /** VMID and name of each guest. */
  guests?: Record<number, string>;
  /** What a second question finds, where the first is from what is kept. */
  later?: Record<number, string>;
  down?: boolean;
  /** What its fallback has, which answers where it is down. */
  fallback?: Record<number, string>;
  rules?: Partial<ClusterConfig>;
}

const rowOf = ([vmid, name]: [string, string]): GuestRow => ({
  id: `qemu/${vmid}`,
  type: 'qemu',
  vmid: Number(vmid),
  name,
  nameLower: name.toLowerCase(),
  node: 'n1',
  status: 'running',
  template: false,
  tags: [],
});

/** A context over clusters that hold what the test says, and count how often they are asked. */
function estate(sites: Record<string, Site>, defaultCluster?: string) {
  const names = Object.keys(sites);
  const asked: string[] = [];
  const selector = new Selector(
    names.map((name) => clusterConfig({ name, ...sites[name]?.rules })),
    defaultCluster,
  );
  const open = (name: string, selectedBy: string, matched?: string, isAlone = false): GatedCluster => {
    const { fallback, ...own } = sites[name] ?? {};
    const site = own.down && fallback && !isAlone ? { guests: fallback } : own;
    const gated: Partial<GatedCluster> = {
      name,
      selectedBy: selectedBy as GatedCluster['selectedBy'],
      matched,
      servedBy: own.down && fallback && !isAlone ? `fallback of ${name}` : undefined,
      alone: () => open(name, selectedBy, matched, true),
      async inventory({ fresh = false } = {}) {
        asked.push(fresh ? `${name}!` : name);
        if (site.down) throw new CallError('CLUSTER_UNREACHABLE', `${name} is down.`, { hint: 'Wait.' });
        const now = fresh && site.later ? site.later : (site.guests ?? {});
        const kept = site.later !== undefined && !fresh;
        const guests = Object.entries(now).map(rowOf);
        return { guests, nodes: [], storages: [], rows: [], asOf: kept ? NOW - 5000 : NOW };
      },
    };
    return gated as GatedCluster;
  };
  const context: Partial<ToolContext> = {
    now: () => NOW,
    signal: new AbortController().signal,
    claimant(target: Target) {
      const choice = selector.claim(target);
      return choice && open(choice.cluster, choice.selectedBy, choice.matched);
    },
    found: (name) => open(name, 'lookup'),
    fleet: () => ({ clusters: names.map((name) => open(name, 'any')), isAll: true }),
  };
  const resolve = async (target: Target, options?: ResolveOptions) => {
    const { cluster, guest, unasked } = await resolveGuest(context as ToolContext, target, options);
    return [
      cluster.name,
      cluster.selectedBy,
      guest.vmid,
      guest.name,
      unasked.map((failed) => failed.cluster),
    ];
  };
  return { resolve, asked };
}

const THREE = {
  a: { guests: { 100: 'web', 101: 'twin', 102: 'twin' }, rules: { patterns: ['a-'] } },
  b: { guests: { 100: 'db', 200: 'Mail', 300: 'shared' }, rules: { vmids: [{ from: 200, to: 299 }] } },
  c: { guests: { 300: 'shared', 301: 'b-only' } },
};

describe('resolveGuest', () => {
  it('finds a guest by a live look at all clusters, and the default has no say', async () => {
    const { resolve, asked } = estate(THREE, 'c');
    expect(await resolve({ name: 'WEB' })).toEqual(['a', 'lookup', 100, 'web', []]);
    expect(asked).toEqual(['a', 'b', 'c']);
    expect(await resolve({ vmid: 301 })).toEqual(['c', 'lookup', 301, 'b-only', []]);
    expect(await resolve({ name: 'db', vmid: 100 })).toEqual(['b', 'lookup', 100, 'db', []]);
  });

  it('looks only where a rule or the caller says', async () => {
    const { resolve, asked } = estate(THREE);
    expect(await resolve({ vmid: 200 })).toEqual(['b', 'vmid', 200, 'Mail', []]);
    expect(await resolve({ cluster: 'c', vmid: 300 })).toEqual(['c', 'explicit', 300, 'shared', []]);
    expect(asked).toEqual(['b', 'c']);
  });

  it('does not fall back to a search where the cluster that a rule selects has no such guest', async () => {
    const { resolve, asked } = estate(THREE);
    await expect(resolve({ name: 'a-web' })).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: 'a has no guest named "a-web". It was selected by the pattern "a-".',
      hint: expect.stringContaining('The other clusters were not asked'),
    });
    expect(asked).toEqual(['a']);
  });

  it('lists every match of several clusters', async () => {
    await expect(estate(THREE).resolve({ vmid: 300 })).rejects.toMatchObject({
      code: 'CLUSTER_AMBIGUOUS',
      message:
        'Several clusters have a guest with VMID 300: 300 "shared" on n1 of b, 300 "shared" on n1 of c.',
    });
  });

  it('lists guests of one name within a cluster, and takes the VMID', async () => {
    const { resolve } = estate(THREE);
    await expect(resolve({ name: 'twin' })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENTS',
      message: expect.stringContaining('101 "twin" on n1 of a, 102 "twin" on n1 of a'),
      hint: expect.stringContaining('`vmid`'),
    });
    expect(await resolve({ name: 'twin', vmid: 102 })).toEqual(['a', 'lookup', 102, 'twin', []]);
  });

  it.each([{}, { cluster: 'a' }])('refuses a name and a VMID of two guests (%j)', async (where) => {
    await expect(estate(THREE).resolve({ ...where, name: 'web', vmid: 101 })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENTS',
      message: expect.stringContaining('100 "web" on n1 of a, 101 "twin" on n1 of a'),
    });
  });

  it('refuses a name that the cluster of the VMID map does not give to that VMID', async () => {
    await expect(estate(THREE).resolve({ name: 'web', vmid: 200 })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENTS',
      message: expect.stringContaining('200 "Mail" on n1 of b'),
    });
  });

  it('matches names as a whole, and takes no wildcard', async () => {
    for (const name of ['we', 'web*', '*', 'w?b']) {
      await expect(estate(THREE).resolve({ name })).rejects.toMatchObject({ code: 'NOT_FOUND' });
    }
  });

  it('wants a name or a VMID', async () => {
    const { resolve, asked } = estate(THREE);
    await expect(resolve({ cluster: 'a' })).rejects.toMatchObject({ code: 'INVALID_ARGUMENTS' });
    expect(asked).toEqual([]);
  });

  it('asks anew before it says that there is none, and only what it did not just ask', async () => {
    const { resolve, asked } = estate({
      a: { guests: {}, later: { 100: 'new' } },
      b: { guests: { 5: 'x' } },
    });
    expect(await resolve({ name: 'new' })).toEqual(['a', 'lookup', 100, 'new', []]);
    expect(asked).toEqual(['a', 'b', 'a!']);
    asked.length = 0;
    expect(await resolve({ cluster: 'a', name: 'new' })).toEqual(['a', 'explicit', 100, 'new', []]);
    expect(asked).toEqual(['a', 'a!']);
    asked.length = 0;
    await expect(resolve({ name: 'never' })).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: 'No guest named "never" in 2 clusters.',
      retryable: false,
    });
    expect(asked).toEqual(['a', 'b', 'a!']);
  });
});

describe('resolveGuest with a cluster that cannot be asked', () => {
  const sites = { a: { guests: { 100: 'web' } }, b: { down: true }, c: {} };

  it('refuses a guess unless the caller only reads', async () => {
    const { resolve } = estate(sites);
    await expect(resolve({ name: 'web' })).rejects.toMatchObject({
      code: 'CLUSTER_UNREACHABLE',
      message: expect.stringMatching(/100 "web" on n1 of a, but .*: b \(CLUSTER_UNREACHABLE\)\.$/),
    });
    expect(await resolve({ name: 'web' }, { uncertain: 'say' })).toEqual(['a', 'lookup', 100, 'web', ['b']]);
    expect(await resolve({ cluster: 'a', name: 'web' })).toEqual(['a', 'explicit', 100, 'web', []]);
  });

  it('takes no guest of a fallback for one to act on', async () => {
    const { resolve } = estate({ a: { down: true, fallback: { 100: 'web' } }, b: {} });
    await expect(resolve({ cluster: 'a', name: 'web' })).rejects.toMatchObject({
      code: 'CLUSTER_UNREACHABLE',
    });
    expect(await resolve({ cluster: 'a', name: 'web' }, { uncertain: 'say' })).toEqual([
      'a',
      'explicit',
      100,
      'web',
      [],
    ]);
  });

  it('does not take for an answer what a fallback has not', async () => {
    const { resolve } = estate({ a: { down: true, fallback: { 100: 'web', 101: 'db' } }, b: {} });
    for (const target of [{ name: 'nope' }, { name: 'web', vmid: 101 }]) {
      await expect(resolve({ cluster: 'a', ...target }, { uncertain: 'say' })).rejects.toMatchObject({
        code: 'CLUSTER_UNREACHABLE',
        message: expect.stringContaining('its fallback fallback of a has none'),
        retryable: true,
      });
    }
  });

  it('sends to find_guests who may have a part of a name, and nobody who has a number', async () => {
    const { resolve } = estate(THREE);
    const part = expect.stringContaining('find_guests');
    await expect(resolve({ name: 'we' })).rejects.toMatchObject({ hint: part });
    await expect(resolve({ vmid: 999 })).rejects.not.toMatchObject({ hint: part });
  });

  it('says who could not be asked where there is none', async () => {
    await expect(estate(sites).resolve({ name: 'nope' })).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: expect.stringContaining('could not be asked, and may have it: b (CLUSTER_UNREACHABLE)'),
      retryable: true,
    });
  });

  it('says so where none answers', async () => {
    const dark = estate({ a: { down: true }, b: { down: true } });
    await expect(dark.resolve({ name: 'web' })).rejects.toMatchObject({ code: 'CLUSTER_UNREACHABLE' });
  });
});
