import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { SimulatedCluster } from '../../src/simulator/simulator.ts';
import { BesideSite, type Connected, ERAS } from '../support/beside-site.ts';
import { policyOf } from '../support/policy.ts';
import { entryOf, ReloadingService } from '../support/reloading-service.ts';

const PAUSE = 100;
const SOON = { timeout: 10_000, interval: 20 };
const VM = 'proxmox://production/guests/100';
const OTHER = 'proxmox://production/guests/101';

const start = (more = {}) => BesideSite.start({ clusters: ['production'], watchPauseMs: PAUSE, ...more });

function guestOf(cluster: SimulatedCluster, vmid = 100) {
  const guest = cluster.state.guests.get(vmid);
  if (!guest) throw new Error(`the demo estate has ${vmid}`);
  return guest;
}

/** Waits until the cluster was looked at some more. */
async function looks({ requests }: SimulatedCluster, times = 3): Promise<void> {
  const count = () => requests.filter(({ path }) => path.endsWith('/status/current')).length;
  const before = count();
  await vi.waitFor(() => expect(count()).toBeGreaterThanOrEqual(before + times), SOON);
}

async function isQuiet({ requests }: SimulatedCluster): Promise<void> {
  await vi.waitFor(async () => {
    const before = requests.length;
    await new Promise((later) => setTimeout(later, 5 * PAUSE));
    expect(requests.length).toBe(before);
  }, SOON);
}

const told = ({ updates }: Connected, ...uris: string[]) =>
  vi.waitFor(() => expect(updates).toEqual(uris), SOON);

describe.each(ERAS)('over %s, a subscription', (era) => {
  it('tells of what changed, and of nothing else; once it ends, nothing is asked any more', async () => {
    const site = await start();
    const production = site.simulator.cluster('production');
    const guest = guestOf(production);
    const here = await site.connect(era);
    const end = await here.subscribe(VM);
    await looks(production);
    expect(here.updates).toEqual([]);
    guest.config.description = 'changed';
    await told(here, VM);
    guestOf(production, 101).config.description = 'changed too';
    await looks(production);
    expect(here.updates).toEqual([VM]);
    guest.status = guest.status === 'running' ? 'stopped' : 'running';
    await told(here, VM, VM);
    await end();
    await isQuiet(production);
    expect(site.service.dispatcher.beside.watched.size).toBe(0);
    guest.config.description = 'again';
    await here.client.listPrompts();
    expect(here.updates).toEqual([VM, VM]);
  });

  it('ends with its client', async () => {
    const site = await start();
    const production = site.simulator.cluster('production');
    const here = await site.connect(era);
    await here.subscribe(VM, OTHER);
    expect(site.service.dispatcher.beside.watched.size).toBe(2);
    if (era === 'http') await site.service.streamable.closeWhere(() => true);
    else await here.client.close();
    await vi.waitFor(() => expect(site.service.dispatcher.beside.watched.size).toBe(0), SOON);
    await isQuiet(production);
  });

  it('is refused for what is not there', async () => {
    const site = await start();
    const { subscribe } = await site.connect(era);
    for (const uri of ['proxmox://production/guests/98765', 'proxmox://staging/guests/100', 'https://x/']) {
      await expect(subscribe(uri)).rejects.toThrow();
    }
    expect(site.service.dispatcher.beside.watched.size).toBe(0);
  });
});

describe('a subscription', () => {
  it('is shared by the sessions of one principal, and tells nobody else', async () => {
    const policy = policyOf({
      roles: { all: { grants: [{ allow: '*' }] } },
      principals: [
        { match: { subject: 'alice' }, roles: 'all' },
        { match: { subject: 'bob' }, roles: 'all' },
        { match: { subject: 'tina' }, roles: 'all', tenant: { tags: 'of-tina' } },
      ],
    });
    const site = await start({ gateOptions: { policy } });
    const production = site.simulator.cluster('production');
    const guest = guestOf(production);
    guestOf(production, 101).config.tags = 'of-tina';
    const [one, two] = [await site.connect('http'), await site.connect('sse')];
    const modern = await site.connect('modern');
    const bob = [
      await site.connect('http', { subject: 'bob' }),
      await site.connect('modern', { subject: 'bob' }),
    ];
    const tina = [
      await site.connect('sse', { subject: 'tina' }),
      await site.connect('modern', { subject: 'tina' }),
    ];
    for (const alice of [one, two, modern]) await alice.subscribe(VM);
    const { watched } = site.service.dispatcher.beside;
    expect(watched.size).toBe(1);
    for (const other of bob) await other.subscribe(OTHER);
    for (const other of tina) {
      await expect(other.subscribe(VM)).rejects.toThrow();
      await other.subscribe(OTHER);
    }
    expect(watched.size).toBe(3);
    guest.config.description = 'changed';
    await Promise.all([one, two, modern].map((alice) => told(alice, VM)));
    await looks(production, 6);
    for (const { updates } of [...bob, ...tina]) expect(updates).toEqual([]);
    guestOf(production, 101).config.description = 'changed';
    await Promise.all([...bob, ...tina].map((other) => told(other, OTHER)));
    for (const { updates } of [one, two, modern]) expect(updates).toEqual([VM]);
  });

  it('outlives a cluster that is down, and tells that a guest is gone', async () => {
    const site = await start();
    const production = site.simulator.cluster('production');
    const here = await site.connect('http');
    await here.subscribe(VM);
    production.faults.add({ kind: 'close' });
    const before = production.requests.length;
    await vi.waitFor(() => expect(production.requests.length).toBeGreaterThan(before + 2), SOON);
    await production.faults.clear();
    await looks(production);
    expect(here.updates).toEqual([]);
    production.state.guests.delete(100);
    await told(here, VM);
  });

  it('tells of clusters and storages as they change', async () => {
    const site = await start({ clusters: ['production', 'staging'] });
    const production = site.simulator.cluster('production');
    const here = await site.connect('modern');
    const uris = ['proxmox://staging', 'proxmox://clusters'];
    await here.subscribe(...uris, 'proxmox://production/storages/local');
    site.simulator.cluster('staging').faults.add({ kind: 'close' });
    await vi.waitFor(() => expect([...here.updates].sort()).toEqual([...uris].sort()), { timeout: 20_000 });
    const storage = production.state.storages.find((known) => known.storage === 'local');
    if (!storage) throw new Error('there is one');
    storage.content = ['iso'];
    await vi.waitFor(() => expect(here.updates).toContain('proxmox://production/storages/local'), SOON);
  }, 40_000);
});

describe('the looks of a subscription', () => {
  it('are no calls of the principal’s, and no news; a reading and a subscribing are', async () => {
    const site = await start({ limitsOf: () => ({ callsPerMinute: 3 }) });
    const production = site.simulator.cluster('production');
    const here = await site.connect('http');
    const calls = () => site.service.lines.filter((line) => line.includes('"tool call"')).length;
    await here.subscribe(VM);
    expect(calls()).toBe(1);
    await looks(production, 5);
    expect(calls()).toBe(1);
    await here.client.readResource({ uri: VM });
    await here.client.readResource({ uri: VM });
    await expect(here.client.readResource({ uri: VM })).rejects.toMatchObject({
      code: -32603,
      data: { code: 'RATE_LIMITED' },
    });
    guestOf(production).config.description = 'changed';
    await told(here, VM);
    // One that could not look at once does so later.
    await here.subscribe(OTHER);
    await looks(production, 5);
    guestOf(production, 101).config.description = 'changed';
    await told(here, VM, OTHER);
  });
});

describe('resources/list_changed', () => {
  it('comes when a cluster is added, in both eras, and the instructions of the next client name it', async () => {
    const site = await start();
    const [production, staging] = ['production', 'staging'].map((name) => site.simulator.cluster(name));
    if (!production || !staging) throw new Error('there are two');
    const reloading = await ReloadingService.start({ production: entryOf(production) });
    onTestFinished(() => reloading.stop());
    const told = { http: 0, sse: 0, modern: 0 };
    for (const era of ERAS) {
      const { client } = await reloading.connect(era);
      if (era === 'modern') {
        const modern = client as unknown as {
          setNotificationHandler(method: string, handler: () => void): void;
          listen(filter: object): Promise<unknown>;
        };
        modern.setNotificationHandler('notifications/resources/list_changed', () => void told.modern++);
        await modern.listen({ resourcesListChanged: true });
      } else {
        Object.assign(client, {
          fallbackNotificationHandler: async ({ method }: { method: string }) => {
            if (method === 'notifications/resources/list_changed') told[era]++;
          },
        });
      }
    }
    await new Promise((opened) => setTimeout(opened, 300));
    reloading.apply({ production: entryOf(production), staging: entryOf(staging) });
    await vi.waitFor(() => expect(told).toEqual({ http: 1, sse: 1, modern: 1 }), SOON);
    for (const era of ERAS) {
      const { client } = await reloading.connect(era);
      expect(client.getInstructions()).toContain('production, staging.');
    }
  });
});
