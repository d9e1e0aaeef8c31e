import {
  Client as ModernClient,
  StreamableHTTPClientTransport as ModernTransport,
} from '@modelcontextprotocol/client';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { type SimulatedCluster, type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import { directoryOf, RecordingCluster } from '../support/recording-cluster.ts';
import { ask, type Entry, entryOf, ReloadingService } from '../support/reloading-service.ts';
import { buildService, tokenFor } from '../support/service.ts';

const SOON = { timeout: 10_000, interval: 20 };

let simulator: Simulator;
let production: SimulatedCluster;
let staging: SimulatedCluster;
let recovery: SimulatedCluster;

beforeAll(async () => {
  simulator = await startSimulator({ taskSeconds: 0, authDelaySeconds: 0, resourcesLagSeconds: 0 });
  production = simulator.cluster('production');
  staging = simulator.cluster('staging');
  recovery = simulator.cluster('disaster-recovery');
});
afterAll(() => simulator.close());

async function start(clusters: Record<string, Entry>): Promise<ReloadingService> {
  const site = await ReloadingService.start(clusters);
  onTestFinished(() => site.stop());
  return site;
}

const both = (): Record<string, Entry> => ({ production: entryOf(production), staging: entryOf(staging) });

describe('tools/list_changed', () => {
  it.each(['http', 'sse', 'modern'] as const)(
    'reaches a client over %s, and its next list is the new one',
    async (kind) => {
      const site = await start({ staging: entryOf(staging) });
      const { client, told, tools, listen } = await site.connect(kind);
      expect(client.getServerCapabilities()?.tools).toEqual({ listChanged: true });
      const subscription = await listen();
      if (kind === 'modern') expect(subscription?.honoredFilter).toEqual({ toolsListChanged: true });
      const takesCluster = async (): Promise<boolean> => {
        const { tools: list } = await tools();
        const tool = list.find(({ name }) => name === 'list_nodes');
        return 'cluster' in (tool?.inputSchema.properties ?? {});
      };
      expect(await takesCluster()).toBe(false);
      await streamsAreOpen();
      site.apply(both());
      await vi.waitFor(() => expect(told.count).toBe(1), SOON);
      expect(await takesCluster()).toBe(true);
      site.apply({ staging: entryOf(staging) });
      await vi.waitFor(() => expect(told.count).toBe(2), SOON);
      expect(await takesCluster()).toBe(false);
      // Nothing of this is visible in the list.
      site.apply({ staging: entryOf(staging, { region: 'eu' }) });
      site.apply({ staging: entryOf(staging, { region: 'us' }) });
      site.apply(both());
      await vi.waitFor(() => expect(told.count).toBe(3), SOON);
    },
  );

  it('is not for those whose URL shows one cluster that stays, nor for clients that have gone', async () => {
    const site = await start(both());
    const scoped = await site.connect('http', '/mcp/staging');
    const scopedModern = await site.connect('modern', '/mcp/staging');
    const http = await site.connect('http');
    const sse = await site.connect('sse');
    const modern = await site.connect('modern');
    await Promise.all([scopedModern.listen(), modern.listen()]);
    await streamsAreOpen();
    site.apply({ ...both(), dr: entryOf(recovery) });
    const open = [http, sse, modern];
    await vi.waitFor(() => expect(open.map(({ told }) => told.count)).toEqual([1, 1, 1]), SOON);
    expect([scoped.told.count, scopedModern.told.count]).toEqual([0, 0]);

    const { listChanges } = site.service.core.dispatcher;
    const before = listChanges.size;
    await sse.client.close();
    await vi.waitFor(() => expect(listChanges.size).toBe(before - 1), SOON);
  });

  it('keeps a subscription open beyond the deadline of a request, and gives each principal its share', async () => {
    const estate = directoryOf(new RecordingCluster('a'), new RecordingCluster('b'));
    const limits = { most: 10, perPrincipal: 1, idleMs: 60_000 };
    const service = await buildService({ estate, limits, postDeadlineMs: 200 });
    onTestFinished(() => service.close());
    const url = await service.listen();
    const client = new ModernClient(
      { name: 'v2', version: '1' },
      { versionNegotiation: { mode: { pin: '2026-07-28' } } },
    );
    const headers = { authorization: `Bearer ${await tokenFor('alice')}` };
    await client.connect(new ModernTransport(new URL('/mcp', url), { requestInit: { headers } }));
    const subscription = await client.listen({ toolsListChanged: true });
    const closed = vi.fn<(how: string) => void>();
    void subscription.closed.then(closed);
    await new Promise((later) => setTimeout(later, 600));
    expect(closed).not.toHaveBeenCalled();
    // Beyond its share a principal is refused, and the first stream stays.
    await expect(client.listen({ toolsListChanged: true })).rejects.toThrow();
    expect(closed).not.toHaveBeenCalled();
    await subscription.close();
    await vi.waitFor(() => client.listen({ toolsListChanged: true }), SOON);
    await client.close();
  });
});

describe('under load', () => {
  it('no call fails over 20 reloads that change, add and take away', async () => {
    const site = await start({ ...both(), dr: entryOf(recovery) });
    const clients = [await site.connect('http'), await site.connect('sse'), await site.connect('modern')];
    let isOver = false;
    let calls = 0;
    const failures: unknown[] = [];
    const load = clients.flatMap(({ client }) =>
      ['production', 'staging'].map(async (cluster) => {
        while (!isOver) {
          const answer = await ask(client, '/version', { cluster }).catch((error: unknown) => error);
          calls++;
          if (!(answer instanceof Object && 'isError' in answer && !answer.isError)) failures.push(answer);
        }
      }),
    );
    for (let round = 1; round <= 20; round++) {
      const others = round % 2 === 0 ? { dr: entryOf(recovery) } : {};
      site.apply({
        production: entryOf(production, { region: `r${round}` }),
        staging: entryOf(staging, { tier: `t${Math.floor(round / 2)}` }),
        ...others,
      });
      const reached = calls + 20;
      await vi.waitFor(() => expect(calls).toBeGreaterThan(reached), SOON);
    }
    isOver = true;
    await Promise.all(load);
    expect(failures).toEqual([]);
    // The watch of the files adds its own, which find nothing changed.
    expect(site.said('configuration reloaded').filter(({ changed }) => changed)).toHaveLength(20);
  });
});

/** The GET stream of a session opens after its client's `connect` has resolved. */
const streamsAreOpen = (): Promise<void> => new Promise((opened) => setTimeout(opened, 300));
