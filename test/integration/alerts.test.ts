import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { lookQuickly } from '../../src/clusters/alerts/cluster-look.ts';
import { apiPath } from '../../src/proxmox/api-path.ts';
import { type SimulatedCluster, type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import { AlertSite, type AlertSiteOptions, HOOK_SECRET, Receiver } from '../support/alert-site.ts';
import { callTool } from '../support/reloading-service.ts';

const SOON = { timeout: 10_000, interval: 20 };
const DAY_SECONDS = 86_400;

let simulator: Simulator;
let production: SimulatedCluster;
let staging: SimulatedCluster;
let hook: Receiver;

beforeAll(async () => {
  simulator = await startSimulator({ taskSeconds: 0, authDelaySeconds: 0, resourcesLagSeconds: 0 });
  production = simulator.cluster('production');
  staging = simulator.cluster('staging');
  hook = await Receiver.start();
});
afterAll(async () => {
  await hook.close();
  await simulator.close();
});
beforeEach(() => {
  hook.sent.length = 0;
  hook.status = 204;
});

async function start(options: Partial<AlertSiteOptions> = {}): Promise<AlertSite> {
  const site = await AlertSite.start({ clusters: { production, staging }, hook, ...options });
  onTestFinished(() => site.stop());
  return site;
}

/** Looks until what is known of guests, nodes and storages is newer than what the test did. */
async function lookFresh(site: AlertSite, times = 1): Promise<void> {
  for (const cluster of site.service.core.clusters.list()) cluster.changed();
  await site.look(times);
}

describe('an alert', () => {
  it('comes for each thing that goes wrong with a cluster, once, and ends with it', async () => {
    const site = await start();
    await site.look(2);
    expect(site.active()).toEqual([]);

    const expected: [begin: () => () => unknown, id: string, looks: number][] = [
      [
        () => production.faults.add({ kind: 'storage-full', storage: 'nas' }).remove,
        'storage_full:production:storage nas',
        1,
      ],
      [() => production.faults.add({ kind: 'quorum-lost' }).remove, 'quorum_lost:production:quorum', 2],
      [
        () => {
          const node = production.state.nodes.at(-1);
          if (!node) throw new Error('no node');
          node.online = false;
          return () => {
            node.online = true;
          };
        },
        `node_offline:production:node ${production.state.nodes.at(-1)?.name}`,
        2,
      ],
      [
        () => {
          const token = production.state.access.findToken(production.user, production.tokenId);
          if (!token) throw new Error('no token');
          token.expire = Math.floor(Date.now() / 1000) + 5 * DAY_SECONDS;
          return () => {
            token.expire = 0;
          };
        },
        `token_expiring:production:API token ${production.user}!${production.tokenId}`,
        1,
      ],
      [
        () => {
          const [node] = production.state.nodes;
          const origin = { node: node?.name ?? '', type: 'vzdump', id: '100', owner: 'root@pam' };
          const at = Math.floor(Date.now() / 1000);
          production.state.tasks.archive(origin, at - 60, 30, [], 'job errors');
          return () => production.state.tasks.archive(origin, at - 20, 5, []);
        },
        'backup_failed:production:backup of guest 100',
        1,
      ],
    ];
    for (const [begin, id, looks] of expected) {
      const end = begin();
      await lookFresh(site, looks);
      expect(site.active(), id).toEqual([id]);
      await site.look();
      expect(hook.told(), id).toEqual([`raised ${id}`]);
      await end();
      await lookFresh(site, looks);
      expect(site.active(), id).toEqual([]);
      expect(hook.told(), id).toEqual([`resolved ${id}`]);
    }
  });

  it('comes when a cluster is down; nothing else is said of it', async () => {
    const site = await start();
    await site.look();
    await production.stop();
    try {
      // The first one finds out, and two have to agree.
      await site.look(3);
      expect(site.active()).toEqual(['cluster_down:production:cluster']);
      await site.look(2);
      expect(hook.told()).toEqual(['raised cluster_down:production:cluster']);
    } finally {
      await production.start();
    }
    // A probe would find it, within seconds.
    const [cluster] = site.service.core.clusters.list();
    await cluster?.send({ method: 'GET', path: apiPath`/version`, parameters: {} });
    await site.look(2);
    expect(site.active()).toEqual([]);
    expect(hook.told()).toEqual(['resolved cluster_down:production:cluster']);
  });

  it('comes for a certificate that ends soon', async () => {
    const soon = await startSimulator({
      taskSeconds: 0,
      authDelaySeconds: 0,
      certificateDays: { 'disaster-recovery': 6 },
    });
    onTestFinished(() => soon.close());
    const recovery = soon.cluster('disaster-recovery');
    const site = await start({ clusters: { recovery } });
    await site.look();
    expect(site.active()).toEqual([`certificate_expiring:recovery:certificate at ${recovery.url}`]);
    expect(hook.sent[0]?.body.alerts[0]).toMatchObject({ severity: 'warning', cluster: 'recovery' });
  });

  it('comes for guests without a backup of late, where that is asked for', async () => {
    const site = await start({ clusters: { staging }, env: 'ALERT_BACKUP_AGE_DAYS=1' });
    await site.look();
    const old = site.active().filter((id) => id.startsWith('backup_old:staging:guest '));
    expect(old.length).toBeGreaterThan(0);
    const quiet = await start({ clusters: { staging } });
    await quiet.look();
    expect(quiet.active()).toEqual([]);
  });

  it('costs two questions a look', async () => {
    const site = await start({ clusters: { production } });
    await site.look();
    const asked = production.requests.length;
    const [cluster] = site.service.core.clusters.list();
    if (!cluster) throw new Error('no cluster');
    cluster.changed();
    const { board } = site.service.core.alerting;
    const config = { storagePercent: { warning: 85, critical: 95 } } as never;
    const signal = new AbortController().signal;
    await lookQuickly(cluster, { board, config, now: Date.now(), signal, unread: () => undefined });
    const paths = production.requests
      .slice(asked)
      .map(({ method, path }) => `${method} ${path.replace('/api2/json', '')}`);
    expect(paths.filter((path) => !path.endsWith('/version')).toSorted()).toEqual([
      'GET /cluster/resources',
      'GET /cluster/status',
    ]);
    expect(production.requests.filter(({ method }) => method !== 'GET')).toEqual([]);
  });
});

describe('the webhook', () => {
  const fill = (storage = 'nas') => {
    const end = production.faults.add({ kind: 'storage-full', storage });
    onTestFinished(() => end.remove());
    return end;
  };

  it('gets a signed body, with no secret in it or in the log', async () => {
    const site = await start();
    fill();
    await lookFresh(site);
    const [sent] = hook.sent;
    if (!sent) throw new Error('nothing was sent');
    const timestamp = String(sent.headers['x-proxmox-mcp-timestamp']);
    const expected = createHmac('sha256', HOOK_SECRET).update(`${timestamp}.${sent.raw}`).digest('hex');
    expect(sent.headers['x-proxmox-mcp-signature']).toBe(`v1=${expected}`);
    expect(Math.abs(Number(timestamp) - Date.now() / 1000)).toBeLessThan(60);
    expect(sent.path).toBe('/hooks/canary-of-the-path');
    expect(sent.body).toMatchObject({
      version: 1,
      test: false,
      text: expect.stringMatching(/^\[critical\] The storage nas of production is 100\.0 % full/),
      alerts: [
        {
          event: 'raised',
          id: 'storage_full:production:storage nas',
          kind: 'storage_full',
          severity: 'critical',
          cluster: 'production',
          subject: 'storage nas',
        },
      ],
    });
    const secrets = [production.tokenSecret, staging.tokenSecret, HOOK_SECRET];
    const shown = [sent.raw, ...site.lines].join('\n');
    for (const secret of [...secrets, 'canary-of-the-path']) expect(shown).not.toContain(secret);
  });

  it('is told nothing twice by a restart, and of what ended meanwhile', async () => {
    const before = await AlertSite.start({ clusters: { production, staging }, hook });
    const end = fill();
    await lookFresh(before);
    expect(hook.told()).toHaveLength(1);
    await before.stop();
    const after = await start({ folder: before.folder });
    await lookFresh(after, 2);
    expect(hook.told()).toEqual([]);
    await after.stop();
    await end.remove();
    const last = await start({ folder: before.folder });
    await lookFresh(last);
    expect(hook.told()).toEqual(['resolved storage_full:production:storage nas']);
  });

  it('that is down or answers with a redirect keeps nothing from working', async () => {
    const site = await start();
    hook.status = 307;
    hook.headers = { location: 'http://127.0.0.1:9/elsewhere' };
    fill();
    await lookFresh(site);
    expect(hook.sent).toHaveLength(1);
    expect(site.lines.some((line) => line.includes('"status":307'))).toBe(true);
    const { client } = await site.connect('http');
    expect((await callTool(client, 'list_alerts', {})).data).toMatchObject({ total: 1, critical: 1 });
  });
});

describe('clients', () => {
  const fill = () => production.faults.add({ kind: 'storage-full', storage: 'nas' });
  const ID = 'storage_full:production:storage nas';

  it.each(['http', 'sse'] as const)('over %s are told at the level they asked for', async (kind) => {
    const site = await start();
    const all = await site.connect(kind);
    const grave = await site.connect(kind, { level: 'critical' });
    expect(all.client.getServerCapabilities()?.logging).toEqual({});
    await lookFresh(site);
    const end = fill();
    await lookFresh(site);
    await end.remove();
    await lookFresh(site);
    await vi.waitFor(() => {
      expect(all.messages.map(({ data }) => data.event)).toEqual(['raised', 'resolved']);
    }, SOON);
    expect(all.told()).toEqual([`critical raised ${ID}`, `notice resolved ${ID}`]);
    expect(grave.told()).toEqual([`critical raised ${ID}`]);
    await Promise.all([all, grave].map(({ client }) => client.close()));
    await vi.waitFor(() => expect(site.service.core.dispatcher.alertNews.size).toBe(0), SOON);
  });

  it('hear nothing of clusters, nodes and storages that they may not see', async () => {
    const policy = {
      roles: {
        all: { grants: [{ allow: '*' }] },
        staging: { grants: [{ allow: '*', clusters: ['staging'] }] },
      },
      principals: [
        { match: { subject: 'alice' }, roles: 'all' },
        { match: { subject: 'bob' }, roles: 'staging' },
        { match: { subject: 'tina' }, roles: 'all', tenant: { pools: ['web'] } },
      ],
    };
    const site = await start({ policy });
    const people = await Promise.all(
      ['alice', 'bob', 'tina', 'stranger'].map((subject) => site.connect('http', { subject })),
    );
    const scoped = await site.connect('http', { subject: 'alice' }, '/mcp/staging');
    const end = fill();
    onTestFinished(() => end.remove());
    await lookFresh(site);
    const [alice, bob, tina, stranger] = people;
    await vi.waitFor(() => expect(alice?.messages).toHaveLength(1), SOON);
    for (const one of [bob, tina, stranger, scoped]) expect(one?.messages).toEqual([]);
    const seen = await Promise.all(
      [alice, bob, tina, scoped].map(async (one) => {
        if (!one) throw new Error('nobody');
        return (await callTool(one.client, 'list_alerts', {})).data.total;
      }),
    );
    expect(seen).toEqual([1, 0, 0, 0]);
  });

  it('hear of the service itself only as administrators', async () => {
    const site = await start();
    const admin = await site.connect('http');
    const reader = await site.connect('http', { subject: 'reader', scope: 'proxmox:read' });
    const { board } = site.service.core.alerting;
    const message = 'no record';
    board.take(undefined, 'audit', {
      findings: [{ kind: 'audit_failing', severity: 'critical', subject: 'record of calls', message }],
    });
    await vi.waitFor(() => expect(admin.messages).toHaveLength(1), SOON);
    expect(reader.messages).toEqual([]);
    const of = async (one: typeof admin) => (await callTool(one.client, 'list_alerts', {})).data.total;
    expect([await of(admin), await of(reader)]).toEqual([1, 0]);
  });

  it('of both eras read them as a resource', async () => {
    const site = await start();
    const end = fill();
    onTestFinished(() => end.remove());
    await lookFresh(site);
    const { client } = await site.connect('http');
    const modern = await site.connectModern();
    expect(modern.getServerCapabilities()?.logging).toBeUndefined();
    for (const one of [client, modern]) {
      const { contents } = await one.readResource({ uri: 'proxmox://alerts' });
      const [first] = contents as { text: string }[];
      expect(JSON.parse(first?.text ?? '').alerts).toMatchObject([{ id: ID, severity: 'critical' }]);
    }
    await client.subscribeResource({ uri: 'proxmox://alerts' });
    expect(site.service.core.dispatcher.beside.watched.size).toBe(1);
  });

  it('are told what was not looked at yet', async () => {
    const site = await start();
    const { client } = await site.connect('http');
    const ask = async (args = {}) => (await callTool(client, 'list_alerts', args)).data;
    expect(await ask()).toMatchObject({ total: 0, not_looked_at: ['production', 'staging'] });
    await site.look();
    expect(await ask({ cluster: 'staging' })).not.toHaveProperty('not_looked_at');
  });
});
